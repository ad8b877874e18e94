import numpy as np
import pytest

from meanfield.random import (
    INITIAL,
    LABEL,
    SAMPLE,
    TEST_LABEL,
    TEST_SAMPLE,
    labels,
    normals,
)
from meanfield.sampling import initial_gaussian, sample_isotropic


def test_samples_have_the_scales_of_their_labels():
    x, y = sample_isotropic(3, 0, 20_000, SAMPLE, dimension=6, delta=0.8)
    assert x.shape == (20_000, 6)
    assert x.dtype == np.float32
    assert y.dtype == np.float64
    for label, scale in ((1, 1.8), (-1, 0.2)):
        squares = x[y == label].astype(np.float64) ** 2 / scale**2
        assert squares.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / squares.size))


@pytest.mark.parametrize(("stream", "signs"), [(SAMPLE, LABEL), (TEST_SAMPLE, TEST_LABEL)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_are_scaled_normals_of_their_streams(stream, signs, dtype):
    step = 2**32 - 3
    x, y = sample_isotropic(3, step, 9, stream, dimension=5, delta=0.3, dtype=dtype)
    assert np.array_equal(y, labels(3, signs, step, 9))
    scale = np.where(y > 0, dtype(1.3), dtype(0.7)).astype(dtype)
    assert np.array_equal(x, scale[:, None] * normals(3, stream, step, 9, 5).astype(dtype))
    assert x.dtype == dtype


def test_no_samples():
    x, y = sample_isotropic(3, 5, 0, SAMPLE, dimension=2, delta=0.5)
    assert x.shape == (0, 2)
    assert y.shape == (0,)


@pytest.mark.parametrize("stream", [INITIAL, LABEL, 99])
def test_only_sample_streams_are_sampled(stream):
    with pytest.raises(ValueError, match="stream must be SAMPLE"):
        sample_isotropic(3, 0, 1, stream, dimension=2, delta=0.5)


def test_initial_weights():
    theta = initial_gaussian(3, 4000, 40, 0.8)
    assert theta.shape == (4000, 40)
    assert theta.dtype == np.float64
    assert np.sum(theta**2, axis=1).mean() == pytest.approx(0.64, abs=5 * 0.64 / np.sqrt(80_000))
    assert np.array_equal(theta[:7], initial_gaussian(3, 7, 40, 0.8))
    expected = normals(3, INITIAL, 0, 3, 40).astype(np.float64) * (0.8 / np.sqrt(40))
    assert np.array_equal(theta[:3], expected)
