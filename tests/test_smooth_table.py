"""Tables of smooth neurons: their bounds, beside sums, direct integration and Monte Carlo."""

from dataclasses import replace

import numpy as np
import pytest

from meanfield.activations import GELU, Erf, Sigmoid, Softplus, Tanh
from meanfield.flow import solve
from meanfield.laws import AnisotropicGaussians
from meanfield.measure import Measure
from meanfield.neurons import Perceptron, Ridge
from meanfield.overshoot_table import tabulate_overshoot
from meanfield.problem import make_problem
from meanfield.smooth_mean import Smooth, SmoothMean
from meanfield.smooth_table import SLOPE_ERROR, VALUE_ERROR, tabulate_mean
from meanfield.sphere import scaled_density
from meanfield.sphere_problem import SphereProblem
from meanfield.tabulated_mean import TabulatedOrbitMean
from meanfield.units import Units

LAW = AnisotropicGaussians(320, 60, 0.5)


def table_of(activation: Smooth, dimensions: tuple[float, ...]) -> TabulatedOrbitMean:
    mean = tabulate_mean(activation, dimensions, biased=True)
    assert isinstance(mean, TabulatedOrbitMean)
    return mean


def neurons(count: int, spheres: int, seed: int) -> Units:
    """Draw neurons of all scales of rho, and of b up to a few rho."""
    generator = np.random.default_rng(seed)
    rho = np.exp(generator.uniform(-7, 5, count))
    angle = np.pi / 2 * generator.uniform(0, 1, count)
    radii = rho[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, :spheres]
    return Units(np.ones(count), (1 + rho) * generator.normal(0, 1.5, count), radii, True)


def beside_the_ends(dimensions: tuple[float, ...], seed: int) -> Units:
    """Draw neurons whose offset b is close to rho |A -+ B|, where the density of S is singular.

    A = sqrt(n_1 x) and B = sqrt(n_2 (1 - x)); half of the shares x are close to 0 or to 1.
    """
    generator, count = np.random.default_rng(seed), 2000
    n1, n2 = np.minimum([*dimensions, 0.0][:2], 100.0)
    rho = np.exp(generator.uniform(np.log(0.1), np.log(100), count))
    angle = np.pi / 2 * generator.uniform(0, 1, count)
    near = generator.uniform(0, 1, count) < 0.5
    angle = np.where(
        near, np.where(angle < 0.8, 0.2 * angle, np.pi / 2 - 0.2 * (angle - 0.8)), angle
    )
    angle = np.where(len(dimensions) == 2, angle, 0.0)
    side = generator.choice([-1, 1], count)
    w = np.abs(np.sqrt(n1) * np.cos(angle) + side * np.sqrt(n2) * np.sin(angle))
    w = w + generator.normal(size=count) * 10 ** generator.uniform(-3, -0.5, count)
    radii = rho[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, : len(dimensions)]
    return Units(np.ones(count), rho * w, radii, True)


def assert_within_bounds(mean: TabulatedOrbitMean, exact: SmoothMean, units: Units) -> None:
    scales = np.ones((1, units.radii.shape[1]))
    expected = exact.evaluate(units, scales, gradients=True)
    found = mean.evaluate(units, scales, gradients=True)
    rho = np.linalg.norm(units.radii, axis=1)[:, None]
    size = 1 + rho * np.isinf(mean.activation.limits[1])
    assert np.all(np.abs(found[0] - expected[0]) < VALUE_ERROR * size)
    assert np.max(np.abs(found[1][..., 1:] - expected[1][..., 1:])) < SLOPE_ERROR


@pytest.mark.parametrize(
    ("activation", "dimensions"),
    [(Tanh(), (60, 260)), (GELU(), (60, 260)), (Erf(), (40,)), (Sigmoid(), (np.inf, np.inf)),
     (Softplus(), (12,)), (Softplus(), (40, np.inf))],
)  # fmt: skip
def test_table_keeps_its_bounds_off_the_grid(
    activation: Smooth, dimensions: tuple[float, ...]
) -> None:
    mean, exact = table_of(activation, dimensions), tabulate_overshoot(dimensions)
    assert mean.table.value_error <= VALUE_ERROR / 2
    assert mean.table.slope_error <= SLOPE_ERROR / 2
    for units in neurons(1000, len(dimensions), 7), beside_the_ends(dimensions, 7):
        assert_within_bounds(mean, SmoothMean(activation, exact), units)


@pytest.mark.parametrize(
    ("activation", "dimensions"),
    [(GELU(), (9, 60)), (Erf(), (10, 310))],
)
def test_where_a_table_cannot_keep_its_bounds_there_is_none(
    activation: Smooth, dimensions: tuple[float, ...]
) -> None:
    """The errors of these tables, up to 6e-8, are beside the ends of the parts of S alone."""
    mean = tabulate_mean(activation, dimensions, biased=True)
    if isinstance(mean, TabulatedOrbitMean):
        exact = SmoothMean(activation, tabulate_overshoot(dimensions))
        assert_within_bounds(mean, exact, beside_the_ends(dimensions, 7))


@pytest.mark.parametrize("activation", [Tanh(), Erf(), Sigmoid(), Softplus(), GELU()])
def test_normal_directions_against_integration(activation: Smooth) -> None:
    """An independent route: E sigma(b + rho G) by the midpoint rule, of spectral accuracy."""
    mean, units = table_of(activation, (np.inf, np.inf)), neurons(60, 2, 1)
    rho = np.linalg.norm(units.radii, axis=1)
    g = np.linspace(-9, 9, 40_001)
    mass = np.exp(-0.5 * g**2)
    mass /= mass.sum()
    expected = activation(units.offset[:, None] + rho[:, None] * g) @ mass
    found = mean.evaluate(units, np.ones((1, 2)), gradients=False)[0][:, 0]
    # Beyond, the midpoint rule does not see sigma bend.
    near = rho < 100
    size = 1 + rho * np.isinf(activation.limits[1])
    assert near.sum() > 40
    assert np.all((np.abs(found - expected) < 2 * VALUE_ERROR * size)[near])


def test_two_spheres_against_a_product_rule() -> None:
    mean = table_of(Tanh(), (60, 260))
    rules = []
    for dimension in (60, 260):
        angle = ((np.arange(300) + 0.5) / 300 - 0.5) * np.pi
        v = np.minimum(np.sqrt(dimension), 8.5) * np.sin(angle)
        mass = scaled_density(v, dimension) * np.cos(angle)
        rules.append((v, mass / mass.sum()))
    (v1, mass1), (v2, mass2) = rules
    units = neurons(30, 2, 3)
    some = np.linalg.norm(units.radii, axis=1) < 10
    found = mean.evaluate(units, np.ones((1, 2)), gradients=False)[0][:, 0]
    for b, (r1, r2), mine in zip(units.offset[some], units.radii[some], found[some], strict=True):
        assert abs(mass1 @ np.tanh(b + r1 * v1[:, None] + r2 * v2) @ mass2 - mine) < 2 * VALUE_ERROR


@pytest.mark.parametrize("neuron", [Perceptron(Tanh()), Ridge(Softplus())])
def test_features_against_monte_carlo(neuron: Perceptron | Ridge) -> None:
    """At 20 random neurons and data points: the average of sigma over directions of w."""
    problem, generator = make_problem(LAW, neuron, 2), np.random.default_rng(11)
    omega = generator.uniform(0.05, 2.5, (20, len(problem.invariant_names)))
    if isinstance(neuron, Perceptron):
        omega[:, :2] = generator.normal(size=(20, 2))
    s = LAW.invariants(LAW.scale(-1.0) * generator.normal(size=(20, LAW.dimension)))
    for each, point in zip(omega, s, strict=True):
        inner = np.zeros(10_000)
        for radius, length, n in zip(each[-2:], point, LAW.spheres, strict=True):
            # The first coordinate of a uniform direction.
            square = generator.beta(0.5, (n - 1) / 2, len(inner))
            inner += radius * length * generator.choice([-1, 1], len(inner)) * np.sqrt(square)
        a, b = each[:2] if isinstance(neuron, Perceptron) else (1.0, 0.0)
        values = a * neuron.activation(b + inner)
        mine = problem.features_at(each[None], point[None])[0, 0]
        assert abs(values.mean() - mine) < 4 * values.std() / np.sqrt(len(values)) + 1e-9


@pytest.mark.parametrize("neuron", [Perceptron(Tanh()), Perceptron(GELU()), Ridge(Softplus())])
def test_gradients_by_finite_differences(neuron: Perceptron | Ridge) -> None:
    """Also near r = 0, and where one radius is far above the other."""
    problem, step = make_problem(LAW, neuron, 2), 1e-5
    omega = np.random.default_rng(0).uniform(0.05, 2.5, (10, len(problem.invariant_names)))
    omega[0, -2:], omega[1, -2:], omega[2, -2:] = 0.0, 1e-6, 1e-3
    omega[3, -1], omega[4, -2], omega[5, -1], omega[6, -2] = 1e-7, 1e-7, 0.0, 0.0
    omega[7, -1] = 40.0
    gradients = problem.features_and_gradients(omega)[1]
    for k in range(omega.shape[1]):
        shift = step * (np.arange(omega.shape[1]) == k)
        numerical = (problem.features(omega + shift) - problem.features(omega - shift)) / (2 * step)
        np.testing.assert_allclose(gradients[:, :, k], numerical, rtol=1e-6, atol=1e-6)


def test_no_jump_between_the_cells() -> None:
    """Along a path through many cells, third differences show a jump at its full size."""
    problem = make_problem(LAW, Perceptron(Tanh()), 1)
    t = np.linspace(0, 1, 40_001)
    omega = np.stack([np.ones_like(t), 3 - 5 * t, 4 * np.cos(1.5 * t), 4 * np.sin(1.5 * t)], axis=1)
    value, gradient = problem.features_and_gradients(omega)
    # The values meet at the ends of cells; the gradients within their errors.
    assert np.max(np.abs(np.diff(value, n=3, axis=0))) < VALUE_ERROR / 10
    assert np.max(np.abs(np.diff(gradient, n=3, axis=0))) < 4 * SLOPE_ERROR


@pytest.mark.parametrize("neuron", [Perceptron(Tanh()), Ridge(Softplus())])
def test_a_flow_loses_the_risk_it_dissipates(neuron: Perceptron | Ridge) -> None:
    """The gradients are those of the tabulated features, and the flow that of the exact ones."""
    problem = make_problem(LAW, neuron, 3)
    assert isinstance(problem, SphereProblem)
    assert isinstance(problem.mean, TabulatedOrbitMean)
    omega = np.random.default_rng(5).uniform(0.1, 1.5, (12, len(problem.invariant_names)))
    start, times = Measure(omega, np.full(12, 1 / 12)), [0.0, 0.5]
    mean = SmoothMean(problem.mean.activation, tabulate_overshoot(LAW.spheres))
    found = solve(problem, start, times, tolerance=1e-8)
    exact = solve(replace(problem, mean=mean), start, times, tolerance=1e-8)
    assert found.risk[-1] < found.risk[0] - 1e-3
    assert np.max(np.abs(found.dissipation_error)) < 1e-8
    np.testing.assert_allclose(found.omega, exact.omega, rtol=0, atol=1e-6)


def test_low_spheres_are_left_exact() -> None:
    for dimensions in ((5,), (4, 16)):
        assert isinstance(tabulate_mean(Tanh(), dimensions, biased=True), SmoothMean)


def test_ridges_have_a_smaller_table() -> None:
    with_offset = make_problem(LAW, Perceptron(Softplus()), 2)
    without = make_problem(LAW, Ridge(Softplus()), 2)
    assert isinstance(with_offset, SphereProblem)
    assert isinstance(without, SphereProblem)
    assert isinstance(with_offset.mean, TabulatedOrbitMean)
    assert isinstance(without.mean, TabulatedOrbitMean)
    assert without.mean.table.coefficients.size * 100 < with_offset.mean.table.coefficients.size
    radii = np.random.default_rng(4).uniform(0, 3, (30, 2))
    omega = np.concatenate([np.ones((30, 1)), np.zeros((30, 1)), radii], axis=1)
    value, slope = without.features_and_gradients(radii)
    other, slopes = with_offset.features_and_gradients(omega)
    size = 1 + 4 * radii.max()
    np.testing.assert_allclose(value, other, rtol=0, atol=2 * VALUE_ERROR * size)
    np.testing.assert_allclose(slope, slopes[..., 2:], rtol=0, atol=4 * SLOPE_ERROR)
