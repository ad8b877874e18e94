import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from randomgen import Philox  # type: ignore[import-untyped]
from scipy import stats

from meanfield import random
from meanfield.random import LABEL, SAMPLE, fill_labels, fill_normals, labels, normals, split_seed

WORDS = st.integers(0, 2**32 - 1)
SEEDS = st.integers(0, 2**64 - 1)


def philox(counter: list[int], key: list[int]) -> list[int]:
    words = random.philox(*(np.array([word], dtype=np.uint64) for word in (*counter, *key)))
    return [int(word[0]) for word in words]


ONES = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_known_answers_of_random123(counter, key, answer):
    assert philox(counter, key) == answer


@settings(max_examples=30)
@given(st.lists(WORDS, min_size=4, max_size=4), st.lists(WORDS, min_size=2, max_size=2))
def test_words_are_those_of_randomgen(counter, key):
    # randomgen advances its 128-bit counter before each call.
    before = (sum(word << (32 * i) for i, word in enumerate(counter)) - 1) % 2**128
    other = Philox(counter=before, key=key[0] + (key[1] << 32), number=4, width=32)
    assert philox(counter, key) == [int(word) for word in other.random_raw(4)]


@settings(max_examples=30)
@given(SEEDS, st.integers(0, 2**58 - 1), st.integers(0, 5), st.integers(1, 3))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_normals_have_the_same_bits(dtype, seed, block, stream, calls):
    step = 32 * block
    out = np.empty((4 * calls, 32), dtype)
    fill_normals(out, *split_seed(seed), np.uint64(stream), np.uint64(step))
    expected = normals(seed, stream, step, 32, 4 * calls)
    assert np.array_equal(out.T.astype(np.float32).view(np.int32), expected.view(np.int32))


@settings(max_examples=30)
@given(SEEDS, st.integers(0, 2**58 - 1))
def test_compiled_labels_are_the_same(seed, block):
    out = np.empty(32)
    fill_labels(out, *split_seed(seed), np.uint64(LABEL), np.uint64(32 * block))
    assert np.array_equal(out, labels(seed, LABEL, 32 * block, 32))


@settings(max_examples=30)
@given(st.integers(0, 2**33), st.integers(0, 9), st.integers(1, 9), st.integers(0, 2**24 - 1))
def test_any_step_can_be_drawn_alone(first, skip, dimension, replica):
    together = normals(1, SAMPLE, first, 12, dimension, replica)
    assert np.array_equal(together[skip:], normals(1, SAMPLE, first + skip, 12 - skip, dimension,
                                                   replica))  # fmt: skip
    wide = normals(1, SAMPLE, first, 12, dimension + 3, replica)
    assert np.array_equal(together, wide[:, :dimension])
    signs = labels(1, LABEL, first, 12, replica)
    assert np.array_equal(signs[skip:], labels(1, LABEL, first + skip, 12 - skip, replica))


def test_streams_replicas_seeds_and_high_step_words_differ():
    draws = [
        normals(1, SAMPLE, 0, 4, 4),
        normals(1, LABEL, 0, 4, 4),
        normals(2, SAMPLE, 0, 4, 4),
        normals(1 + 2**32, SAMPLE, 0, 4, 4),
        normals(1, SAMPLE, 2**32, 4, 4),
        normals(1, SAMPLE, 0, 4, 4, replica=1),
    ]
    values = np.concatenate([draw.ravel() for draw in draws])
    assert len(np.unique(values)) == len(values)


def test_box_muller_maps_every_24_bit_number_right():
    # Largest errors seen: radius 3.6e-7 absolute and 1.0e-7 relative, cosine and sine 9.1e-8.
    for part in np.array_split(np.arange(2**24, dtype=np.uint64), 16):
        words = (part << np.uint64(8)) | np.uint64(0x5A)
        u = (part + 1.0) * 2.0**-24
        expected = np.sqrt(-2 * np.log(u))
        radius = random.radius(words)
        cosine, sine = random.direction(words)
        assert radius.dtype == cosine.dtype == sine.dtype == np.float32
        assert np.all(np.abs(radius - expected) <= 1.2e-7 * expected)
        assert np.max(np.abs(radius - expected)) <= 4e-7
        assert np.max(np.abs(cosine - np.cos(2 * np.pi * u))) <= 1e-7
        assert np.max(np.abs(sine - np.sin(2 * np.pi * u))) <= 1e-7


def test_the_top_word_gives_radius_zero():
    top = np.array([0xFFFFFF00, 0xFFFFFFFF], dtype=np.uint64)
    assert np.array_equal(random.radius(top).view(np.int32), [0, 0])  # +0, not -0
    below = np.array([0xFFFFFEFF], dtype=np.uint64)
    assert random.radius(below)[0] > 0
    largest = random.radius(np.array([0], dtype=np.uint64))[0]
    assert largest == pytest.approx(np.sqrt(48 * np.log(2)), rel=1e-6)


def test_normals_are_normal():
    draws = normals(20240607, SAMPLE, 2**32 - 1000, 25_000, 8)
    count = draws.size
    flat = draws.astype(np.float64).ravel()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(np.mean(flat**power) - moment) < 4.5 * np.sqrt(variance / count)
    for column in draws.T:
        assert stats.kstest(column, "norm").pvalue > 1e-4
    correlation = np.corrcoef(np.concatenate([draws, draws**2], axis=1).T)
    assert np.max(np.abs(correlation - np.eye(16))) < 5 / np.sqrt(len(draws))


def test_labels_are_fair_and_independent():
    signs = labels(7, LABEL, 0, 100_000)
    assert set(signs) == {-1.0, 1.0}
    assert abs(signs.mean()) < 4.5 / np.sqrt(len(signs))
    for lag in (1, 2, 3, 4):
        assert abs(np.mean(signs[lag:] * signs[:-lag])) < 4.5 / np.sqrt(len(signs))


def test_labels_follow_the_top_bit_of_their_word():
    key = split_seed(9)
    for step in (0, 5, 2**34 + 3):
        call = step // 4
        word = philox([0, call % 2**32, call // 2**32, LABEL], [int(k) for k in key])[step % 4]
        assert labels(9, LABEL, step, 1)[0] == (1.0 if word < 2**31 else -1.0)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seed_out_of_range(seed):
    with pytest.raises(ValueError, match="seed must be an integer in"):
        normals(seed, SAMPLE, 0, 1, 1)
