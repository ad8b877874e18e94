"""The distributional dynamics: the flow of the atoms of a measure down the risk.

    d omega_j / d tau = 2 sum_q pi_q (y_q - f_q) grad phi(omega_j; s_q)

integrated by the pair of Dormand and Prince with the controller of Hairer, Norsett and Wanner's
DOPRI5.
"""

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from meanfield.flow_step import FlowError, Stepper
from meanfield.measure import Measure
from meanfield.problem import Problem

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
    xp = array_namespace(measure.omega, measure.mass)
    wanted = _check(problem, measure, times, tolerance)
    stepper = Stepper(problem, measure, tolerance)
    omega, time, size = measure.omega, 0.0, 0.0
    here = stepper.evaluate(omega, time)
    first_risk, dissipated = float(here.risk), 0.0
    steps = rejected = 0
    error_before = 1e-4
    event, released = None, False
    snapshots = [omega for target in wanted if target == 0]
    spent = [0.0 for _ in snapshots]

    while len(snapshots) < len(wanted):
        if steps + rejected >= most_steps:
            raise FlowError(
                f"the flow reached t = {time:.6g} of {wanted[-1]:.6g} in {most_steps} steps; "
                "shorten time.horizon or raise dd.tolerance"
            )
        held = None if released else stepper.held(omega, here)
        if size == 0.0:
            size = stepper.first_step(omega, here, held)
        tried = stepper.attempt(omega, here, size, held)
        if not tried.error <= 1:
            rejected, event = rejected + 1, None
            shrink = _SAFETY * tried.error**-_PROPORTIONAL if np.isfinite(tried.error) else 0.0
            size *= max(_LARGEST_SHRINK, shrink)
            if size <= 16 * np.spacing(time):
                raise FlowError(
                    f"the step of the flow fell to {size:.3g} at t = {time:.6g} (error estimate "
                    f"{tried.error:.3g}): the velocity is not finite or jumps there"
                )
            continue
        if event is None and (event := stepper.first_event(tried, held)) is not None:
            rejected, size = rejected + 1, event.part * size
            continue
        steps += 1
        end = stepper.on_domain(tried.path.end)
        if event is not None and event.landed is not None:
            end = xp.where(event.landed, 0.0, end)
        stepper.check_monotone(here, tried.after, time, size)
        stepper.check_order(end, time, size)
        while len(snapshots) < len(wanted) and wanted[len(snapshots)] <= time + size:
            part = (wanted[len(snapshots)] - time) / size
            snapshots.append(stepper.on_domain(tried.path.at(part)))
            spent.append(dissipated + stepper.dissipated(tried, part))
        growth = _SAFETY * max(tried.error, 1e-10) ** -_PROPORTIONAL * error_before**_INTEGRAL
        error_before = max(tried.error, 1e-4)
        dissipated += stepper.dissipated(tried, 1.0)
        omega, here, time = end, tried.after, time + size
        size *= min(_LARGEST_GROWTH, max(_LARGEST_SHRINK, growth))
        released, event = event is not None and event.landed is None, None

    fields = [
        stepper.evaluate(snapshot, target)
        for snapshot, target in zip(snapshots, wanted, strict=True)
    ]
    risk = xp.stack([xp.asarray(at.risk) for at in fields])
    return Flow(
        times=xp.asarray(wanted, dtype=risk.dtype),
        omega=xp.stack(snapshots),
        risk=risk,
        dissipation=xp.stack([xp.asarray(at.dissipation) for at in fields]),
        dissipation_error=first_risk - risk - xp.asarray(spent, dtype=risk.dtype),
        steps=steps,
        rejected=rejected,
        rhs_calls=stepper.calls,
    )


def _check(problem: Problem, measure: Measure, times: Any, tolerance: float) -> list[float]:
    """Return the times, once every argument is known to be usable."""
    wanted = np.asarray(times, dtype=np.float64)
    if wanted.ndim != 1 or len(wanted) == 0 or not np.all(np.isfinite(wanted)):
        raise ValueError(f"times must be a non-empty list of finite numbers, got {times!r}")
    if wanted[0] < 0 or np.any(np.diff(wanted) < 0):
        raise ValueError(f"times must be >= 0 and must not decrease, got {times!r}")
    if not 1e-13 <= tolerance <= 1e-2:
        raise ValueError(f"tolerance must lie between 1e-13 and 1e-2, got {tolerance!r}")
    if problem.sticky_origin:
        if measure.omega.shape[1] != 1:
            raise ValueError(
                "a sticky origin needs one coordinate, the radius, "
                f"got {', '.join(problem.invariant_names)}"
            )
        if float(array_namespace(measure.omega).min(measure.omega)) < 0:
            raise ValueError("a sticky origin needs radii >= 0, got a negative one")
    return [float(time) for time in wanted]
