"""Measures: validation, and the initial law of the radii."""

import numpy as np
import pytest
from scipy.stats import chi

from meanfield.measure import Measure, gaussian_radii


@pytest.mark.parametrize(
    ("omega", "mass", "message"),
    [
        (np.zeros(3), np.full(3, 1 / 3), r"got \(3,\) and \(3,\)"),
        (np.zeros((2, 1)), np.full(3, 1 / 3), r"got \(2, 1\) and \(3,\)"),
        (np.zeros((0, 1)), np.zeros(0), "shape"),
        (np.zeros((2, 1)), np.array([0.5, 0.4]), "sum to 1"),
        (np.zeros((2, 1)), np.array([1.5, -0.5]), "smallest mass of -0.5"),
        (np.array([[np.nan]]), np.ones(1), "NaN"),
    ],
)
def test_a_measure_is_a_probability_measure(omega, mass, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Measure(omega, mass)


def test_infinity_is_a_point() -> None:
    assert Measure(np.array([[np.inf]]), np.ones(1)).omega.shape == (1, 1)


@pytest.mark.parametrize(("dimension", "scale"), [(2, 1.0), (40, 0.8), (320, 0.4)])
def test_gaussian_radii_are_quantiles(dimension: int, scale: float) -> None:
    measure, levels = gaussian_radii(dimension, scale, 200)
    radii = measure.omega[:, 0]
    assert measure.omega.shape == (200, 1)
    assert np.all(np.diff(radii) > 0)
    law = chi(dimension, scale=scale / np.sqrt(dimension))
    np.testing.assert_allclose(radii, law.ppf(levels), rtol=1e-10)
    # The quadrature in u carries moments over: E r^2 = kappa^2.
    assert measure.mass @ radii**2 == pytest.approx(scale**2, rel=2e-5)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="scale > 0"):
        gaussian_radii(40, 0.0, 10)
    with pytest.raises(ValueError, match="dimension >= 1"):
        gaussian_radii(0, 1.0, 10)
