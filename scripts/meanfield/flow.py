"""The distributional dynamics: the flow of the atoms of a measure down the risk.

    d omega_j / d tau = 2 sum_q pi_q (y_q - f_q) grad phi(omega_j; s_q)

integrated by the embedded Runge-Kutta pair of Dormand and Prince (1980), order 5 with an error
estimate of order 4, with the controller and the interpolant of Hairer, Norsett and Wanner's DOPRI5.
"""

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from meanfield.functionals import Field, field
from meanfield.measure import Measure
from meanfield.problem import Problem

# Row i holds the coefficients of stage i + 2; the last row gives the new point itself, so that its
# velocity is the first stage of the next step.
_STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
_DENSE = (
    -12715105075 / 11282082432,
    0.0,
    87487479700 / 32700410799,
    -10690763975 / 1880347072,
    701980252875 / 199316789632,
    -1453857185 / 822651844,
    69997945 / 29380423,
)

# The proportional-integral controller: h_new = h SAFETY err^-PROPORTIONAL err_before^INTEGRAL.
_SAFETY, _PROPORTIONAL, _INTEGRAL = 0.9, 0.17, 0.04
_LARGEST_SHRINK, _LARGEST_GROWTH = 0.2, 10.0


class Flow(NamedTuple):
    """A solution of the distributional dynamics.

    Args:
        times: requested times, shape (T,).
        omega: atoms at those times, shape (T, J, k).
        risk: R(rho_t), shape (T,).
        dissipation: -dR/d tau, shape (T,).
        steps: accepted steps.
        rejected: rejected steps.
        rhs_calls: evaluations of the velocity, those for risk and dissipation included.
    """

    times: Any
    omega: Any
    risk: Any
    dissipation: Any
    steps: int
    rejected: int
    rhs_calls: int


class FlowError(RuntimeError):
    """The integration cannot go on or has lost a property of the exact flow."""


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
            coordinate of every atom.
        most_steps: give up after so many steps.

    Returns:
        The solution at the requested times.

    Raises:
        ValueError: if an argument is out of range, or particles could stick at omega = 0.
        FlowError: if a number is not finite, the step or the number of steps runs out, or the risk
            rises or particles on a line change places by more than the tolerance explains.

    Source: Mei, Montanari and Nguyen (2018), distributional dynamics with xi = 1.
    """
    xp = array_namespace(measure.omega, measure.mass)
    wanted = _check(problem, times, tolerance)
    stepper = _Stepper(problem, measure, tolerance)
    here = stepper.evaluate(measure.omega, 0.0)
    omega, time, step = measure.omega, 0.0, 0.0
    steps = rejected = 0
    error_before = 1e-4
    snapshots = [omega for target in wanted if target == 0]

    while len(snapshots) < len(wanted):
        if steps + rejected >= most_steps:
            raise FlowError(
                f"the flow reached t = {time:.6g} of {wanted[-1]:.6g} in {most_steps} steps; "
                "shorten time.horizon or raise dd.tolerance"
            )
        if step == 0.0:
            step = stepper.first_step(omega, here)
        end, after, stages, error = stepper.attempt(omega, here, step)
        if not error <= 1:
            rejected += 1
            shrink = _SAFETY * error**-_PROPORTIONAL if np.isfinite(error) else 0.0
            step *= max(_LARGEST_SHRINK, shrink)
            if step <= 16 * np.spacing(time):
                raise FlowError(
                    f"the step of the flow fell to {step:.3g} at t = {time:.6g} (error estimate "
                    f"{error:.3g}): the velocity is not finite or jumps there"
                )
            continue
        steps += 1
        stepper.check_monotone(here, after, time, step)
        stepper.check_order(end, time, step)
        while len(snapshots) < len(wanted) and wanted[len(snapshots)] <= time + step:
            part = (wanted[len(snapshots)] - time) / step
            snapshots.append(_interpolate(omega, end, stages, step, part))
        growth = _SAFETY * max(error, 1e-10) ** -_PROPORTIONAL * error_before**_INTEGRAL
        error_before = max(error, 1e-4)
        omega, here, time = end, after, time + step
        step *= min(_LARGEST_GROWTH, max(_LARGEST_SHRINK, growth))

    fields = [
        stepper.evaluate(snapshot, target)
        for snapshot, target in zip(snapshots, wanted, strict=True)
    ]
    return Flow(
        times=xp.asarray(wanted),
        omega=xp.stack(snapshots),
        risk=xp.stack([xp.asarray(at.risk) for at in fields]),
        dissipation=xp.stack([xp.asarray(at.dissipation) for at in fields]),
        steps=steps,
        rejected=rejected,
        rhs_calls=stepper.calls,
    )


class _Stepper:
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

    def first_step(self, omega: Any, here: Field) -> float:
        """Return a step over which omega and its velocity change little (Hairer's choice)."""
        size, speed = self._norm(omega, omega), self._norm(here.velocity, omega)
        trial = 0.01 * size / speed if min(size, speed) > 1e-5 else 1e-6
        later = self._field(omega + trial * here.velocity).velocity
        bend = self._norm(later - here.velocity, omega) / trial
        if not np.isfinite(bend):
            return trial
        largest = max(speed, bend)
        safe = (0.01 / largest) ** 0.2 if largest > 1e-15 else max(1e-6, trial * 1e-3)
        return min(100 * trial, safe)

    def attempt(self, omega: Any, here: Field, step: float) -> tuple[Any, Field, list[Any], float]:
        """Return the new point, the field there, the seven stages and the error over tolerance."""
        stages = [here.velocity]
        end, after = omega, here
        for row in _STAGES:
            end = omega + step * _combine(row, stages)
            after = self._field(end)
            stages.append(after.velocity)
        error = self._norm(step * _combine(_ERROR, stages), self.xp.maximum(abs(omega), abs(end)))
        return end, after, stages, error

    def check_monotone(self, here: Field, after: Field, time: float, step: float) -> None:
        """Raise if the risk rose: the exact flow never lets it, whatever the measure."""
        before, now = float(here.risk), float(after.risk)
        if not now <= before + max(self.tolerance, 1e-12) * max(1.0, before):
            raise FlowError(
                f"the risk rose from {before:.12g} to {now:.12g} in the step from t = {time:.6g} "
                f"to {time + step:.6g}; lower dd.tolerance (now {self.tolerance:g})"
            )

    def check_order(self, omega: Any, time: float, step: float) -> None:
        """Raise if particles on a line changed places; those that meet may touch to tolerance."""
        if not self.ordered:
            return
        gap = float(self.xp.min(omega[1:, 0] - omega[:-1, 0])) if omega.shape[0] > 1 else 0.0
        if gap < -10 * self.tolerance * (1 + float(self.xp.max(self.xp.abs(omega)))):
            raise FlowError(
                f"two particles changed places by {-gap:.3g} in the step from t = {time:.6g} "
                f"to {time + step:.6g}; lower dd.tolerance (now {self.tolerance:g})"
            )

    def _field(self, omega: Any) -> Field:
        self.calls += 1
        if not self.xp.all(self.xp.isfinite(omega)):
            # The step was far too long: its error is then NaN, and the step is rejected.
            return Field(np.nan, np.nan, np.nan * omega, np.nan)
        return field(self.problem, omega, self.mass)

    def _norm(self, change: Any, omega: Any) -> float:
        """Return the largest change over all atoms, in units of tolerance (1 + |omega|).

        A norm weighted by mass would let the atoms of the tails, which carry almost none, drift
        and change places; but omega must stay a quantile function at every level.
        """
        xp = self.xp
        return float(xp.max(xp.abs(change) / (self.tolerance * (1 + xp.abs(omega)))))


def _combine(row: tuple[float, ...], stages: list[Any]) -> Any:
    """Return the linear combination of stages with the coefficients of a row."""
    total = row[0] * stages[0]
    for coefficient, stage in zip(row[1:], stages[1:], strict=False):
        if coefficient != 0:
            total = total + coefficient * stage
    return total


def _interpolate(start: Any, end: Any, stages: list[Any], step: float, part: float) -> Any:
    """Return the solution at start + part * step, to order 4 (Hairer, Norsett and Wanner, II.6)."""
    change = end - start
    first = step * stages[0] - change
    last = change - step * stages[-1] - first
    rest = step * _combine(_DENSE, stages)
    return start + part * (change + (1 - part) * (first + part * (last + (1 - part) * rest)))


def _check(problem: Problem, times: Any, tolerance: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the times in NumPy, once every argument is known to be usable."""
    wanted = np.asarray(times, dtype=np.float64)
    if wanted.ndim != 1 or len(wanted) == 0 or not np.all(np.isfinite(wanted)):
        raise ValueError(f"times must be a non-empty list of finite numbers, got {times!r}")
    if wanted[0] < 0 or np.any(np.diff(wanted) < 0):
        raise ValueError(f"times must be >= 0 and must not decrease, got {times!r}")
    if not 1e-13 <= tolerance <= 1e-2:
        raise ValueError(f"tolerance must lie between 1e-13 and 1e-2, got {tolerance!r}")
    if problem.sticky_origin:
        raise ValueError(
            "an activation with a knot at 0 makes r = 0 a sticky point of the flow, "
            "which is not supported yet; move the knot away from 0"
        )
    return wanted
