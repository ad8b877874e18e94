"""The least risk over measures: values, certificates on finer grids, bounds on other measures."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meanfield.activations import PiecewiseLinear
from meanfield.domain import Domain, make_domain
from meanfield.functionals import network, risk
from meanfield.laws import IsotropicGaussians
from meanfield.measure import Measure
from meanfield.neurons import Ridge
from meanfield.problem import make_problem
from meanfield.search import on_grid
from meanfield.slide import least_squares_masses
from meanfield.statics import duality_gap, minimize_risk
from statics_problems import anisotropic, isotropic, perceptrons, sphere_limit

RAMP = Ridge(PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)))
DIP = Ridge(PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5)))
RADIUS = make_domain(("r",))
BOX = {"a": (-3, 3), "b": (-2, 2), "r1": (0, 3), "r2": (0, 3)}


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        (0.2, 0.39514),
        (0.4, 0.07288),
        (0.5, 0.03089),
        (0.7, 0.00747),
        (0.8, 0.00310),
        (0.9, 0.00080),
    ],
)
def test_the_minima_of_figure_2(delta: float, expected: float) -> None:
    problem = make_problem(IsotropicGaussians(40, delta), RAMP, 24)
    minimum = minimize_risk(on_grid(problem, RADIUS))
    assert minimum.risk == pytest.approx(expected, abs=5.1e-6)
    assert minimum.gap <= 1e-9
    assert minimum.risk == pytest.approx(float(risk(problem, minimum.measure)), abs=1e-14)


def test_the_minimum_of_figure_4_with_and_without_large_neurons() -> None:
    problem = make_problem(IsotropicGaussians(320, 0.5), DIP, 24)
    bounded = minimize_risk(on_grid(problem, make_domain(("r",), {"r": (0, 10)})))
    assert bounded.risk == pytest.approx(0.0041, abs=5e-5)
    assert bounded.measure.omega.max() == 10
    free = minimize_risk(on_grid(problem, RADIUS))
    assert np.isinf(free.measure.omega.max())
    assert free.risk < bounded.risk - 1e-5


def test_classes_that_are_alike_leave_the_risk_of_zero() -> None:
    """At Delta = 0 no f beats 0, as of half the mass at 0 and half at infinity."""
    problem = isotropic(0.0)
    minimum = minimize_risk(on_grid(problem, RADIUS))
    assert minimum.risk == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(network(problem, minimum.measure), 0, atol=1e-6)


PROBLEMS: list[tuple[Any, Domain]] = [
    (make_problem(IsotropicGaussians(40, 0.005), RAMP, 24), RADIUS),  # nearly flat
    (make_problem(IsotropicGaussians(40, 0.84), RAMP, 24), RADIUS),
    (make_problem(IsotropicGaussians(320, 0.5), DIP, 24), RADIUS),
    (sphere_limit(0.6), RADIUS),
    (anisotropic(0.5), make_domain(("r1", "r2"), points=32)),
    (perceptrons(0.5), make_domain(("a", "b", "r1", "r2"), BOX, 8)),
]


@pytest.mark.parametrize(("problem", "domain"), PROBLEMS)
def test_the_certificate_holds_on_a_finer_grid(problem: Any, domain: Domain) -> None:
    minimum = minimize_risk(on_grid(problem, domain), 1e-8)
    assert minimum.gap <= 1e-8
    finer = {1: 10 * domain.points, 2: 10 * domain.points, 3: 3 * domain.points}
    fine = Domain(domain.axes, finer[len(domain.searched)])
    assert duality_gap(on_grid(problem, fine), minimum.measure) <= 1e-8


@pytest.mark.parametrize("points", [400, 4001])
def test_the_gap_sees_between_the_points_of_its_own_grid(points: int) -> None:
    """At Delta = 0.8, where the potential has a flat part at its lowest level besides."""
    problem = make_problem(IsotropicGaussians(40, 0.8), RAMP, 24)
    least = minimize_risk(on_grid(problem, RADIUS)).risk
    search = on_grid(problem, make_domain(("r",), points=points))
    mass = least_squares_masses(search.grid, search.target)
    measure = Measure(search.domain.omega(search.domain.grid())[mass > 0], mass[mass > 0])
    excess = float(risk(problem, measure)) - least
    assert excess > 1e-9
    assert excess <= duality_gap(search, measure) < 1e3 * excess


def test_minima_do_not_depend_on_grid_or_start() -> None:
    problem = isotropic(0.7)
    reference = minimize_risk(on_grid(problem, RADIUS))
    coarse = minimize_risk(on_grid(problem, make_domain(("r",), points=40, scale=2.0)))
    start = Measure(np.array([[0.3], [3.0], [np.inf]]), np.array([0.2, 0.5, 0.3]))
    warm = minimize_risk(on_grid(problem, RADIUS), start=start)
    assert abs(coarse.risk - reference.risk) <= coarse.gap + reference.gap + 1e-12
    assert abs(warm.risk - reference.risk) <= warm.gap + reference.gap + 1e-12


def test_a_larger_box_of_output_weights_never_does_worse() -> None:
    minima = [
        minimize_risk(
            on_grid(
                perceptrons(0.5),
                make_domain(("a", "b", "r1", "r2"), BOX | {"a": (-size, size)}, 8),
            ),
            1e-8,
        )
        for size in (1, 3, 10)
    ]
    assert minima[0].risk > minima[1].risk > minima[2].risk
    # Linear in a: the atoms lie at the ends of its interval.
    assert set(np.abs(minima[1].measure.omega[:, 0])) == {3.0}


@pytest.mark.parametrize(("problem", "domain"), [PROBLEMS[1], PROBLEMS[4], PROBLEMS[5]])
@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0.02, 1.0))
def test_no_measure_is_below_the_bound(
    problem: Any, domain: Domain, seed: int, spread: float
) -> None:
    key = id(problem)
    if key not in MINIMA:
        MINIMA[key] = minimize_risk(on_grid(problem, domain), 1e-8)
    best = MINIMA[key]
    generator = np.random.default_rng(seed)
    near = domain.coordinates(best.measure.omega)[
        generator.integers(len(best.measure.mass), size=6)
    ]
    u = np.clip(near + spread * generator.normal(size=near.shape), 0, 1)
    other = Measure(domain.omega(u), generator.dirichlet(np.ones(6)))
    assert risk(problem, other) >= best.lower_bound
    # The bound that the gap claims, at a measure far from the minimum.
    assert risk(problem, other) - best.risk <= duality_gap(on_grid(problem, domain), other) + 1e-12


MINIMA: dict[int, Any] = {}


def test_features_without_bound_need_a_box() -> None:
    growing = Ridge(PiecewiseLinear((0.0,), (0.0,), 0.0, 1.0))
    problem = make_problem(IsotropicGaussians(10, 0.5), growing, 8)
    with pytest.raises(ValueError, match="box that bounds the radii"):
        on_grid(problem, RADIUS)
    assert minimize_risk(on_grid(problem, make_domain(("r",), {"r": (0, 2)}))).gap <= 1e-9


def test_errors() -> None:
    search = on_grid(isotropic(0.5), make_domain(("r",), points=10))
    with pytest.raises(ValueError, match="tolerance > 0"):
        minimize_risk(search, 0.0)
    with pytest.raises(ValueError, match="rounds >= 1"):
        minimize_risk(search, rounds=0)
    with pytest.raises(ValueError, match="coordinates"):
        on_grid(isotropic(0.5), make_domain(("r1",)))
