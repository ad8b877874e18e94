"""One step of the distributional dynamics, and what must hold of every step."""

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from meanfield.dormand_prince import ERROR, NODES, STAGES, Step, combine
from meanfield.functionals import Field, field
from meanfield.measure import Measure
from meanfield.problem import Problem
from meanfield.sticky_origin import Event, arrival, overshoot, release


class FlowError(RuntimeError):
    """The integration cannot go on or has lost a property of the exact flow."""


class Attempt(NamedTuple):
    """An attempted step.

    Args:
        path: the atoms along it; below 0 where they cross a sticky origin.
        after: field at the end.
        spent: the risk dissipated along it, as if atoms moved on beyond a sticky origin.
        error: error estimate over tolerance.
        outward: parts of the step at which a stage saw a velocity that lets held atoms go.
    """

    path: Step
    after: Field
    spent: Step
    error: float
    outward: list[float]


class Stepper:
    """One step of the Runge-Kutta pair, and what must hold of every step."""

    def __init__(self, problem: Problem, measure: Measure, tolerance: float) -> None:
        self.problem, self.mass, self.tolerance = problem, measure.mass, tolerance
        self.xp = array_namespace(measure.omega, measure.mass)
        self.calls = 0
        # Freeing one large block raises glibc's threshold for giving the heap's end back; else it
        # returns the temporaries of every right-hand side and faults them in again (4 x slower).
        np.empty(2**20)
        # Order is a property of the exact flow only on a line.
        gaps = measure.omega[1:, 0] - measure.omega[:-1, 0]
        self.ordered = measure.omega.shape[1] == 1 and bool(self.xp.all(gaps > 0))

    def evaluate(self, omega: Any, time: float) -> Field:
        """Return the field at omega, which must be finite there."""
        found = self._field(omega)
        if not self.xp.all(self.xp.isfinite(found.velocity)) or not np.isfinite(float(found.risk)):
            raise FlowError(f"the velocity or the risk is not finite at t = {time:.6g}")
        return found

    def on_domain(self, omega: Any) -> Any:
        """Return the atoms with those that crossed a sticky origin put back on it."""
        return self.xp.maximum(omega, 0.0) if self.problem.sticky_origin else omega

    def held(self, omega: Any, here: Field) -> Any:
        """Return which atoms (J, 1) a sticky origin holds, or None if it holds none."""
        if not self.problem.sticky_origin:
            return None
        held = (omega <= 0) & (here.velocity < 0)
        return held if bool(self.xp.any(held)) else None

    def first_step(self, omega: Any, here: Field, held: Any) -> float:
        """Return a step over which omega and its velocity change little (Hairer's choice)."""
        velocity = self._moving(here.velocity, held)
        size, speed = self._norm(omega, omega), self._norm(velocity, omega)
        trial = 0.01 * size / speed if min(size, speed) > 1e-5 else 1e-6
        later = self._moving(self._field(omega + trial * velocity).velocity, held)
        bend = self._norm(later - velocity, omega) / trial
        if not np.isfinite(bend):
            return trial
        largest = max(speed, bend)
        safe = (0.01 / largest) ** 0.2 if largest > 1e-15 else max(1e-6, trial * 1e-3)
        return min(100 * trial, safe)

    def attempt(self, omega: Any, here: Field, size: float, held: Any = None) -> Attempt:
        """Return the step of a size from omega, where the field is `here`."""
        end, after = omega, here
        stages: list[Any] = []
        rates: list[float] = []
        outward: list[float] = []
        for row, part in zip(((), *STAGES), NODES, strict=True):
            if row:
                end = omega + size * combine(row, stages)
                after = self._field(end)
            if held is not None and bool(self.xp.any(after.velocity[held] > 0)):
                outward.append(part)
            stages.append(self._moving(after.velocity, held))
            rates.append(float(self.mass @ self.xp.sum(stages[-1] ** 2, axis=1)))
        error = self._norm(size * combine(ERROR, stages), self.xp.maximum(abs(omega), abs(end)))
        # The dissipated risk is integrated like a coordinate.
        lost = abs(size * combine(ERROR, rates)) / (self.tolerance * (1 + float(here.risk)))
        error = max(error, lost) if np.isfinite(error) else error
        spent = Step(0.0, size * combine(STAGES[-1], rates), rates, size)
        return Attempt(Step(omega, end, stages, size), after, spent, error, outward)

    def first_event(self, tried: Attempt, held: Any) -> Event | None:
        """Return where a step must end since a sticky origin catches or releases atoms there."""
        if not self.problem.sticky_origin:
            return None

        def outward(part: float) -> float:
            return float(self.xp.max(self._field(tried.path.at(part)).velocity[held]))

        found = [
            arrival(tried.path, self.mass),
            release(outward, tried.outward) if held is not None else None,
        ]
        return min((each for each in found if each is not None), key=lambda e: e.part, default=None)

    def dissipated(self, tried: Attempt, part: float) -> float:
        """Return the integral of the dissipation over the first part of a step."""
        total = float(tried.spent.at(part))
        return (
            total - overshoot(tried.path, self.mass, part) if self.problem.sticky_origin else total
        )

    def check_monotone(self, here: Field, after: Field, time: float, size: float) -> None:
        """Raise if the risk rose: the exact flow never lets it, whatever the measure."""
        before, now = float(here.risk), float(after.risk)
        if not now <= before + max(self.tolerance, 1e-12) * max(1.0, before):
            raise FlowError(
                f"the risk rose from {before:.12g} to {now:.12g} in the step from t = {time:.6g} "
                f"to {time + size:.6g}; lower dd.tolerance (now {self.tolerance:g})"
            )

    def check_order(self, omega: Any, time: float, size: float) -> None:
        """Raise if particles on a line changed places; those that meet may touch to tolerance."""
        if not self.ordered:
            return
        gap = float(self.xp.min(omega[1:, 0] - omega[:-1, 0])) if omega.shape[0] > 1 else 0.0
        if gap < -10 * self.tolerance * (1 + float(self.xp.max(self.xp.abs(omega)))):
            raise FlowError(
                f"two particles changed places by {-gap:.3g} in the step from t = {time:.6g} "
                f"to {time + size:.6g}; lower dd.tolerance (now {self.tolerance:g})"
            )

    def _field(self, omega: Any) -> Field:
        self.calls += 1
        if not self.xp.all(self.xp.isfinite(omega)):
            # The step was far too long: its error is then NaN, and the step is rejected.
            return Field(np.nan, np.nan, np.nan * omega, np.nan)
        return field(self.problem, self.on_domain(omega), self.mass)

    def _moving(self, velocity: Any, held: Any) -> Any:
        """Return the velocities at which atoms move: held ones do not."""
        return velocity if held is None else self.xp.where(held, 0.0, velocity)

    def _norm(self, change: Any, omega: Any) -> float:
        """Return the largest change over all atoms, in units of tolerance (1 + |omega|).

        A norm weighted by mass would let the atoms of the tails, which carry almost none, drift
        and change places; but omega must stay a quantile function at every level.
        """
        xp = self.xp
        return float(xp.max(xp.abs(change) / (self.tolerance * (1 + xp.abs(omega)))))
