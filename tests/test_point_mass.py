"""Point masses: Lemma 1's interval, stability, and general minimisers over several invariants."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from meanfield.activations import PiecewiseLinear
from meanfield.domain import make_domain
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Ridge
from meanfield.point_mass import PointMass, best_point, curvature, sphere_thresholds
from meanfield.problem import Problem, make_problem
from meanfield.search import on_grid
from meanfield.special import SphericalMean
from meanfield.statics import minimize_risk
from statics_problems import anisotropic, isotropic, perceptrons, sphere_limit

RAMP = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
RADIUS = make_domain(("r",))


def at(delta: float, dimension: int = 40, nodes: int = 12) -> Problem:
    return make_problem(IsotropicGaussians(dimension, delta), Ridge(RAMP), nodes)


@pytest.mark.parametrize(
    ("dimension", "interval", "stable"),
    [
        (20, (0.07210, 0.37763), 0.40280),
        (40, (0.02982, 0.43101), 0.44244),
        (80, (0.01380, 0.45344), 0.45901),
        (320, (0.00327, 0.46915), 0.47052),
    ],
)
def test_the_interval_of_lemma_1_and_the_end_of_stability(
    dimension: int, interval: tuple[float, float], stable: float
) -> None:
    found = sphere_thresholds(lambda delta: at(delta, dimension), RADIUS)
    np.testing.assert_allclose(found, (*interval, stable), rtol=0, atol=6e-6)


def test_the_interval_in_infinitely_many_dimensions() -> None:
    """Of rank two: the potential bends down at r* exactly where infinity is as good."""
    found = sphere_thresholds(sphere_limit, RADIUS)
    np.testing.assert_allclose(found, (0.0, 0.47422, 0.47422), rtol=0, atol=5e-6)


@pytest.mark.parametrize("delta", [0.02, 0.04, 0.3, 0.42, 0.44, 0.6])
def test_a_sphere_is_optimal_exactly_where_the_margin_says(delta: float) -> None:
    search = on_grid(at(delta), RADIUS)
    point, least = best_point(search), minimize_risk(search)
    assert (point.margin >= 0) == (point.risk <= least.risk + 1e-9)
    assert (point.margin >= 0) == (0.02982 <= delta <= 0.43101)


def test_spheres_that_are_never_and_always_optimal() -> None:
    """A falling ramp can do nothing for the classes: the best f is constant, at every Delta."""

    def of(activation: PiecewiseLinear, dimension: int) -> tuple[float, float, float]:
        neuron = Ridge(activation)
        return sphere_thresholds(
            lambda delta: make_problem(IsotropicGaussians(dimension, delta), neuron, 12), RADIUS
        )

    assert np.all(np.isnan(of(PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5)), 4)))
    low, high, stable = of(PiecewiseLinear((0.5, 1.5), (7.5, -2.5)), 40)
    assert (low, high) == (0.0, 0.95)  # the ends of the scan
    assert np.isnan(stable)


def test_the_best_radius_and_its_curvature_from_the_closed_form() -> None:
    problem = at(0.3)
    point = best_point(on_grid(problem, RADIUS))
    radius, norms = float(point.omega[0]), IsotropicGaussians(40, 0.3).nodes(12).invariants[:, 0]
    mean = SphericalMean(RAMP, 40)

    def loss(r: float) -> float:
        return float(problem.weights @ (problem.labels - mean(r * norms)) ** 2)

    assert loss(radius) < min(loss(radius + 1e-4), loss(radius - 1e-4))
    assert point.risk == pytest.approx(loss(radius), abs=1e-9)
    step = 1e-3
    force = problem.weights * (problem.labels - mean(radius * norms))
    slopes = [mean.derivative((radius + h) * norms) * norms for h in (-step, step)]
    numerical = -(force @ (slopes[1] - slopes[0])) / (2 * step)
    assert curvature(problem, point) == pytest.approx(numerical, rel=1e-4)


def by_many_starts(problem: Any, low: np.ndarray, high: np.ndarray) -> float:
    def loss(omega: np.ndarray) -> float:
        return float(problem.weights @ (problem.labels - problem.features(omega[None])[0]) ** 2)

    generator = np.random.default_rng(2)
    runs = [
        minimize(loss, generator.uniform(low, high), bounds=list(zip(low, high, strict=True)))
        for _ in range(12)
    ]
    return min(run.fun for run in runs)


def test_the_best_point_of_two_radii() -> None:
    problem = anisotropic(0.5)
    point = best_point(on_grid(problem, make_domain(("r1", "r2"))))
    expected = by_many_starts(problem, np.zeros(2), np.full(2, 8.0))
    assert point.risk == pytest.approx(expected, abs=1e-8)
    assert np.all(np.isfinite(point.omega))


def test_the_best_perceptron() -> None:
    problem = perceptrons(0.5)
    low, high = np.array([-3.0, -2, 0, 0]), np.array([3.0, 2, 3, 3])
    box = dict(zip(problem.invariant_names, zip(low, high, strict=True), strict=True))
    domain = make_domain(problem.invariant_names, box)
    point = best_point(on_grid(problem, domain))
    assert np.all((low <= point.omega) & (point.omega <= high))
    residual = problem.labels - problem.features(point.omega[None])[0]
    assert point.risk == pytest.approx(problem.weights @ residual**2, abs=1e-12)
    assert point.risk == pytest.approx(by_many_starts(problem, low, high), abs=1e-7)


def test_errors() -> None:
    with pytest.raises(ValueError, match="one coordinate"):
        sphere_thresholds(at, make_domain(("r1", "r2")))
    with pytest.raises(ValueError, match="finite positive"):
        curvature(isotropic(0.5), PointMass(np.array([np.inf]), 1.0, 0.0))
