"""The spherical mean of an activation: closed form against independent routes, and its table."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betaln

from meanfield.activations import PiecewiseLinear
from meanfield.special import SLOPE_ERROR, VALUE_ERROR, SphericalMean, tabulate

ACTIVATIONS = {
    "figure 1": PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)),
    "figure 4": PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5)),
    "relu": PiecewiseLinear((-1.0,), (0.0,), right_slope=1.0),
    "mixed": PiecewiseLinear((-2.0, 0.01, 1.5), (1.0, -4.0, 7.5), left_slope=-0.5, right_slope=2.0),
}
DIMENSIONS = (2, 3, 5, 40, 320)


def by_integration(activation: PiecewiseLinear, dimension: int, z: float) -> float:
    """E sigma(z cos(theta)) with theta's density proportional to sin(theta)^(d-2)."""
    breaks = [np.arccos(k / z) for k in activation.knots if abs(k) < z]
    total = 0.0
    edges = np.sort([0.0, *breaks, np.pi])
    normalization = np.exp(-betaln(0.5, (dimension - 1) / 2))
    for low, high in pairwise(edges):
        total += quad(
            lambda a: float(activation(z * np.cos(a))) * np.sin(a) ** (dimension - 2),
            low, high, epsabs=1e-13, epsrel=1e-12, limit=200,
        )[0]  # fmt: skip
    return float(total * normalization)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_closed_form_against_integration(name: str, dimension: int) -> None:
    mean = SphericalMean(ACTIVATIONS[name], dimension)
    z = np.array([0.005, 0.3, 0.500001, 1.0, 1.6, 2.5, 7.0, 40.0])
    expected = [by_integration(ACTIVATIONS[name], dimension, float(point)) for point in z]
    np.testing.assert_allclose(mean(z), expected, rtol=1e-10, atol=2e-11)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dimension", [3, 40])
def test_closed_form_against_monte_carlo(name: str, dimension: int) -> None:
    activation = ACTIVATIONS[name]
    mean = SphericalMean(activation, dimension)
    points = np.random.default_rng(7).normal(size=(20_000, dimension))
    u = points[:, 0] / np.linalg.norm(points, axis=1)
    for z in (2.5, 5.0, 12.0):
        for samples, exact in (
            (activation(z * u), mean(z)),
            (activation.derivative(z * u) * u, mean.derivative(z)),
        ):
            error = samples.std() / np.sqrt(len(u))
            assert abs(samples.mean() - exact) <= 4 * error + 1e-12


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dimension", [4, 40, 320])
def test_derivative_by_finite_differences(name: str, dimension: int) -> None:
    mean = SphericalMean(ACTIVATIONS[name], dimension)
    z = np.concatenate((np.linspace(0.02, 3, 50), [8.0, 30.0]))
    numerical = (mean(z + 1e-5) - mean(z - 1e-5)) / 2e-5
    np.testing.assert_allclose(mean.derivative(z), numerical, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_even_value_and_odd_derivative(name: str) -> None:
    mean = SphericalMean(ACTIVATIONS[name], 40)
    z = np.linspace(0.1, 9, 30)
    np.testing.assert_array_equal(mean(-z), mean(z))
    np.testing.assert_array_equal(mean.derivative(-z), -mean.derivative(z))


def test_ends() -> None:
    for activation in ACTIVATIONS.values():
        mean = SphericalMean(activation, 40)
        assert mean(0.0) == activation(0.0)
        assert mean(1e-320) == pytest.approx(float(activation(0.0)))
    bounded = SphericalMean(ACTIVATIONS["figure 1"], 40)
    # Below |c| no point of the sphere reaches the knot c: g is flat there.
    np.testing.assert_array_equal(bounded(np.linspace(0, 0.5, 9)), -2.5)
    np.testing.assert_array_equal(bounded.derivative(np.linspace(0, 0.5, 9)), 0)
    assert bounded(np.inf) == bounded(1e300) == 2.5
    assert bounded.derivative(np.inf) == 0
    assert np.isnan(bounded(np.nan))
    relu = SphericalMean(ACTIVATIONS["relu"], 40)
    assert relu(np.inf) == np.inf
    assert np.all(np.isfinite(relu(np.array([1e-300, 1e300]))))


def test_no_cancellation_far_out() -> None:
    """For large z, z g'(z) is a difference of nearly equal terms of size z."""
    mean = SphericalMean(ACTIVATIONS["figure 1"], 40)
    growth, limit, decay = mean.asymptote
    assert (growth, limit) == (0.0, 2.5)
    z = np.array([1e5, 1e6, 1e8, 1e10])
    np.testing.assert_allclose(mean(z), limit + decay / z, rtol=0, atol=1e-12)
    np.testing.assert_allclose(mean.derivative(z), -decay / z**2, rtol=1e-6)


def test_a_linear_activation_averages_to_its_intercept() -> None:
    linear = SphericalMean(PiecewiseLinear((1.0,), (5.0,), 2.0, 2.0), 7)
    np.testing.assert_allclose(linear(np.array([0.0, 1.0, 50.0])), 3.0, atol=1e-13)


def test_a_knot_at_zero_is_a_cone() -> None:
    relu = SphericalMean(PiecewiseLinear((0.0,), (0.0,), right_slope=1.0), 5)
    z = np.array([0.0, 0.5, 3.0])
    np.testing.assert_allclose(relu(z), relu.asymptote.growth * z, rtol=1e-14)
    np.testing.assert_allclose(relu.derivative(z), relu.asymptote.growth, rtol=1e-14)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_table_keeps_its_bounds_off_the_grid(name: str, dimension: int) -> None:
    mean = SphericalMean(ACTIVATIONS[name], dimension)
    table = tabulate(mean)
    assert table.value_error <= VALUE_ERROR
    assert table.slope_error <= SLOPE_ERROR
    generator = np.random.default_rng(11)
    far = 10 ** (6 * generator.random(200))
    z = np.concatenate(([0.0], 4 * generator.random(1500), 40 * generator.random(400), far))
    value, slope = table.value_and_slope(z)
    exact = mean(z)
    # Far out an unbounded g is known to rounding of its own size only.
    assert np.all(np.abs(value - exact) <= VALUE_ERROR + 1e-12 * np.abs(exact))
    np.testing.assert_allclose(slope, mean.derivative(z), rtol=0, atol=SLOPE_ERROR)
    np.testing.assert_array_equal(table.value(z), value)


def test_table_of_a_bounded_activation_reaches_infinity() -> None:
    table = tabulate(SphericalMean(ACTIVATIONS["figure 1"], 40))
    assert table.complete
    value, slope = table.value_and_slope(np.array([np.inf, 0.0]))
    np.testing.assert_allclose(value, [2.5, -2.5], atol=1e-13)
    np.testing.assert_allclose(slope, [0, 0], atol=1e-13)


def test_table_slope_is_the_slope_of_its_value() -> None:
    table = tabulate(SphericalMean(ACTIVATIONS["figure 1"], 40))
    z = np.linspace(0.6, 12, 300)
    numerical = (table.value(z + 1e-6) - table.value(z - 1e-6)) / 2e-6
    np.testing.assert_allclose(table.value_and_slope(z)[1], numerical, atol=2e-9)


def test_dimension_one_is_refused() -> None:
    with pytest.raises(ValueError, match="dimension >= 2"):
        SphericalMean(ACTIVATIONS["figure 1"], 1)
