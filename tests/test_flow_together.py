"""Flows solved together: each is what it is alone, on NumPy in every bit, and no call is wasted."""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meanfield import flow_step
from meanfield.activations import PiecewiseLinear, ReLU
from meanfield.arrays import Backend, from_backend, to_backend
from meanfield.flow import Flow, solve, solve_together
from meanfield.flow_control import FlowError
from meanfield.flow_step import Stepper
from meanfield.host import to_host
from meanfield.initial_measure import initial_measure
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.measure import Measure, gaussian_radii
from meanfield.neurons import Perceptron, Ridge
from meanfield.problem import Problem, make_problem
from meanfield.stack import MisfitError, Stack
from meanfield.sticky_origin import overshoot
from toy_problems import Cone, Linear

Case = tuple[list[Problem], list[Measure], list[Any]]

RAMP = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
DIP = PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5))
ONE = {"kind": "point", "value": 1.0}
HALVES = np.array([0.5, 0.5])
TOLERANCE = 1e-6


def isotropic() -> Case:
    """Figure 2's problems, of which those at large Delta take more steps."""
    problems = [make_problem(IsotropicGaussians(40, d), Ridge(RAMP), 6) for d in (0.1, 0.5, 0.9)]
    start = gaussian_radii(40, 0.8, 30).measure
    return problems, [start] * 3, [[0.0, 0.5, 2.0], [0.0, 0.01, 0.02, 0.03, 2.0], [1.0]]


def anisotropic() -> Case:
    """Figure 3's problems, with four coordinates."""
    laws = [AnisotropicGaussians(40, 10, delta) for delta in (0.3, 0.6)]
    initial = {"kind": "product", "a": ONE, "b": ONE, "w": {"kind": "gaussian", "scale": 0.8}}
    starts = [initial_measure(initial, law, (3, 2)).measure for law in laws]
    return [make_problem(law, Perceptron(ReLU()), 3) for law in laws], starts, [[0.3, 1.0]] * 2


def trap() -> Case:
    """Figure 4's problem from several starts: all mass falls into the origin, some of it, none."""
    problem = make_problem(IsotropicGaussians(320, 0.5), Ridge(DIP), 6)
    starts = [gaussian_radii(320, scale, 60).measure for scale in (0.1, 0.2, 0.25, 0.4)]
    return [problem] * 4, starts, [[*np.linspace(0, 0.1, 21), 1.0]] * 4


def cones() -> Case:
    """Two heavy atoms, the first held for some time, or from the start, or never."""
    radii = ([0.02, 4.0], [0.03, 4.5], [0.0, 4.0], [0.0, 0.0], [0.5, 0.6])
    starts = [Measure(np.array([[first], [second]]), HALVES) for first, second in radii]
    labels = ([1.0, 0.0], [1.0, 0.0], [0.8, 0.0], [1.0, 0.0], [0.5, 0.1])
    times = np.concatenate([np.linspace(0, 0.1, 101), [0.5, 3.0]])
    return [Cone(labels=np.array(each)) for each in labels], starts, [times] * 5


def let_go_at_once() -> Case:
    """Let an atom go next to the start of the first step, beside a flow without events."""
    radii = ([0.0, 2 * (1 + 1e-9)], [0.3, 0.6])
    starts = [Measure(np.array([[first], [second]]), HALVES) for first, second in radii]
    return [Cone(), Cone()], starts, [[0.0, 0.1, 1.0]] * 2


def let_go_at_once_last() -> Case:
    """Put the flow without events first, which must not matter."""
    problems, starts, times = let_go_at_once()
    return problems, starts[::-1], times


CASES = {
    "isotropic": isotropic,
    "anisotropic": anisotropic,
    "trap": trap,
    "cones": cones,
    "let go at once": let_go_at_once,
    "let go at once, last": let_go_at_once_last,
}


def alone(case: Case) -> list[Flow]:
    return [solve(*each, tolerance=TOLERANCE) for each in zip(*case, strict=True)]


@pytest.mark.parametrize("name", CASES)
def test_each_is_what_it_is_alone(name: str) -> None:
    case = CASES[name]()
    for found, expected in zip(
        solve_together(*case, tolerance=TOLERANCE), alone(case), strict=True
    ):
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert np.max(np.abs(found.dissipation_error)) < 20 * TOLERANCE * (1 + found.risk[0])


def test_the_cases_differ_in_what_they_are_to_test() -> None:
    """Flows take different numbers of steps; atoms are caught and let go at different times."""
    assert len({flow.steps for flow in alone(isotropic())}) == 3
    held = [flow.omega[:, 0, 0] == 0 for flow in alone(cones())]
    caught_and_let_go = [(np.argmax(each), np.sum(each)) for each in held]
    assert len(set(caught_and_let_go)) == 5
    fallen = [np.sum(flow.omega[-1] == 0) for flow in alone(trap())]
    assert fallen[0] == 60
    assert fallen[-1] == 0
    assert len({flow.steps for flow in alone(trap())}) > 2


def test_the_others_do_not_matter() -> None:
    problems, starts, times = cones()
    whole = solve_together(problems, starts, times)
    some = [3, 0, 2]
    parts = solve_together(
        [problems[i] for i in some], [starts[i] for i in some], [times[i] for i in some]
    )
    for place, found in zip(some, parts, strict=True):
        np.testing.assert_array_equal(found.omega, whole[place].omega)


RADII = st.one_of(st.just(0.0), st.floats(1e-3, 0.1), st.floats(0.1, 4.0))
START = st.tuples(st.lists(RADII, min_size=3, max_size=3), st.floats(0.01, 0.9))


@settings(max_examples=20)
@given(st.lists(START, min_size=2, max_size=4))
def test_any_cones(drawn: list[tuple[list[float], float]]) -> None:
    """Light and heavy atoms are caught, held and let go, in any order and in any flow."""
    starts = [
        Measure(np.sort(radii)[:, None], np.array([first, 0.99 - first, 0.01]))
        for radii, first in drawn
    ]
    case: Case = ([Cone()] * len(starts), starts, [[0.01, 0.1, 1.0]] * len(starts))
    for found, expected in zip(
        solve_together(*case, tolerance=TOLERANCE), alone(case), strict=True
    ):
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        size = TOLERANCE * (1 + found.risk[0])
        assert np.max(np.abs(found.dissipation_error)) < 100 * size


def moved(case: Case, xp: ModuleType) -> Case:
    backend = Backend("cupy", xp, "another device")
    problems, starts, times = case
    there, at = to_backend((tuple(problems), tuple(starts)), backend)
    return list(there), list(at), times


@pytest.mark.parametrize("name", CASES)
def test_other_namespaces(name: str, xp: ModuleType) -> None:
    case = CASES[name]()
    for found, expected in zip(
        solve_together(*moved(case, xp), tolerance=TOLERANCE), alone(case), strict=True
    ):
        assert type(found.omega) is type(xp.asarray(0.0))
        assert (found.steps, found.rejected) == (expected.steps, expected.rejected)
        for mine, theirs in zip(from_backend(found)[:5], expected[:5], strict=True):
            np.testing.assert_allclose(to_host(mine), theirs, rtol=1e-8, atol=1e-9)


def test_a_right_hand_side_serves_all_that_have_not_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    evaluate = Stack.field

    def count(self: Stack, omega: Any, mass: Any) -> Any:
        sizes.append(omega.shape[0])
        return evaluate(self, omega, mass)

    monkeypatch.setattr(Stack, "field", count)
    problems, starts, _ = isotropic()
    flows = solve_together(problems, starts, [[2.0]] * 3)
    calls = [flow.rhs_calls for flow in flows]
    assert len(set(calls)) == 3
    assert len(sizes) == max(calls)
    assert sum(sizes) == sum(calls)


@pytest.mark.parametrize("make", [isotropic, anisotropic, trap])
def test_the_host_reads_once_a_step(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reading makes the host wait for a GPU; the numbers are those of the slowest flow."""
    strict = importlib.import_module("array_api_strict")
    case = moved(make(), strict)
    reads = {"arrays": 0, "numbers": 0, "rounds": 0, "overshoots": 0}

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            reads[name] += 1
            return function(*arguments)

        return counted

    monkeypatch.setattr(flow_step, "to_host", counting("arrays", to_host))
    monkeypatch.setattr(flow_step, "overshoot", counting("overshoots", overshoot))
    monkeypatch.setattr(Stepper, "below", counting("rounds", Stepper.below))
    number = counting("numbers", lambda array: array._array.item())
    for name in ("__bool__", "__float__", "__int__", "__index__"):
        monkeypatch.setattr(type(strict.asarray(0.0)), name, number)
    flows = solve_together(*case, tolerance=TOLERANCE)
    attempts = max(flow.steps + flow.rejected for flow in flows)
    # Start, order, two for the first step, and one for each output time.
    line = case[1][0].omega.shape[1] == 1
    arrays = attempts + 3 + line + max(len(times) for times in case[2])
    numbers = 0
    if case[0][0].sticky_origin:
        # Are radii negative at the start, or below 0 in a round of output times; how far are they?
        numbers += len(case[0]) + 2 * reads["overshoots"]
        arrays += reads["rounds"]
        assert reads["overshoots"] > 0
    assert reads["arrays"] == arrays
    assert reads["numbers"] == numbers


def linear(label: float = 1.0, sign: float = 1.0) -> Linear:
    return Linear(labels=np.array([label]), sign=np.array([sign]))


ATOM = Measure(np.zeros((1, 1)), np.ones(1))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (linear(sign=-1.0), r"^problem 2 of 3: the risk rose .* t = 0 .*lower dd.tolerance"),
        (linear(sign=np.nan), r"^problem 2 of 3: .* is not finite at t = 0"),
        (linear(label=np.inf), r"^problem 2 of 3: .* is not finite at t = 0"),
    ],
)
def test_an_error_says_which_flow_failed(other: Linear, message: str) -> None:
    with pytest.raises(FlowError, match=message) as found, np.errstate(invalid="ignore"):
        solve_together([Linear(), other, Linear()], [ATOM] * 3, [[1.0]] * 3)
    assert found.value.place == 1


def test_running_out_of_steps_says_which_flow_did() -> None:
    with pytest.raises(FlowError, match=r"^problem 2 of 2: the flow reached t = .* in 5 steps"):
        solve_together([Linear()] * 2, [ATOM] * 2, [[1e-3], [100.0]], most_steps=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], []), "one at least, got 0 problems"),
        (([Linear()] * 2, [ATOM], [[1.0]] * 2), "got 2 problems, 1 measures, 2 times"),
        (([Linear()] * 2, [ATOM] * 2, [[1.0], [-1.0]]), "problem 2 of 2: times must be >= 0"),
        (
            ([Linear()] * 2, [ATOM, Measure(np.zeros((2, 1)), HALVES)], [[1.0]] * 2),
            r"problem 2 of 2: flows .* of one shape \(J, k\), got \(2, 1\) beside \(1, 1\)",
        ),
        (
            ([Cone()] * 2, [ATOM, Measure(-np.ones((1, 1)), np.ones(1))], [[1.0]] * 2),
            "problem 2 of 2: a sticky origin needs radii >= 0",
        ),
        (([Linear(), Cone()], [ATOM] * 2, [[1.0]] * 2), "its class is Cone, not Linear"),
    ],
)
def test_bad_arguments(arguments: Case, message: str) -> None:
    with pytest.raises(ValueError, match=message) as found:
        solve_together(*arguments)
    if isinstance(found.value, MisfitError):
        assert found.value.place == 1
