"""The compiled table of a spherical mean against the plain one."""

import numpy as np
import pytest

from meanfield.activations import PiecewiseLinear
from meanfield.ridge_kernel import fill_ridge
from meanfield.special import SphericalMean, tabulate

ACTIVATIONS = [
    PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)),
    PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5)),
    PiecewiseLinear((-0.3, 1.0), (0.0, 1.0), left_slope=-0.5, right_slope=2.0),
]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_kernel_is_the_plain_table(activation: PiecewiseLinear) -> None:
    mean = tabulate(SphericalMean(activation, 40))
    radii = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 301), -np.linspace(0.1, 3, 40)])
    norms = np.array([1e-3, 1.0, 6.3, 12.0])
    value, slope = np.empty((2, len(norms), len(radii)))
    table = np.ascontiguousarray(mean.coefficients.T)
    fill_ridge(value, slope, radii, norms, table, mean.scale, mean.growth)
    expected, rise = mean.value_and_slope(norms[:, None] * np.abs(radii))
    np.testing.assert_allclose(value, expected, rtol=1e-13, atol=1e-13)
    sign = np.where(radii < 0, -1, 1)
    np.testing.assert_allclose(slope, rise * norms[:, None] * sign, rtol=1e-12, atol=1e-12)


def test_infinity_is_the_limit() -> None:
    mean = tabulate(SphericalMean(ACTIVATIONS[0], 40))
    value, slope = np.empty((2, 1, 1))
    table = np.ascontiguousarray(mean.coefficients.T)
    fill_ridge(value, slope, np.array([np.inf]), np.ones(1), table, mean.scale, mean.growth)
    assert value[0, 0] == 2.5
    assert slope[0, 0] == 0
