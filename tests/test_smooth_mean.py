"""Smooth neurons: features against direct integration, their gradients, the kernel, the table."""

import numpy as np
import pytest

from meanfield.activations import GELU, Activation, Cosine, Erf, Sigmoid, Softplus, Tanh
from meanfield.cosine_mean import CosineMean, tabulate_wave
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.neurons import Perceptron, Ridge
from meanfield.overshoot_table import tabulate_overshoot
from meanfield.problem import Dimension, make_problem
from meanfield.ridge_problem import IsotropicRidge
from meanfield.smooth_kernel import KINDS, curvature
from meanfield.smooth_mean import Smooth, SmoothMean
from meanfield.special import SLOPE_ERROR, VALUE_ERROR
from meanfield.sphere import scaled_density
from meanfield.units import OrbitMean, Units

BENDING = (Tanh(), Erf(), Sigmoid(), Softplus(), GELU())
OFFSETS, RADII = np.meshgrid([-20, -3, -0.7, 0, 0.4, 2, 12], [0, 0.01, 0.1, 0.5, 1, 2, 5, 20, 100])
ERROR = 1e-9
"""Bound on the error of E sigma(b + rho S), relative to 1 + rho where sigma grows; d >= 4."""


def by_integration(activation: Activation, offset: float, rho: float, dimension: float) -> float:
    """E sigma(b + rho V) by the midpoint rule in the angle, of spectral accuracy."""
    end = min(np.sqrt(dimension), 9.0)
    count = 2000 if rho < 10 else 100_000
    angle = ((np.arange(count) + 0.5) / count - 0.5) * np.pi
    v = end * np.sin(angle)
    mass = scaled_density(v, dimension) * end * np.cos(angle) * np.pi / count
    return float(np.sum(mass * activation(offset + rho * v)))


def mean_of(activation: Activation, dimensions: tuple[float, ...]) -> OrbitMean:
    if isinstance(activation, Cosine):
        return CosineMean(tuple(tabulate_wave(each) for each in dimensions))
    assert isinstance(activation, Tanh | Erf | Sigmoid | Softplus | GELU)
    return SmoothMean(activation, tabulate_overshoot(dimensions))


def test_curvature_of_the_kernel_and_of_the_activation() -> None:
    t, h = np.linspace(-9, 9, 200), 1e-5
    for activation in BENDING:
        numerical = (activation.derivative(t + h) - activation.derivative(t - h)) / (2 * h)
        np.testing.assert_allclose(activation.curvature(t), numerical, atol=1e-9)
        kind = KINDS.index(type(activation).__name__)
        compiled = [curvature(kind, float(point)) for point in t]
        np.testing.assert_allclose(compiled, activation.curvature(t), rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("activation", [*BENDING, Cosine()])
@pytest.mark.parametrize("dimension", [4, 6, 40, 320, np.inf])
def test_features_against_integration(activation: Activation, dimension: float) -> None:
    mean = mean_of(activation, (dimension,))
    offset, rho = OFFSETS.ravel(), RADII.ravel()
    if dimension == 4:
        offset, rho = offset[::5], rho[::5]  # no table: slow
    units = Units(np.ones_like(offset), offset, rho[:, None], True)
    found = mean.evaluate(units, np.ones((1, 1)), gradients=False)[0][:, 0]
    pairs = zip(offset, rho, strict=True)
    expected = [by_integration(activation, b, size, dimension) for b, size in pairs]
    grows = np.isinf(activation.limits[1])
    assert np.all(np.abs(found - expected) < ERROR * (1 + rho * grows))


@pytest.mark.parametrize("activation", [Tanh(), Softplus(), Cosine()])
def test_two_spheres_against_a_product_rule(activation: Activation) -> None:
    mean, generator = mean_of(activation, (60, 260)), np.random.default_rng(1)
    offset, radii = generator.normal(size=12), generator.uniform(0, 2, (12, 2))
    units = Units(np.ones(12), offset, radii, True)
    found = mean.evaluate(units, np.ones((1, 2)), gradients=False)[0][:, 0]
    rules = []
    for dimension in (60, 260):
        v = 8.5 * np.sin(((np.arange(300) + 0.5) / 300 - 0.5) * np.pi)
        mass = scaled_density(v, dimension) * np.sqrt(8.5**2 - v**2) * np.pi / 300
        v, mass = v[np.abs(v) < np.sqrt(dimension)], mass[np.abs(v) < np.sqrt(dimension)]
        rules.append((v, mass / mass.sum()))
    (v1, mass1), (v2, mass2) = rules
    for b, (r1, r2), mine in zip(offset, radii, found, strict=True):
        values = activation(b + r1 * v1[:, None] + r2 * v2)
        assert abs(mass1 @ values @ mass2 - mine) < ERROR


CASES: list[tuple[IsotropicGaussians | AnisotropicGaussians, Ridge | Perceptron]] = [
    (IsotropicGaussians(30, 0.6), Perceptron(Tanh())),
    (AnisotropicGaussians(100, 40, 0.5), Ridge(Softplus())),
    (AnisotropicGaussians(100, 40, 0.5), Perceptron(Erf())),
    (AnisotropicGaussians(100, 40, 0.5), Perceptron(Cosine())),
    (IsotropicGaussians(30, 0.6), Ridge(Cosine())),
    (IsotropicGaussians(1000, 0.6), Ridge(Cosine())),
]


@pytest.mark.parametrize(("law", "neuron"), CASES)
@pytest.mark.parametrize("dimension", ["finite", "infinite"])
def test_gradients_by_finite_differences(
    law: IsotropicGaussians | AnisotropicGaussians,
    neuron: Ridge | Perceptron,
    dimension: Dimension,
) -> None:
    problem = make_problem(law, neuron, 2, dimension=dimension)
    omega = np.random.default_rng(0).uniform(0.05, 2.5, (5, len(problem.invariant_names)))
    omega[0, -1], omega[1, -1], step = 0.0, -0.3, 1e-5
    gradients = problem.features_and_gradients(omega)[1]
    for k in range(omega.shape[1]):
        shift = step * (np.arange(omega.shape[1]) == k)
        numerical = (problem.features(omega + shift) - problem.features(omega - shift)) / (2 * step)
        np.testing.assert_allclose(gradients[:, :, k], numerical, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("activation", "dimensions"), [(Tanh(), (30,)), (Softplus(), (40, 60)), (Erf(), (40, 60))]
)
def test_kernel_and_plain_reference_agree(activation: Smooth, dimensions: tuple[int, ...]) -> None:
    mean, generator = (
        SmoothMean(activation, tabulate_overshoot(dimensions)),
        np.random.default_rng(0),
    )
    radii = generator.uniform(0.05, 2.5, (5, len(dimensions)))
    units = Units(generator.normal(size=5), generator.normal(size=5), radii, True)
    scales = generator.uniform(0.5, 1.5, (4, len(dimensions)))
    plain = mean.plain(units, scales)
    # The panels differ, and with them the samples of the table's errors.
    for mine, theirs, bound in zip(
        mean.evaluate(units, scales, gradients=True), plain, (1e-10, 1e-8), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=bound)


@pytest.mark.parametrize("activation", BENDING)
def test_isotropic_ridges_are_tabulated(activation: Activation) -> None:
    problem = make_problem(IsotropicGaussians(40, 0.5), Ridge(activation), 4)
    assert isinstance(problem, IsotropicRidge)
    assert not problem.sticky_origin
    table = problem.mean
    # Far out, rounding of a g that grows exceeds the bound; those cells are computed.
    assert table.complete or np.isinf(activation.limits[1])
    z = np.concatenate([np.random.default_rng(3).uniform(0, 60, 40), [0.0, 1e3]])
    value, slope = table.value_and_slope(z)
    for point, mine in zip(z, value, strict=True):
        rho = float(point) / np.sqrt(40)
        bound = (VALUE_ERROR + ERROR) * (1 + rho)
        assert abs(by_integration(activation, 0.0, rho, 40) - mine) < bound
    h = 1e-4
    numerical = (table.value(z[:-2] + h) - table.value(z[:-2] - h)) / (2 * h)
    np.testing.assert_allclose(slope[:-2], numerical, atol=10 * SLOPE_ERROR)
    far = problem.features(np.array([[np.inf]]))
    low, high = activation.limits
    expected = (low + high) / 2
    assert np.all(far == np.inf) if np.isinf(expected) else np.allclose(far, expected, atol=1e-9)


def test_infinite_radii() -> None:
    law = AnisotropicGaussians(100, 40, 0.5)
    omega = np.array([[2.0, -0.4, np.inf, 1.0], [2.0, -0.4, 1.0, np.inf]])
    for activation, limit in ((Sigmoid(), 1.0), (Tanh(), 0.0), (Cosine(), 0.0)):
        problem = make_problem(law, Perceptron(activation), 2)
        value, gradient = problem.features_and_gradients(omega)
        near = problem.features(np.where(np.isinf(omega), 1e6, omega))
        np.testing.assert_allclose(value, limit, atol=1e-12)
        np.testing.assert_allclose(near, value, atol=2e-6)
        np.testing.assert_array_equal(gradient[:, :, 1:], 0)
