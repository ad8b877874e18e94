"""The distributional dynamics: the flow of the atoms of a measure down the risk.

    d omega_j / d tau = 2 sum_q pi_q (y_q - f_q) grad phi(omega_j; s_q)

integrated by the pair of Dormand and Prince. Many flows can be solved together, each with a time,
a step and an error control of its own: one solution is the case of one.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from meanfield.flow_attempt import Attempt
from meanfield.flow_control import Run
from meanfield.flow_step import Stepper
from meanfield.measure import Measure
from meanfield.problem import Problem
from meanfield.stack import MisfitError, stack


class Flow(NamedTuple):
    """A solution of the distributional dynamics.

    Args:
        times: requested times, shape (T,).
        omega: atoms at those times, shape (T, J, k).
        risk: R(rho_t), shape (T,).
        dissipation: -dR/d tau, shape (T,).
        dissipation_error: R(rho_0) - R(rho_t) - int_0^t dissipation d tau, shape (T,): 0 for the
            exact flow.
        steps: accepted steps.
        rejected: rejected steps, those included that were shortened to a release or an
            arrival at a sticky origin.
        rhs_calls: evaluations of the velocity, those for risk and dissipation included.
    """

    times: Any
    omega: Any
    risk: Any
    dissipation: Any
    dissipation_error: Any
    steps: int
    rejected: int
    rhs_calls: int


def solve(
    problem: Problem,
    measure: Measure,
    times: Any,
    *,
    tolerance: float = 1e-7,
    most_steps: int = 100_000,
) -> Flow:
    """Integrate the distributional dynamics from a measure; masses stay as they are.

    Args:
        problem: the problem.
        measure: rho at time 0.
        times: increasing times >= 0 at which the solution is wanted, shape (T,).
        tolerance: bound on the error estimate of one step, relative to 1 + |omega|, in every
            coordinate of every atom, and relative to 1 + R in the risk dissipated.
        most_steps: give up after so many steps.

    Returns:
        The solution at the requested times.

    Raises:
        ValueError: if an argument is out of range, or the problem has a sticky origin and more than
            one coordinate.
        FlowError: if a number is not finite, the step or the number of steps runs out, or the risk
            rises or particles on a line change places by more than the tolerance explains.

    Source: Mei, Montanari and Nguyen (2018), distributional dynamics with xi = 1.
    """
    given: dict[str, Any] = {"tolerance": tolerance, "most_steps": most_steps}
    return solve_together([problem], [measure], [times], **given)[0]


def solve_together(
    problems: Sequence[Problem],
    measures: Sequence[Measure],
    times: Sequence[Any],
    *,
    tolerance: float = 1e-7,
    most_steps: int = 100_000,
) -> list[Flow]:
    """Integrate P flows that differ in their starts, and in labels, weights and nodes, in lockstep.

    Every right-hand side is one evaluation for all flows that have not arrived, which a GPU hardly
    tells from one for a single flow. What a flow does not share with the others is its time, steps,
    events and snapshots: it is the same alone, to rounding, and on the CPU in every bit.

    Args:
        problems: the problems, which see the same neurons through equal numbers of nodes.
        measures: rho at time 0, of equal numbers of atoms.
        times: for each flow, those of `solve`.
        tolerance: as in `solve`.
        most_steps: as in `solve`.

    Returns:
        The solutions.

    Raises:
        MisfitError: if a problem or a measure does not fit the first; it says which.
        ValueError: as in `solve`.
        FlowError: as in `solve`; it says which flow failed, and none is returned.
    """
    wanted = _check(problems, measures, times, tolerance)
    xp = array_namespace(*(measure.omega for measure in measures))
    omega = xp.stack([measure.omega for measure in measures])
    mass = xp.stack([measure.mass for measure in measures])
    stepper = Stepper(stack(problems), mass, tolerance)
    velocity, starts = stepper.summarize(omega)
    gaps = stepper.gaps(omega)
    runs = [
        Run(i, _name(i, len(wanted)), each, tolerance, most_steps, starts[i].risk, gaps[i] > 0)
        for i, each in enumerate(wanted)
    ]
    for run, start in zip(runs, starts, strict=True):
        run.calls += 1
        if not start.finite:
            raise run.error("the velocity or the risk is not finite at t = 0")
    paths = [_Path(xp.empty((len(each), *omega.shape[1:]), dtype=omega.dtype)) for each in wanted]
    _integrate(stepper, omega, velocity, runs, paths)
    return _finish(stepper, runs, paths, [start.risk for start in starts])


def check_fit(problems: Sequence[Problem], measures: Sequence[Measure]) -> None:
    """Raise unless flows can be solved together, if each can be alone.

    Raises:
        MisfitError: if a problem or a measure does not fit the first; it says which.
    """
    stack(problems)
    shape = measures[0].omega.shape
    for index, measure in enumerate(measures):
        if measure.omega.shape != shape:
            raise MisfitError(
                f"{_name(index, len(measures))}flows solved together need atoms of one shape "
                f"(J, k), got {measure.omega.shape} beside {shape}",
                index,
            )


class _Path:
    """The atoms of a flow at the times passed, (T, J, k), and the risk dissipated until then."""

    def __init__(self, omega: Any) -> None:
        self.omega = omega
        self.spent = np.zeros(omega.shape[0])


def _integrate(
    stepper: Stepper, omega: Any, velocity: Any, runs: list[Run], paths: list[_Path]
) -> None:
    """Step until every flow has passed its last time, and record the atoms at all of them."""
    xp = stepper.xp
    for row, run in enumerate(runs):
        while not run.done and run.wanted[run.reached] == 0:
            paths[row].omega[run.reached, ...] = omega[row, ...]
            run.reached += 1
    while rows := [row for row, run in enumerate(runs) if not run.done]:
        if len(rows) < len(runs):
            # The others are there.
            runs, paths = [runs[row] for row in rows], [paths[row] for row in rows]
            omega, velocity = stepper.rows(omega, rows), stepper.rows(velocity, rows)
            stepper = stepper.take(rows)
        held = stepper.held(omega, velocity, [run.free for run in runs])
        if runs[0].size == 0.0:  # as at the start, and there alone: it is so for all
            for run, size in zip(runs, stepper.first_steps(omega, velocity, held), strict=True):
                run.size, run.calls = size, run.calls + 1
        risks, sizes = [run.risk for run in runs], [run.size for run in runs]
        tried = stepper.attempt(omega, velocity, risks, sizes, held)
        taken = [_accepts(run, row, stepper, tried, held) for row, run in enumerate(runs)]
        if not any(taken):
            continue
        end = stepper.on_domain(tried.path.end)
        for row, run in enumerate(runs):
            if taken[row] and run.event is not None and run.event.landed is not None:
                end[row, ...] = xp.where(run.event.landed, 0.0, end[row, ...])
        _record(stepper, tried, taken, runs, paths)
        for row, run in enumerate(runs):
            if taken[row]:
                seen = tried.seen[row]
                run.advance(seen, stepper.dissipated(tried, row, 1.0, below=seen.crossed))
        if all(taken):
            omega, velocity = end, tried.velocity
        else:
            moved = stepper.column(taken)
            omega = xp.where(moved, end, omega)
            velocity = xp.where(moved, tried.velocity, velocity)


def _accepts(run: Run, row: int, stepper: Stepper, tried: Attempt, held: Any) -> bool:
    run.calls += len(tried.path.stages) - 1
    return run.accepts(tried.seen[row], lambda: stepper.first_event(tried, row, held))


def _record(
    stepper: Stepper, tried: Attempt, taken: list[bool], runs: list[Run], paths: list[_Path]
) -> None:
    """Record the atoms at the times wanted within the steps taken, one time of each a round."""
    while True:
        parts = [run.next_part() if each else None for run, each in zip(runs, taken, strict=True)]
        if all(part is None for part in parts):
            return
        inside = tried.path.at(stepper.column([1.0 if part is None else part for part in parts]))
        below, inside = stepper.below(inside), stepper.on_domain(inside)
        for row, (run, part) in enumerate(zip(runs, parts, strict=True)):
            if part is not None:
                paths[row].omega[run.reached, ...] = inside[row, ...]
                lost = stepper.dissipated(tried, row, part, below=below[row])
                paths[row].spent[run.reached] = run.dissipated + lost
                run.reached += 1


def _finish(
    stepper: Stepper, runs: list[Run], paths: list[_Path], first_risks: list[float]
) -> list[Flow]:
    """Return the solutions, with the risk and the dissipation at all times."""
    xp = stepper.xp
    measured: list[list[tuple[float, float]]] = [[] for _ in runs]
    rows = list(range(len(runs)))
    for index in range(max(len(run.wanted) for run in runs)):
        if len(still := [row for row in rows if index < len(runs[row].wanted)]) < len(rows):
            stepper, rows = stepper.take([rows.index(row) for row in still]), still
        _, found = stepper.summarize(xp.stack([paths[row].omega[index, ...] for row in rows]))
        for row, at in zip(rows, found, strict=True):
            run = runs[row]
            run.calls += 1
            if not at.finite:
                time = run.wanted[index]
                raise run.error(f"the velocity or the risk is not finite at t = {time:.6g}")
            measured[row].append((at.risk, at.dissipation))
    flows = []
    for run, path, first, each in zip(runs, paths, first_risks, measured, strict=True):
        risk, dissipation = np.asarray(each).T
        numbers = (np.asarray(run.wanted), risk, dissipation, first - risk - path.spent)
        times, risk, dissipation, error = (
            xp.asarray(column.tolist(), dtype=path.omega.dtype) for column in numbers
        )
        flows.append(
            Flow(times, path.omega, risk, dissipation, error, run.steps, run.rejected, run.calls)
        )
    return flows


def _name(index: int, count: int) -> str:
    """Return what messages about a flow begin with; a flow alone needs no name."""
    return f"problem {index + 1} of {count}: " if count > 1 else ""


def _check(
    problems: Sequence[Problem], measures: Sequence[Measure], times: Sequence[Any], tolerance: float
) -> list[list[float]]:
    """Return the times, once every argument is known to be usable."""
    if not len(problems) == len(measures) == len(times) > 0:
        raise ValueError(
            "flows solved together need as many measures and lists of times as problems, and one "
            f"at least, got {len(problems)} problems, {len(measures)} measures, {len(times)} times"
        )
    if not 1e-13 <= tolerance <= 1e-2:
        raise ValueError(f"tolerance must lie between 1e-13 and 1e-2, got {tolerance!r}")
    check_fit(problems, measures)
    wanted = []
    for index, (problem, measure, each) in enumerate(zip(problems, measures, times, strict=True)):
        name = _name(index, len(problems))
        wanted.append(_check_times(name, each))
        if problem.sticky_origin:
            if measure.omega.shape[1] != 1:
                raise ValueError(
                    f"{name}a sticky origin needs one coordinate, the radius, "
                    f"got {', '.join(problem.invariant_names)}"
                )
            if float(array_namespace(measure.omega).min(measure.omega)) < 0:
                raise ValueError(f"{name}a sticky origin needs radii >= 0, got a negative one")
    return wanted


def _check_times(name: str, times: Any) -> list[float]:
    wanted = np.asarray(times, dtype=np.float64)
    if wanted.ndim != 1 or len(wanted) == 0 or not np.all(np.isfinite(wanted)):
        raise ValueError(f"{name}times must be a non-empty list of finite numbers, got {times!r}")
    if wanted[0] < 0 or np.any(np.diff(wanted) < 0):
        raise ValueError(f"{name}times must be >= 0 and must not decrease, got {times!r}")
    return [float(time) for time in wanted]
