"""The distributional dynamics: order, invariants of the flow, an oracle, and the settled values."""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from meanfield.activations import PiecewiseLinear
from meanfield.config_files import load_yaml
from meanfield.flow import Flow, solve
from meanfield.flow_attempt import Attempt
from meanfield.flow_control import FlowError
from meanfield.flow_step import Stepper
from meanfield.functionals import field
from meanfield.initial_measure import initial_measure
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.measure import Measure, gaussian_radii
from meanfield.metrics import Quantiles
from meanfield.neurons import Perceptron, Ridge
from meanfield.problem import Problem, make_problem
from meanfield.stack import Stack
from toy_problems import Linear

RIDGE = Ridge(PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)))
EXPERIMENTS = Path(__file__).parents[1] / "config/experiments"
FIGURE_1_TIMES = np.array([0, 0.1, 1, 2, 4, 6, 10])


def figure_1_problem(nodes: int = 12) -> Problem:
    return make_problem(IsotropicGaussians(40, 0.8), RIDGE, nodes)


PROBLEM = figure_1_problem()
MEASURE, LEVELS = gaussian_radii(40, 0.8, 100)


ATOM = Measure(np.zeros((1, 1)), np.ones(1))


def test_exact_solution() -> None:
    times = np.linspace(0, 5, 41)
    flow = solve(Linear(), ATOM, times, tolerance=1e-9)
    np.testing.assert_allclose(flow.omega[:, 0, 0], 1 - np.exp(-2 * times), atol=2e-8)
    np.testing.assert_allclose(flow.risk, np.exp(-4 * times), atol=5e-8)
    np.testing.assert_allclose(flow.dissipation, 4 * flow.risk, rtol=1e-9)


def test_one_step_has_order_five_and_its_interpolant_four() -> None:
    errors, inner = [], []
    for step in (0.2, 0.1):
        tried = steps_of(Linear(), ATOM, step, 1)
        errors.append(abs(tried.path.end[0, 0, 0] - (1 - np.exp(-2 * step))))
        middle = tried.path.at(0.4)
        inner.append(abs(middle[0, 0, 0] - (1 - np.exp(-0.8 * step))))
    # Local errors: one order more than the global one.
    assert np.log2(errors[0] / errors[1]) == pytest.approx(6, abs=0.3)
    assert np.log2(inner[0] / inner[1]) == pytest.approx(5, abs=0.3)


def steps_of(problem: Problem, measure: Measure, size: float, count: int) -> Attempt:
    """Take steps of one size, and return the last."""
    stepper = Stepper(Stack((problem,)), measure.mass[None], 1e-9)
    omega = measure.omega[None]
    velocity, (start,) = stepper.summarize(omega)
    risk = start.risk
    for _ in range(count):
        tried = stepper.attempt(omega, velocity, [risk], [size], None)
        omega, velocity, risk = tried.path.end, tried.velocity, tried.seen[0].risk
    return tried


def test_observed_order_on_the_dynamics() -> None:
    """With fixed steps the error at t = 0.5 falls at least as the fifth power of the step.

    Until the error meets the roughness of the table's slope, near 1e-10, the order seen is between
    5 and 7: the steps are still long for the steepest particles.
    """
    reference = solve(PROBLEM, MEASURE, [0.5], tolerance=1e-13).omega[0]
    errors = []
    for count in (12, 48):
        end = steps_of(PROBLEM, MEASURE, 0.5 / count, count).path.end[0]
        errors.append(np.max(np.abs(end - reference)))
    assert np.log2(errors[0] / errors[1]) / 2 > 4.9


def test_dop853_agrees() -> None:
    times, tolerance = FIGURE_1_TIMES[:5], 1e-7
    ours = solve(PROBLEM, MEASURE, times, tolerance=tolerance).omega[:, :, 0]

    def rate(_: float, omega: np.ndarray) -> np.ndarray:
        return np.asarray(field(PROBLEM, omega[:, np.newaxis], MEASURE.mass).velocity[:, 0])

    oracle = solve_ivp(
        rate, (0, 4), MEASURE.omega[:, 0], "DOP853", t_eval=times, rtol=1e-11, atol=1e-11
    )
    error = np.max(np.abs(ours - oracle.y.T), axis=1) / (1 + np.max(np.abs(ours), axis=1))
    assert np.all(error < 10 * tolerance)


def test_dop853_agrees_on_four_coordinates() -> None:
    """ReLU neurons on anisotropic data, d = inf, with spread a and b, from time tau = 0 to 20."""
    law, relu = AnisotropicGaussians(320, 60, 0.5), PiecewiseLinear((0.0,), (0.0,), 0.0, 1.0)
    problem = make_problem(law, Perceptron(relu), 1, dimension="infinite")
    spread = {"kind": "gaussian", "scale": 0.5}
    initial = {"kind": "product", "a": spread, "b": spread, "w": {"kind": "sphere", "radius": 0.8}}
    start = initial_measure(initial, law, (5, 4), infinite=True).measure
    times, tolerance = np.linspace(0, 20, 6), 1e-7
    ours = solve(problem, start, times, tolerance=tolerance)
    assert np.max(np.abs(ours.dissipation_error)) < 1e-6

    def rate(_: float, flat: np.ndarray) -> np.ndarray:
        return np.asarray(field(problem, flat.reshape(-1, 4), start.mass).velocity.ravel())

    oracle = solve_ivp(
        rate, (0, 20), start.omega.ravel(), "DOP853", t_eval=times, rtol=1e-11, atol=1e-11
    )
    error = np.abs(ours.omega.reshape(6, -1) - oracle.y.T)
    assert np.max(error / (1 + np.abs(oracle.y.T))) < 10 * tolerance


@pytest.fixture(scope="module")
def figure_1() -> Flow:
    """Return the dynamics of Figure 1 as the shipped experiment resolves it."""
    return solve_figure_1()


def solve_figure_1(atoms: float = 1, nodes: float = 1, tolerance: float = 1) -> Flow:
    """Solve with the shipped numbers of atoms and nodes and tolerance times these factors."""
    dd = load_yaml(EXPERIMENTS / "figure_1.yaml")["dd"]
    measure = gaussian_radii(40, 0.8, int(atoms * dd["atoms"])).measure
    problem = figure_1_problem(int(nodes * dd["nodes"]))
    return solve(problem, measure, FIGURE_1_TIMES, tolerance=tolerance * dd["tolerance"])


def test_figure_1_settled_risks(figure_1: Flow) -> None:
    expected = [
        1.70448171, 1.33897956, 1.07060706, 1.01142925, 0.85902758, 0.52180169, 0.17532411
    ]  # fmt: skip
    np.testing.assert_allclose(figure_1.risk, expected, rtol=0, atol=3e-6)


def test_figure_1_keeps_order_and_never_raises_the_risk(figure_1: Flow) -> None:
    assert np.all(np.diff(figure_1.omega[:, :, 0], axis=1) > 0)
    assert np.all(np.diff(figure_1.risk) < 0)
    assert figure_1.omega.shape == (7, 800, 1)


def test_mass_is_conserved(figure_1: Flow) -> None:
    """The density at every time integrates to 1: no atom is lost and none changes places."""
    levels = gaussian_radii(40, 0.8, 800).levels
    for omega in figure_1.omega[:, :, 0]:
        edges = np.linspace(0, 1.1 * omega.max(), 400)
        mass = Quantiles(levels, omega).density(edges) @ np.diff(edges)
        assert mass == pytest.approx(1, abs=1e-4)


def test_refinement_changes_the_risk_little(figure_1: Flow) -> None:
    for refined in (
        solve_figure_1(tolerance=0.5),
        solve_figure_1(nodes=2),
        solve_figure_1(atoms=2),
        solve_figure_1(nodes=2, tolerance=0.5),
    ):
        assert np.max(np.abs(refined.risk - figure_1.risk)) < 1e-5


def test_dissipation_is_the_slope_of_the_risk() -> None:
    times = 0.5 + 1e-3 * np.arange(-2, 3)
    flow = solve(PROBLEM, MEASURE, times, tolerance=1e-11)
    slope = flow.risk @ np.array([1, -8, 0, 8, -1]) / 12e-3
    assert flow.dissipation[2] == pytest.approx(-slope, rel=1e-6)


def test_the_risk_lost_is_the_dissipation_integrated(figure_1: Flow) -> None:
    assert np.max(np.abs(figure_1.dissipation_error)) < 1e-5
    late = solve(PROBLEM, MEASURE, [3.0, 5.0], tolerance=1e-6)
    assert np.max(np.abs(late.dissipation_error)) < 1e-5


def test_a_solution_does_not_depend_on_the_times_asked_for() -> None:
    few = solve(PROBLEM, MEASURE, [1.0], tolerance=1e-7)
    many = solve(PROBLEM, MEASURE, np.linspace(0, 1, 30), tolerance=1e-7)
    np.testing.assert_array_equal(few.omega[-1], many.omega[-1])
    assert few.steps == many.steps
    assert many.rhs_calls == few.rhs_calls + 29


def test_only_time_zero() -> None:
    flow = solve(PROBLEM, MEASURE, [0.0])
    np.testing.assert_array_equal(flow.omega[0], MEASURE.omega)
    assert (flow.steps, flow.rejected) == (0, 0)


def test_a_rising_risk_is_an_error() -> None:
    with pytest.raises(FlowError, match=r"the risk rose .* t = 0 .*lower dd.tolerance"):
        solve(Linear(sign=np.array([-1.0])), ATOM, [1.0])


def test_a_velocity_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(FlowError, match="not finite at t = 0"):
        solve(Linear(sign=np.array([np.nan])), ATOM, [1.0])


def test_what_is_seen_of_a_step() -> None:
    """Two atoms move alike: by the mean of 1 - omega, from 1/2 on."""
    pair = Measure(np.array([[0.0], [1.0]]), np.array([0.5, 0.5]))
    seen = steps_of(Linear(), pair, 0.1, 1).seen[0]
    left = 0.5 * np.exp(-0.2)
    assert (seen.gap, seen.largest) == (pytest.approx(1), pytest.approx(1.5 - left, abs=1e-7))
    assert seen.risk == pytest.approx(left**2, abs=1e-7)
    assert seen.spent.at(1.0) == pytest.approx(0.25 - left**2, abs=1e-7)
    assert (seen.crossed, seen.arrived, seen.outward) == (False, False, ())


def test_running_out_of_steps_is_an_error() -> None:
    with pytest.raises(FlowError, match="in 3 steps"):
        solve(PROBLEM, MEASURE, [10.0], most_steps=3)


@pytest.mark.parametrize(
    ("times", "tolerance", "message"),
    [
        ([], 1e-6, "non-empty"),
        ([np.nan], 1e-6, "finite"),
        ([-1.0, 1.0], 1e-6, ">= 0"),
        ([1.0, 0.5], 1e-6, "must not decrease"),
        ([1.0], 0.0, "tolerance must lie"),
    ],
)
def test_bad_arguments(times: list[float], tolerance: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        solve(PROBLEM, MEASURE, times, tolerance=tolerance)
