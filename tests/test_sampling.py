"""Samples: their laws, their streams, and that they depend on the step alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meanfield.choices import indices
from meanfield.laws import AnisotropicGaussians, DataSet, GaussianTeacher, IsotropicGaussians
from meanfield.random import (
    INITIAL,
    LABEL,
    SAMPLE,
    TEST_LABEL,
    TEST_SAMPLE,
    labels,
    normals,
)
from meanfield.sampling import sample
from sample_laws import RAMP, laws

LAWS = laws()


def test_samples_have_the_scales_of_their_labels():
    x, y = sample(IsotropicGaussians(6, 0.8), 3, 0, 20_000, SAMPLE)
    assert x.shape == (20_000, 6)
    assert x.dtype == np.float32
    assert y.dtype == np.float64
    for label, scale in ((1, 1.8), (-1, 0.2)):
        squares = x[y == label].astype(np.float64) ** 2 / scale**2
        assert squares.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / squares.size))


@pytest.mark.parametrize(("stream", "signs"), [(SAMPLE, LABEL), (TEST_SAMPLE, TEST_LABEL)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gaussians_are_scaled_normals_of_their_streams(stream, signs, dtype):
    step = 2**32 - 3
    scale = np.where(labels(3, signs, step, 9) > 0, dtype(1.3), dtype(0.7)).astype(dtype)
    g = normals(3, stream, step, 9, 5).astype(dtype)
    for law, informative in ((IsotropicGaussians(5, 0.3), 5), (AnisotropicGaussians(5, 2, 0.3), 2)):
        x, y = sample(law, 3, step, 9, stream, dtype)
        assert np.array_equal(y, labels(3, signs, step, 9))
        assert np.array_equal(x[:, :informative], scale[:, None] * g[:, :informative])
        assert np.array_equal(x[:, informative:], g[:, informative:])
        assert x.dtype == dtype


def test_a_teacher_s_labels_are_its_own_with_noise_of_the_stream_of_labels():
    law = GaussianTeacher(3, RAMP, (1.0, -0.5), 0.1)
    x, y = sample(law, 3, 7, 2000, TEST_SAMPLE)
    assert np.array_equal(x, normals(3, TEST_SAMPLE, 7, 2000, 3))
    clean = RAMP(x[:, 0].astype(float)) - 0.5 * RAMP(x[:, 1].astype(float))
    noise = normals(3, TEST_LABEL, 7, 2000, 1)[:, 0].astype(float)
    assert y - clean == pytest.approx(0.1 * noise, abs=1e-13)
    assert np.std(y - clean) == pytest.approx(0.1, rel=0.1)


def test_rows_of_a_data_set_are_drawn_with_replacement():
    law = DataSet(np.arange(14).reshape(7, 2), np.arange(7) - 3)
    x, y = sample(law, 3, 5, 4000, SAMPLE)
    rows = indices(3, SAMPLE, 5, 4000, 7)
    assert np.array_equal(x, law.x[rows])
    assert np.array_equal(y, law.y[rows])
    assert set(rows) == set(range(7))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**64 - 1),
    step=st.one_of(st.integers(0, 2100), st.integers(2**32 - 9, 2**32 + 9), st.integers(0, 2**60)),
    count=st.integers(0, 1100),
    more=st.integers(0, 9),
    stream=st.sampled_from([SAMPLE, TEST_SAMPLE]),
)
def test_samples_do_not_depend_on_the_cut(
    law: Any, seed: int, step: int, count: int, more: int, stream: int
) -> None:
    x, y = sample(law, seed, step, count + more, stream, np.float64)
    assert x.shape == (count + more, law.dimension)
    assert y.shape == (count + more,)
    first = sample(law, seed, step, count, stream, np.float64)
    rest = sample(law, seed, step + count, more, stream, np.float64)
    assert np.array_equal(x, np.concatenate([first.x, rest.x]))
    assert np.array_equal(y, np.concatenate([first.y, rest.y]))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_test_samples_are_other_samples(law: Any) -> None:
    x, test = (sample(law, 3, 0, 50, stream).x for stream in (SAMPLE, TEST_SAMPLE))
    assert not np.array_equal(x, test)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("stream", [INITIAL, LABEL, 99])
def test_only_sample_streams_are_sampled(law, stream):
    with pytest.raises(ValueError, match="stream must be SAMPLE"):
        sample(law, 3, 0, 1, stream)


def test_only_laws_are_sampled(tmp_path: Path):
    with pytest.raises(TypeError, match="cannot draw samples from a PosixPath"):
        sample(tmp_path, 3, 0, 1, SAMPLE)
