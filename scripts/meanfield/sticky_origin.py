"""A sticky origin of the flow: atoms reach r = 0, are held there, and are let go.

An activation with a knot at 0 makes the mean feature a cone, and the velocity jumps at r = 0. Where
v(0+), its limit from the right, points inward, atoms reach 0 in finite time and are held until
v(0+) turns outward. The velocity at r < 0 is taken to be v(0+): atoms then cross 0 smoothly inside
a step and are put back on 0 at its end, which changes nothing, as all velocities depend on
max(r, 0) alone. Held atoms share v(0+), and the step in which it turns is shortened to end there.
So is a step in which an atom of much mass arrives: the network then has a kink in time that the
error estimate of a step can miss; the kinks of many light atoms make up a smooth change.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from array_api_compat import array_namespace
from scipy.optimize import brentq

from meanfield.dormand_prince import Step
from meanfield.quadrature import gauss_legendre

HEAVY = 0.05
"""Mass from which on the arrival of an atom ends a step."""

LEAST_PART = 1e-7
"""How well an event is located, as a part of the step, and so the least part at which one is.

An error e moves atoms that are let go by the order of e^2 only, since they leave with velocity 0,
and those that arrive not at all, since they are put on 0. A step must not shrink to nothing: from a
length of 0 it could not grow again."""

# Of Newton's method, kept in its bracket by bisection. Six find the last digit of most crossings;
# those of atoms that rest at r, almost 0, when the step begins take log2(1 / r) / 2 more.
_ITERATIONS = 20


class Event(NamedTuple):
    """Where a step must end.

    Args:
        part: part of the step, in [LEAST_PART, 1].
        landed: which atoms (J, 1) arrive at 0 there; None where held atoms are let go.
    """

    part: float
    landed: Any


def arrival(path: Step, mass: Any, heavy: float = HEAVY) -> Event | None:
    """Return the first arrival of a heavy atom at 0, or None.

    Args:
        path: radii along a step, (J, 1), below 0 where they crossed it.
        mass: masses, (J,).
        heavy: the mass from which on an atom counts.
    """
    xp = array_namespace(mass)
    crossed = (path.end[:, 0] < 0) & (path.start[:, 0] > 0) & (mass >= heavy)
    if not bool(xp.any(crossed)):
        return None
    parts = xp.full_like(path.start, 2.0)
    parts[crossed] = _crossings(path.rows(crossed), 1.0)
    first = float(xp.min(parts))
    return Event(max(first, LEAST_PART), parts == first)


def release(outward: Callable[[float], float], seen: Sequence[float]) -> Event | None:
    """Return where held atoms are let go, or None.

    Args:
        outward: v(0+) at a part of the step; negative at 0, to the step's tolerance.
        seen: parts at which a stage found it positive; a stage is of low order and only says where
            to look.
    """
    # Brent's method is to see the same bits at the ends as are looked at here.
    speed = cache(outward)
    for part in seen:
        if speed(part) > 0:
            if speed(0.0) >= 0:
                # Atoms are held where the step saw v(0+) < 0. This is another evaluation, of one
                # flow by itself, which rounds in another order on a GPU; and atoms that arrived
                # were put on 0 since, where they are to the step's tolerance. To that v(0+) is 0,
                # and turns at once.
                return Event(LEAST_PART, None)
            found = float(brentq(speed, 0.0, part, xtol=LEAST_PART))
            return Event(max(found, LEAST_PART), None)
    return None


def overshoot(path: Step, mass: Any, part: float) -> float:
    """Return the integral of p v^2 over the time that atoms spent below 0, where they really stay.

    Args:
        path: radii along a step, (J, 1).
        mass: masses p, (J,).
        part: the part of the step looked at.

    Returns:
        The sum over atoms of the integral of p v^2 from when they crossed 0 to that part.
    """
    xp = array_namespace(mass)
    crossed = path.at(part)[:, 0] < 0
    if not bool(xp.any(crossed)):
        return 0.0
    below = path.rows(crossed)
    at = _crossings(below, part)
    nodes, weights = gauss_legendre(4)  # exact for the square of a cubic
    squares = [
        weight * below.slope(at + (part - at) * node) ** 2
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True)
    ]
    integrals = path.size * xp.sum((part - at) * sum(squares), axis=1)
    return float(mass[crossed] @ integrals)


def _crossings(path: Step, part: float) -> Any:
    """Return the parts of the step, up to one at which all radii are negative, where they are 0."""
    xp = array_namespace(path.start)
    at = part * path.start / (path.start - path.at(part))
    low, high = xp.zeros_like(at), xp.full_like(at, part)
    for _ in range(_ITERATIONS):
        value, slope = path.at(at), path.size * path.slope(at)
        low, high = xp.where(value > 0, at, low), xp.where(value > 0, high, at)
        # Atoms that first move out, and turn within the step, lead Newton's method out of it.
        newton = at - value / xp.where(slope == 0, xp.nan, slope)
        inside = (newton >= low) & (newton <= high)
        at = xp.where(inside, newton, 0.5 * (low + high))
    return at
