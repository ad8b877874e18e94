"""Uniform words, numbers and indices: one text with two executions, and their laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from meanfield.choices import fill_indices, indices, uniforms, words
from meanfield.random import SAMPLE, split_seed

SEEDS = st.integers(0, 2**64 - 1)
STEPS = st.one_of(st.integers(0, 100), st.integers(2**32 - 40, 2**32 + 40), st.integers(0, 2**62))


@given(SEEDS, STEPS, st.integers(1, 70), st.integers(1, 2**32 - 1), st.integers(0, 3))
def test_compiled_indices_are_the_same(
    seed: int, step: int, count: int, bound: int, replica: int
) -> None:
    out = np.empty(count, dtype=np.int64)
    last = np.uint64(SAMPLE + 256 * replica)
    fill_indices(out, np.uint64(bound), *split_seed(seed), last, np.uint64(step))
    expected = indices(seed, SAMPLE, step, count, bound, replica)
    np.testing.assert_array_equal(out, expected)
    assert 0 <= out.min() <= out.max() < bound


@given(SEEDS, STEPS, st.integers(0, 9), st.integers(0, 9), st.integers(1, 9))
def test_words_do_not_depend_on_the_cut(
    seed: int, step: int, count: int, more: int, dimension: int
) -> None:
    whole = words(seed, SAMPLE, step, count + more, dimension + 1)
    np.testing.assert_array_equal(
        whole[:count, :dimension], words(seed, SAMPLE, step, count, dimension)
    )
    rest = words(seed, SAMPLE, step + count, more, dimension + 1)
    np.testing.assert_array_equal(whole[count:], rest)


def test_the_numbers_are_uniform() -> None:
    u = uniforms(3, SAMPLE, 0, 20_000, 3)
    assert u.shape == (20_000, 3)
    for column in u.T:
        assert kstest(column, "uniform").pvalue > 1e-3
    counts = np.bincount(indices(3, SAMPLE, 0, 20_000, 7), minlength=7)
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("bound", [0, 2**32])
def test_the_number_of_choices_is_checked(bound: int) -> None:
    with pytest.raises(ValueError, match="number of choices must lie in"):
        indices(1, SAMPLE, 0, 1, bound)
