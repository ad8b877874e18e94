"""Piecewise linear neurons on Gaussians: features, gradients, limits, and the compiled kernel."""

import numpy as np
import pytest

from meanfield.activations import LeakyReLU, PiecewiseLinear, ReLU
from meanfield.bent_mean import BentMean
from meanfield.functionals import risk
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.measure import Measure
from meanfield.neurons import Perceptron, Ridge
from meanfield.overshoot_plane import SLOPE_ERROR
from meanfield.problem import Dimension, make_problem
from meanfield.sphere_problem import SphereProblem

RAMP = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
BOUNDED = PiecewiseLinear((-1.0, 0.5, 1.5), (1.0, -2.5, 7.5))
TILTED = PiecewiseLinear((-1.0, 0.5), (1.0, -2.5), left_slope=0.7, right_slope=0.7)
ISOTROPIC = IsotropicGaussians(30, 0.6)
ANISOTROPIC = AnisotropicGaussians(100, 40, 0.5)
Law = IsotropicGaussians | AnisotropicGaussians
Neuron = Ridge | Perceptron
CASES: list[tuple[Law, Neuron]] = [
    (ISOTROPIC, Perceptron(ReLU())),
    (ISOTROPIC, Perceptron(BOUNDED)),
    (ANISOTROPIC, Ridge(RAMP)),
    (ANISOTROPIC, Perceptron(ReLU())),
    (ANISOTROPIC, Perceptron(BOUNDED)),
    (AnisotropicGaussians(6, 2, 0.5), Perceptron(LeakyReLU(0.1))),
]


def problem_of(
    law: Law, neuron: Neuron, nodes: int = 4, dimension: Dimension = "finite"
) -> SphereProblem:
    problem = make_problem(law, neuron, nodes, dimension=dimension)
    assert isinstance(problem, SphereProblem)
    return problem


def atoms(problem: SphereProblem, count: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    omega = generator.uniform(0.05, 2.5, (count, len(problem.invariant_names)))
    if problem.biased:
        omega[:, :2] = generator.normal(size=(count, 2))
    return omega


def units_with(problem: SphereProblem, omega: np.ndarray, generator: np.random.Generator,
               spheres: tuple[int, ...], count: int) -> np.ndarray:  # fmt: skip
    """Draw neurons theta with the invariants omega, shape (count, D)."""
    parts = [np.tile(omega[:2], (count, 1))] if problem.biased else []
    for radius, dimension in zip(omega[-len(spheres) :], spheres, strict=True):
        directions = generator.normal(size=(count, dimension))
        parts.append(radius * directions / np.linalg.norm(directions, axis=1, keepdims=True))
    return np.concatenate(parts, axis=1)


@pytest.mark.parametrize(("law", "neuron"), CASES)
def test_features_are_averages_over_the_orbit_of_a_neuron(law: Law, neuron: Neuron) -> None:
    problem, generator = problem_of(law, neuron), np.random.default_rng(5)
    x = 1.3 * generator.normal(size=law.dimension)
    omega = atoms(problem, 6)
    exact = problem.features_at(omega, law.invariants(x[None]))[:, 0]
    for each, mean in zip(omega, exact, strict=True):
        theta = units_with(problem, each, generator, law.spheres, 8_000)
        values = neuron.respond(theta, x).values
        assert abs(values.mean() - mean) < 4 * values.std() / np.sqrt(len(values)) + 1e-12


@pytest.mark.parametrize(("law", "neuron"), CASES)
@pytest.mark.parametrize("dimension", ["finite", "infinite"])
def test_gradients_by_finite_differences(law: Law, neuron: Neuron, dimension: Dimension) -> None:
    problem = problem_of(law, neuron, dimension=dimension)
    omega = atoms(problem, 8)
    first, step = (2 if problem.biased else 0), 1e-5
    # Small radii, and each radius far above the other.
    omega[0, first:] = 1e-3
    omega[1, first] = 1e-4
    omega[2, -1] = 1e-4
    omega[3, first] = 0.0
    omega[4, -1] = 0.0
    gradients = problem.features_and_gradients(omega)[1]
    for k in range(omega.shape[1]):
        up, down = omega.copy(), omega.copy()
        up[:, k] += step
        down[:, k] -= step
        numerical = (problem.features(up) - problem.features(down)) / (2 * step)
        np.testing.assert_allclose(gradients[:, :, k], numerical, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("law", "neuron"), CASES)
def test_kernel_and_plain_reference_agree(law: Law, neuron: Neuron) -> None:
    problem = problem_of(law, neuron)
    omega = np.concatenate([atoms(problem, 20), np.zeros((1, len(problem.invariant_names)))])
    omega[0, -1] *= -1
    assert isinstance(problem.mean, BentMean)
    plain = problem.mean.plain(problem.take_apart(omega), problem.scales)
    for mine, theirs in zip(problem.features_and_gradients(omega), plain, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(problem.features(omega), problem.features_and_gradients(omega)[0])


@pytest.mark.parametrize(("law", "neuron"), CASES)
def test_features_extend_evenly_in_every_radius(law: Law, neuron: Neuron) -> None:
    problem = problem_of(law, neuron)
    omega = atoms(problem, 5)
    value, gradient = problem.features_and_gradients(omega)
    for k in range(2 if problem.biased else 0, omega.shape[1]):
        mirrored = omega.copy()
        mirrored[:, k] *= -1
        other, turned = problem.features_and_gradients(mirrored)
        np.testing.assert_allclose(other, value, rtol=1e-14)
        signs = np.where(np.arange(omega.shape[1]) == k, -1, 1)
        np.testing.assert_allclose(turned, gradient * signs, rtol=1e-12)


@pytest.mark.parametrize("law", [ISOTROPIC, ANISOTROPIC])
def test_infinite_radii(law: Law) -> None:
    for activation in (BOUNDED, TILTED, ReLU()):
        problem = problem_of(law, Perceptron(activation))
        far = np.array([[1.5, -0.3, 1.0, 1.0], [1.5, -0.3, 1.0, 1.0]])[:, : 2 + len(law.spheres)]
        near = far.copy()
        far[:, -1], near[:, -1] = np.inf, 1e7
        value, gradient = problem.features_and_gradients(far)
        if activation == ReLU():
            assert np.all(value == np.inf)
            continue
        approached, slopes = problem.features_and_gradients(near)
        np.testing.assert_allclose(value, approached, atol=1e-5)
        np.testing.assert_allclose(gradient, slopes, atol=1e-5)


def test_isotropic_ridges_two_ways() -> None:
    """The table of g and the table of T hold the same features."""
    table = make_problem(ISOTROPIC, Ridge(RAMP), 5)
    general = problem_of(ISOTROPIC, Perceptron(RAMP), 5)
    radius = np.concatenate([np.linspace(0, 8, 60), np.logspace(1, 5, 20)])[:, None]
    omega = np.concatenate([np.ones_like(radius), np.zeros_like(radius), radius], axis=1)
    value, slope = table.features_and_gradients(radius)
    other, gradients = general.features_and_gradients(omega)
    np.testing.assert_allclose(value, other, rtol=0, atol=2e-9)
    np.testing.assert_allclose(slope[:, :, 0], gradients[:, :, 2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["isotropic", "anisotropic"])
def test_high_dimension_tends_to_the_limit_as_one_over_d(kind: str) -> None:
    risks = []
    for d in (1_000, 10_000, None):
        size = d or 1_000
        law = (
            IsotropicGaussians(size, 0.5)
            if kind == "isotropic"
            else AnisotropicGaussians(size, 3 * size // 16, 0.5)
        )
        problem = problem_of(law, Perceptron(ReLU()), 8, "finite" if d else "infinite")
        omega = atoms(problem, 10, seed=1)
        risks.append(float(risk(problem, Measure(omega, np.full(10, 0.1)))))
    errors = [abs(each - risks[2]) for each in risks[:2]]
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.05)


def test_sticky_origin() -> None:
    assert problem_of(ANISOTROPIC, Ridge(ReLU())).sticky_origin
    assert not problem_of(ANISOTROPIC, Ridge(RAMP)).sticky_origin
    assert not problem_of(ANISOTROPIC, Perceptron(ReLU())).sticky_origin


def test_shapes_are_checked() -> None:
    problem = problem_of(ANISOTROPIC, Perceptron(ReLU()))
    with pytest.raises(ValueError, match=r"expected omega \(J, 4\) of \('a', 'b', 'r1', 'r2'\)"):
        problem.features(np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"expected s of shape \(n, 2\)"):
        problem.features_at(np.zeros((3, 4)), np.zeros((5, 1)))


@pytest.mark.parametrize("informative", [60, 20, 8, 4])
def test_no_jump_where_the_scales_of_the_parts_change_order(informative: int) -> None:
    """Along an arc r_1 = cos t, r_2 = sin t: third differences, 1e-9 of a third derivative.

    A jump of the features or the gradients anywhere, where the spheres change roles or between
    the cells of the table, would show at its full size.
    """
    law = AnisotropicGaussians(5 * informative, informative, 0.5)
    problem = problem_of(law, Perceptron(ReLU()), 1)
    angle = np.linspace(0.02, np.pi / 2 - 0.02, 40_001)
    ones = np.ones_like(angle)
    omega = np.stack([ones, -0.3 * ones, np.cos(angle), np.sin(angle)], axis=1)
    value, gradient = problem.features_and_gradients(omega)
    assert np.max(np.abs(np.diff(value, n=3, axis=0))) < 1e-9
    # Two cells differ by up to twice the bound on slopes, and a step of 1 shows as 1, -2, 1.
    bound = 4 * SLOPE_ERROR if informative == 4 else 1e-8
    assert np.max(np.abs(np.diff(gradient, n=3, axis=0))) < bound
