"""A sticky origin: atoms reach r = 0, are held while the velocity points inward, and are let go."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from meanfield import flow_step
from meanfield.activations import PiecewiseLinear
from meanfield.dormand_prince import NODES, Step
from meanfield.flow import Flow, solve
from meanfield.functionals import dissipation, velocity
from meanfield.laws import IsotropicGaussians
from meanfield.measure import Measure, gaussian_radii
from meanfield.neurons import Ridge
from meanfield.problem import make_problem
from meanfield.stack import Stack
from meanfield.sticky_origin import LEAST_PART, Event, arrival, release
from toy_problems import Cone

Floats = NDArray[np.float64]


class Pieces(NamedTuple):
    """An independent solution: radii at the times asked for, and when the atom stuck and left."""

    radii: Floats
    stuck: float
    left: float


PAIR = Measure(np.array([[0.02], [4.0]]), np.array([0.5, 0.5]))


def solve_in_pieces(times: Floats) -> Pieces:
    """Solve for two atoms by DOP853, with an event where the first sticks and where it leaves."""
    options: dict[str, Any] = {
        "method": "DOP853",
        "rtol": 1e-13,
        "atol": 1e-14,
        "dense_output": True,
    }

    def rate(_: float, r: Floats) -> Floats:
        return 1 - r.mean() - 2 * r * (r**2).mean()

    def held(_: float, r: Floats) -> Floats:
        return np.array([0.0, rate(0, r)[1]])

    def stops(_: float, r: Floats) -> float:
        return float(r[0])

    def turns(_: float, r: Floats) -> float:
        return float(1 - r.mean())

    stops.terminal = turns.terminal = True  # type: ignore[attr-defined]
    first: Any = solve_ivp(rate, (0, 9), PAIR.omega[:, 0], events=stops, **options)
    second: Any = solve_ivp(
        held, (first.t[-1], 9), np.array([0, first.y[1, -1]]), events=turns, **options
    )
    third: Any = solve_ivp(rate, (second.t[-1], 9), np.array([0, second.y[1, -1]]), **options)
    parts = [
        solution.sol(times[(times >= start) & (times < stop)])
        for solution, start, stop in (
            (first, 0, first.t[-1]),
            (second, first.t[-1], second.t[-1]),
            (third, second.t[-1], np.inf),
        )
    ]
    return Pieces(np.concatenate(parts, axis=1).T, first.t[-1], second.t[-1])


TIMES = np.concatenate([np.linspace(0, 0.3, 301), np.linspace(0.35, 9, 100)])


@pytest.mark.parametrize("tolerance", [1e-5, 1e-7, 1e-9])
def test_an_atom_sticks_and_is_let_go(tolerance: float) -> None:
    oracle = solve_in_pieces(TIMES)
    assert 0 < oracle.stuck < oracle.left < 1
    flow = solve(Cone(), PAIR, TIMES, tolerance=tolerance)
    assert np.max(np.abs(flow.omega[:, :, 0] - oracle.radii)) < 20 * tolerance
    held = np.searchsorted(TIMES, [oracle.stuck + 1e-3, oracle.left - 1e-3])
    inside = slice(*held)
    assert held[1] > held[0] + 10
    assert np.all(flow.omega[inside, 0, 0] == 0)
    assert flow.omega[-1, 0, 0] > 0.1
    assert np.max(np.abs(flow.dissipation_error)) < 20 * tolerance * (1 + flow.risk[0])


def test_atoms_are_let_go_at_once() -> None:
    """v(0+) turns so soon that no step could be cut there: as if it had turned before."""
    after, before = (
        solve(
            Cone(),
            Measure(np.array([[0.0], [2 * (1 + side)]]), PAIR.mass),
            [0.1, 1.0],
            tolerance=1e-6,
        )
        for side in (1e-9, -1e-9)
    )
    np.testing.assert_allclose(after.omega, before.omega, rtol=0, atol=1e-6)


@pytest.mark.parametrize("turn", [1e-12, 1e-9, 1e-7, 0.1])
def test_an_event_never_takes_a_step_to_nothing(turn: float) -> None:
    event = release(lambda part: part - turn, [0.2])
    assert event is not None
    assert LEAST_PART <= event.part <= turn + 2 * LEAST_PART
    path = Step(np.array([[turn]]), np.array([[turn - 1]]), [np.array([[-1.0]])] * 7, 1.0)
    event = arrival(path, np.ones(1))
    assert event is not None
    assert event.part == pytest.approx(max(turn, LEAST_PART), rel=1e-12)


@pytest.mark.parametrize("first", [5e-324, 2.0**-53])
def test_a_velocity_that_another_evaluation_sees_turned_already_lets_go_at_once(
    first: float,
) -> None:
    calls: list[float] = []

    def outward(part: float) -> float:
        calls.append(part)
        return first + part

    assert release(outward, [0.2, 0.3]) == Event(LEAST_PART, None)
    assert calls == [0.2, 0.0]


@pytest.mark.parametrize("labels", [[1.0, 0.0], [1.0, 2.0]])
@pytest.mark.parametrize("ulps", [2, 4])
def test_evaluations_that_round_differently_neither_fail_nor_loop(
    ulps: int, labels: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step's evaluation of all flows, and that of one alone, may differ on a GPU.

    v(0+) starts an ulp below 0, and turns, or creeps towards 0 as the risk vanishes. Flows are
    solved until in three of them the second evaluation has seen it turned already.
    """
    start = Measure(np.array([[0.0], [2 * (1 + 2.0**-52)]]), PAIR.mass)
    times, tolerance = [0.1, 1.0, 20.0], 1e-6
    expected = solve(Cone(labels=np.array(labels)), start, times, tolerance=tolerance)
    generator, exact = np.random.default_rng(1), (Stack.field, flow_step.field)

    def rounded(field: Any, *given: Any) -> Any:
        found = field(*given)
        noise = generator.choice([-1.0, 1.0], found.velocity.shape)
        return found._replace(velocity=found.velocity + ulps * 2.0**-52 * noise)

    monkeypatch.setattr(Stack, "field", lambda *given: rounded(exact[0], *given))
    monkeypatch.setattr(flow_step, "field", lambda *given: rounded(exact[1], *given))
    reached: list[bool] = []

    def seen_turned(outward: Callable[[float], float], seen: Sequence[float]) -> Event | None:
        speed = cache(outward)
        event = release(speed, seen)
        reached[-1] |= event is not None and speed(0.0) > 0
        return event

    monkeypatch.setattr(flow_step, "release", seen_turned)
    for _ in range(60):
        reached.append(False)
        found = solve(Cone(labels=np.array(labels)), start, times, tolerance=tolerance)
        np.testing.assert_allclose(found.omega, expected.omega, rtol=0, atol=20 * tolerance)
        # Stability asks for 20 * 8.5 / 3.3 = 52 steps at the end, and an event in any of them for
        # some 8 more until they are as long again; a loop would make no end.
        assert found.steps + found.rejected < 1000
        if sum(reached) == 3:
            return
    pytest.fail("the second evaluation never saw v(0+) turned")


@settings(max_examples=50)
@given(st.floats(1e-6, 1.0), st.floats(-2.0, 2.0), st.floats(0.01, 2.0))
def test_an_atom_that_turns_within_a_step_arrives_where_it_crosses_the_origin(
    start: float, speed: float, below: float
) -> None:
    """There is one root from 0 on of r = start + speed t - bend t^2, which is -below at the end."""
    bend = start + speed + below
    stages = [np.array([[speed - 2 * bend * node]]) for node in NODES]
    event = arrival(Step(np.array([[start]]), np.array([[-below]]), stages, 1.0), np.ones(1))
    assert event is not None
    # The root without cancellation, whatever the sign of the speed; r and D round to about 1e-16.
    root = np.sqrt(speed**2 + 4 * start * bend)
    root = 2 * start / (root - speed) if speed < 0 else (root + speed) / (2 * bend)
    assert event.part == pytest.approx(root, rel=1e-9)


def test_events_cost_few_right_hand_sides() -> None:
    flow = solve(Cone(), PAIR, [9.0], tolerance=1e-7)
    smooth = solve(Cone(sticky_origin=False), Measure(PAIR.omega + 1, PAIR.mass), [9.0])
    assert flow.rhs_calls < 3 * smooth.rhs_calls


def test_held_atoms_neither_move_nor_dissipate() -> None:
    held = Measure(np.array([[0.0], [4.0]]), PAIR.mass)
    speeds = velocity(Cone(), held)
    assert speeds[0, 0] == 0
    assert speeds[1, 0] < 0
    assert dissipation(Cone(), held) == pytest.approx(0.5 * speeds[1, 0] ** 2, rel=1e-14)


def test_an_outward_velocity_takes_atoms_away_from_the_origin_at_once() -> None:
    """With all atoms at 0, v(0+) = 1: dr/dt = 1 - r - 2 r^3 for all of them."""
    together = Measure(np.zeros((3, 1)), np.full(3, 1 / 3))
    flow = solve(Cone(), together, TIMES, tolerance=1e-9)
    oracle = solve_ivp(
        lambda _, r: 1 - r - 2 * r**3, (0, 9), [0.0], "DOP853", TIMES, rtol=1e-12, atol=1e-13
    )
    np.testing.assert_allclose(flow.omega[:, 0, 0], oracle.y[0], atol=1e-8)
    np.testing.assert_array_equal(flow.omega[:, 0], flow.omega[:, 2])


def figure_4(scale: float, tolerance: float = 1e-6) -> tuple[Flow, Floats]:
    activation = PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5))
    problem = make_problem(IsotropicGaussians(320, 0.5), Ridge(activation), 12)
    measure = gaussian_radii(320, scale, 200).measure
    times = np.concatenate([[0.0], np.geomspace(1e-3, 10, 40)])
    return solve(problem, measure, times, tolerance=tolerance), measure.mass


def test_all_mass_falls_into_the_origin_and_stays() -> None:
    """Every neuron is then sigma(0) = -2.5, so that the risk is E(y + 2.5)^2 = 7.25."""
    flow, _ = figure_4(0.1)
    fallen = flow.times > 0.02
    assert np.all(flow.omega[fallen] == 0)
    assert np.any(flow.omega[flow.times < 0.01] > 0)
    np.testing.assert_allclose(flow.risk[fallen], 7.25, rtol=1e-14)
    assert flow.rhs_calls < 300


def test_mass_falls_in_as_at_a_finer_tolerance() -> None:
    coarse, fine = figure_4(0.1, 1e-7)[0], figure_4(0.1, 1e-9)[0]
    np.testing.assert_allclose(coarse.omega, fine.omega, atol=5e-6)
    assert np.max(np.abs(fine.dissipation_error)) < 1e-6


def test_a_wider_start_leaves_the_origin_alone() -> None:
    flow, mass = figure_4(0.4)
    assert flow.risk[-1] == pytest.approx(0.0143, abs=5e-5)
    assert mass @ flow.omega[-1, :, 0] == pytest.approx(2.088, abs=5e-4)
    assert np.max(np.abs(flow.dissipation_error)) < 1e-4


def test_radii_are_not_negative() -> None:
    with pytest.raises(ValueError, match="radii >= 0"):
        solve(Cone(), Measure(np.array([[-1.0]]), np.ones(1)), [1.0])


def test_a_sticky_origin_has_one_coordinate() -> None:
    problem = Cone(invariant_names=("r1", "r2"))
    with pytest.raises(ValueError, match="one coordinate, the radius, got r1, r2"):
        solve(problem, Measure(np.zeros((1, 2)), np.ones(1)), [1.0])
