"""The isotropic Gaussian law: its quadrature against exact moments and samples."""

import numpy as np
import pytest

from meanfield.laws import IsotropicGaussians, make_law


@pytest.mark.parametrize(("dimension", "delta"), [(40, 0.8), (400, 0.2), (3, 0.0)])
def test_nodes_integrate_the_law(dimension: int, delta: float) -> None:
    law = IsotropicGaussians(dimension, delta)
    labels, weights, invariants = law.nodes(8)
    assert labels.shape == weights.shape == (16,)
    assert invariants.shape == (16, 1)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    assert weights @ labels == pytest.approx(0, abs=1e-15)
    # E |x|^2 = d (1 + delta^2), E y |x|^2 = 2 d delta
    square = invariants[:, 0] ** 2
    assert weights @ square == pytest.approx(dimension * (1 + delta**2), rel=1e-12)
    assert weights @ (labels * square) == pytest.approx(2 * dimension * delta, abs=1e-11)


def test_invariants_are_norms_in_float64() -> None:
    law = IsotropicGaussians(5, 0.5)
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    invariants = law.invariants(x)
    assert invariants.shape == (7, 1)
    assert invariants.dtype == np.float64
    np.testing.assert_allclose(invariants[:, 0] ** 2, np.sum(x.astype(float) ** 2, axis=1))
    np.testing.assert_allclose(law.scale([1, -1]), [1.5, 0.5])


def test_settings() -> None:
    settings = {"kind": "isotropic_gaussians", "dimension": 40, "delta": 0.8}
    assert make_law(settings) == IsotropicGaussians(40, 0.8)
    with pytest.raises(ValueError, match="unknown data law kind 'cauchy'"):
        make_law({"kind": "cauchy"})
    with pytest.raises(ValueError, match="takes"):
        make_law({**settings, "rank": 3})
    with pytest.raises(ValueError, match="delta must lie"):
        make_law({**settings, "delta": 1.0})
    with pytest.raises(ValueError, match="dimension must be"):
        make_law({**settings, "dimension": 0})
