import platform

import numpy as np
import pytest

from compiled_curves import evaluated
from meanfield.activations import Erf, PiecewiseLinear, Tanh
from meanfield.random import LABEL, NOISE, SAMPLE, four_normals, labels, normals
from meanfield.sgd import cuda_kernels
from meanfield.sgd.cuda_kernels import Variant, activation_macros

DRAWN = """
extern "C" __global__ void drawn(float *x, float *y, const u64 *seeds, const u64 *steps, int quads,
                                 unsigned stream)
{
    const int item = blockIdx.x, thread = threadIdx.x;
    for (int quad = thread; quad < quads; quad += 32) {
        const Normals g = draw_normals(quad, steps[item], stream, seeds[item]);
        for (int p = 0; p < 4; ++p)
            x[(item * quads + quad) * 4 + p] = g.value[p];
    }
    if (thread == 0)
        y[item] = draw_label(steps[item], seeds[item]);
}
extern "C" __global__ void of_words(float *x, const unsigned *words, int count)
{
    for (int i = threadIdx.x; i < count; i += 32) {
        const unsigned word = words[i];
        const Normals g = four_normals({{word, word, word, word}});
        x[2 * i] = g.value[0];
        x[2 * i + 1] = g.value[1];
    }
}
"""
FLUSHED = """
extern "C" __global__ void flushed(float *x)
{
    if (threadIdx.x == 0)
        x[0] = MUL(x[0], x[1]);
}
"""
EVALUATED = """
extern "C" __global__ void evaluated(float *values, float *slopes, const float *z, int count)
{
    for (int i = threadIdx.x; i < count; i += 32)
        values[i] = evaluate(z[i], &slopes[i]);
}
"""


@pytest.fixture
def after(device, tmp_path):
    """Return what runs one of the kernels above, and returns its arrays as they are afterwards."""

    def run(function, text, files, grid, arguments, **macros):
        own = tmp_path / "kernel.cu"
        own.write_text(text)
        given = tuple(sorted((macros | cuda_kernels._STREAMS).items()))
        launch = device.compile(Variant(function, (*files, str(own)), given, 32))
        moved = tuple(
            device.xp.asarray(each) if isinstance(each, np.ndarray) else each for each in arguments
        )
        launch(grid, moved)
        return [device.to_host(each) for each in moved if not isinstance(each, np.generic)]

    return run


@pytest.mark.parametrize("stream", [SAMPLE, NOISE])
def test_normals_and_labels_have_the_bits_of_numpy(after, stream):
    seeds = np.array([0, 1, 2**32, 2**64 - 1, 123456789012345], dtype=np.uint64)
    steps = np.array([0, 3, 2**32 - 1, 2**32 + 6, 2**50 + 1], dtype=np.uint64)
    quads = 5
    x, y = np.empty((5, 4 * quads), np.float32), np.empty(5, np.float32)
    x, y, *_ = after(
        "drawn", DRAWN, ["random.cu"], (5, 1),
        (x, y, seeds, steps, np.int32(quads), np.uint32(stream)),
    )  # fmt: skip
    for i, (seed, step) in enumerate(zip(seeds.tolist(), steps.tolist(), strict=True)):
        assert np.array_equal(x[i], normals(seed, stream, step, 1, 4 * quads)[0])
        assert y[i] == labels(seed, LABEL, step, 1)[0]


def test_the_map_of_words_has_the_bits_of_numpy(after):
    generator = np.random.default_rng(1)
    ends = np.concatenate([np.arange(300), 2**24 - 1 - np.arange(300), 2**21 * np.arange(8)])
    words = np.concatenate([ends, generator.integers(0, 2**24, 200_000)]).astype(np.uint32) << 8
    found = np.empty((len(words), 2), np.float32)
    arguments = found, words, np.int32(len(words))
    found, _ = after("of_words", DRAWN, ["random.cu"], (1, 1), arguments)
    wide = words.astype(np.uint64)
    expected = np.stack(four_normals(wide, wide, wide, wide)[:2], axis=-1)
    assert np.array_equal(found.view(np.uint32), expected.view(np.uint32))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the shim flushes by way of SSE")
def test_numbers_below_the_normal_ones_are_flushed_as_on_a_gpu(after):
    """So the bits above are those of a GPU, too, where it is the shim that gave them."""
    tiny = np.array([1e-30, 1e-9], np.float32)
    assert tiny[0] * tiny[1] > 0
    (tiny,) = after("flushed", FLUSHED, ["random.cu"], (1, 1), (tiny,))
    assert tiny[0] == 0
    assert np.float32(1e-30) * np.float32(1e-9) > 0


@pytest.mark.parametrize(
    "activation",
    [Tanh(), Erf(), PiecewiseLinear((-0.7, 0.1, 1 / 3), (1.0, -2.0, 0.3), -0.1, 2.0)],
    ids=lambda activation: type(activation).__name__,
)
def test_activations_have_the_bits_of_the_compiled_ones(after, activation):
    generator = np.random.default_rng(2)
    points = np.concatenate([
        generator.normal(size=20_000) * 3, [0.0, -0.0, 1.0, -1.0, 6.5, 50.0, -50.0, 1e30, 1e-30],
        np.array([-0.7, 0.1, 1 / 3], np.float32),
    ])  # fmt: skip
    z, values, slopes = evaluated(activation, points, "float32")
    z = np.array(z)
    found = np.empty_like(z), np.empty_like(z)
    found = after(
        "evaluated", EVALUATED, ["random.cu", "activation.cu"], (1, 1),
        (*found, z, np.int32(len(z))), **activation_macros(activation),
    )  # fmt: skip
    assert np.array_equal(found[0].view(np.uint32), np.array(values).view(np.uint32))
    assert np.array_equal(found[1].view(np.uint32), np.array(slopes).view(np.uint32))
