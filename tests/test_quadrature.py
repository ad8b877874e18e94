"""Quadrature rules integrate the polynomials that they must."""

import numpy as np
import pytest
from scipy.special import gammaln

from meanfield.quadrature import chi, gauss_legendre, gegenbauer


@pytest.mark.parametrize("dimension", [1, 2, 3, 40, 400, 4000])
@pytest.mark.parametrize("count", [1, 8, 24, 48])
def test_chi_moments_are_exact(dimension: int, count: int) -> None:
    nodes, weights = chi(dimension, count)
    assert nodes.shape == weights.shape == (count,)
    assert np.all(weights >= 0)
    assert np.all(np.diff(nodes) > 0)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    # Moments of chi^2/2 up to degree 2 count - 1: Gamma(d/2 + k) / Gamma(d/2).
    for power in range(min(2 * count, 12)):
        exact = np.exp(gammaln(dimension / 2 + power) - gammaln(dimension / 2))
        assert weights @ (nodes**2 / 2) ** power == pytest.approx(exact, rel=1e-10)


def test_gauss_legendre_is_exact_on_polynomials() -> None:
    nodes, weights = gauss_legendre(7)
    for power in range(14):
        assert weights @ nodes**power == pytest.approx(1 / (power + 1), rel=1e-13)
    assert np.all((nodes > 0) & (nodes < 1))


@pytest.mark.parametrize("dimension", [3, 4, 40, 10_000])
def test_moments_of_a_sphere_s_coordinate_are_exact(dimension: int) -> None:
    """E V^(2 k) = d^k prod_{i < k} (2 i + 1) / (d + 2 i)."""
    nodes, weights = gegenbauer(dimension, 8)
    exact = 1.0
    for k in range(8):
        assert weights @ nodes ** (2 * k) == pytest.approx(exact, rel=1e-11)
        exact *= dimension * (2 * k + 1) / (dimension + 2 * k)
    with pytest.raises(ValueError, match="dimension >= 3"):
        gegenbauer(2, 4)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="at least 1 node"):
        gauss_legendre(0)
    with pytest.raises(ValueError, match="at least 1 node"):
        chi(3, 0)
    with pytest.raises(ValueError, match="dimension >= 1"):
        chi(0, 3)
