"""One orbit of neurons: the best point mass, Lemma 1's test of it, and where in Delta it passes."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from meanfield.domain import ROUNDING, Domain
from meanfield.problem import Problem
from meanfield.search import MOST_MINIMA, Minima, Search, on_grid
from meanfield.slide import slide

Floats = NDArray[np.float64]

SAME = 1e-3
"""Distance in u within which a minimum of the potential is that at the point mass itself."""

CURVATURE_STEP = 2e-2
"""Step in the invariants of the differences of gradients, of order four: tabulated features have
slopes good to 1e-8, and rough beyond."""

ROOT_ERROR = 1e-10


class PointMass(NamedTuple):
    """The best point mass and how it stands among all measures.

    Attributes:
        omega: its place, shape (k,).
        risk: R(delta_omega).
        margin: the least of Psi(.; delta_omega) elsewhere less Psi(omega; delta_omega): over the
            other local minima of Psi, infinity, and 0 if the radius is the only coordinate. Lemma
            1: delta_omega minimises R over all measures iff the margin is >= 0.
    """

    omega: Floats
    risk: float
    margin: float


class Thresholds(NamedTuple):
    """Where in Delta the best sphere r* is optimal and where it is stable; NaN where nowhere.

    Attributes:
        low: Delta^l, the least Delta at which delta_{r*} minimises the risk over all measures.
        high: Delta^h, the largest.
        stable: Delta^s, the first Delta above Delta^l at which the curvature of Psi(.; delta_{r*})
            at r* changes sign: beyond it spheres split.
    """

    low: float
    high: float
    stable: float


def best_point(search: Search) -> PointMass:
    """Minimise R(delta_omega) = sum_q pi_q (y_q - phi(omega; s_q))^2 over the domain.

    The minimum is global: the grid's local minima are all searched on. An output weight is the best
    one in its interval in closed form, the risk being quadratic in it.

    Args:
        search: the problem on the grid of its domain.

    Returns:
        The point mass, its risk, and the margin of Lemma 1.

    Source: Mei, Montanari and Nguyen (2018), the one-sphere ansatz and Lemma 1.
    """
    domain = search.domain
    if domain.linear is None:
        found = _lowest(search, lambda features: np.sum((search.target - features) ** 2, axis=1))
        place = slide(search, found).u
        omega = domain.omega(place)
    else:
        axis = domain.axes[domain.linear]
        least = axis.low / axis.high

        def scaled(features: Floats) -> tuple[Floats, Floats]:
            norm = np.sum(features**2, axis=1)
            best = (features @ search.target) / np.where(norm > 0, norm, 1.0)
            scale = np.clip(best, least, 1.0)
            misfit = search.target - scale[:, np.newaxis] * features
            return scale, np.sum(misfit**2, axis=1)

        place = _lowest(search, lambda features: scaled(features)[1])
        # Both ends of the output weight give the same line; what follows is for the upper one.
        place[:, domain.linear] = 1.0
        scale = scaled(search.features(place))[0]
        omega = domain.omega(place)
        omega[:, domain.linear] *= scale
        place = domain.coordinates(omega)
    features = search.problem.features(omega)[0] * np.sqrt(search.problem.weights)
    residual = search.target - features
    margin = _margin(search, place, -float(residual @ features), residual)
    return PointMass(omega[0], float(residual @ residual), margin)


def _lowest(search: Search, function: Callable[[Floats], Floats]) -> Floats:
    """Return where a function of the features (n, Q) is least, shape (1, k)."""
    domain = search.domain
    values = function(search.grid)
    if domain.linear is not None:
        # A point of the line through 0 and the upper end stands for all output weights.
        lower = domain.grid()[:, domain.linear] == 0.0
        values = np.where(lower, np.inf, values)
    noise = ROUNDING * (search.largest**2 + float(search.target @ search.target))
    start = domain.local_minima(values, noise, MOST_MINIMA)
    start = start[np.isfinite(function(search.features(start)))]
    u, found = domain.descend(lambda u: function(search.features(u)), start)
    return u[[np.argmin(found)]]


def _margin(search: Search, place: Floats, level: float, residual: Floats) -> float:
    minima = search.potential_minima(residual)
    own = np.max(np.abs(minima.u - place), axis=1) <= SAME
    others = Minima(minima.u[~own], minima.values[~own])
    values = [others.values]
    if len(search.domain.axes) == 1:
        ends = np.array([[0.0], [1.0]])
        ends = ends[np.abs(ends[:, 0] - place[0, 0]) > SAME]
        values.append(-(search.features(ends) @ residual))
    return float(np.min(np.concatenate(values), initial=np.inf)) - level


def curvature(problem: Problem, point: PointMass) -> float:
    """Return psi'' = d^2/dr^2 Psi(r; delta_{r*}) at r*, the rate of relative modes over 2.

    Args:
        problem: a problem of one invariant.
        point: its best point mass, at a finite r*.

    Raises:
        ValueError: the problem has several invariants, or r* is infinite or 0.

    Source: Linearisation of the flow at a point mass, d delta_i / d tau = -2 psi'' delta_i + ...
    """
    if len(point.omega) != 1 or not 0 < point.omega[0] < np.inf:
        raise ValueError(f"expected one finite positive invariant, got {point.omega}")
    force = problem.weights * (problem.labels - problem.features(point.omega[np.newaxis])[0])
    step = min(CURVATURE_STEP, float(point.omega[0]) / 4)
    offsets = step * np.array([[-2.0], [-1.0], [1.0], [2.0]])
    _, gradients = problem.features_and_gradients(point.omega + offsets)
    slopes = -(gradients[:, :, 0] @ force)
    return float(slopes @ np.array([1.0, -8.0, 8.0, -1.0]) / (12 * step))


def sphere_thresholds(
    make: Callable[[float], Problem], domain: Domain, largest: float = 0.95, scan: int = 39
) -> Thresholds:
    """Return where in Delta the best sphere is optimal, and where it turns unstable.

    The margin of Lemma 1 and the curvature are scanned on a uniform grid of Delta and their changes
    of sign found by Brent's method. If the sphere is optimal on several intervals, the widest is
    meant; one narrower than the scan's spacing may be missed; one that reaches an end of the scan
    ends there.

    Args:
        make: Delta -> problem of one invariant, the radius.
        domain: domain of the radius.
        largest: end of the scan, below 1.
        scan: Deltas scanned, 0 and `largest` included.

    Returns:
        The thresholds.

    Raises:
        ValueError: if the problem has several invariants.

    Source: Mei, Montanari and Nguyen (2018), Lemma 1.
    """
    if len(domain.axes) != 1:
        raise ValueError(f"expected one coordinate, got {[axis.name for axis in domain.axes]}")

    def margin(delta: float) -> float:
        return best_point(on_grid(make(delta), domain)).margin

    def bend(delta: float) -> float:
        problem = make(delta)
        point = best_point(on_grid(problem, domain))
        return curvature(problem, point) if 0 < point.omega[0] < np.inf else np.nan

    deltas = np.linspace(0.0, largest, scan)
    first, last = _widest(np.array([margin(delta) for delta in deltas]) >= -ROOT_ERROR)
    if first > last:
        return Thresholds(np.nan, np.nan, np.nan)
    low, high = deltas[first], deltas[last]
    if first > 0:
        low = brentq(margin, deltas[first - 1], deltas[first], xtol=ROOT_ERROR)
    if last < scan - 1:
        high = brentq(margin, deltas[last], deltas[last + 1], xtol=ROOT_ERROR)
    stable, before = np.nan, (deltas[first], bend(deltas[first]))
    for delta in deltas[first + 1 :]:
        here = (delta, bend(delta))
        if before[1] > 0 >= here[1]:
            stable = brentq(bend, before[0], delta, xtol=ROOT_ERROR)
            break
        before = here
    return Thresholds(float(low), float(high), float(stable))


def _widest(passed: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first and last index of the longest run of True; (0, -1) if there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], passed, [False]]).astype(int)))
    starts, ends = edges[::2], edges[1::2]
    if len(starts) == 0:
        return 0, -1
    longest = int(np.argmax(ends - starts))
    return int(starts[longest]), int(ends[longest]) - 1
