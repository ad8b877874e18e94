"""The least risk over all measures, with a certificate of how near to it a measure is.

inf over rho of R(rho) = sum_q pi_q (y_q - int phi(omega; s_q) d rho)^2 is convex: least squares
over the convex hull of the features' curve, infinity included. Atoms are generated one after the
other where the potential is lowest, the masses are solved for exactly, and the atoms slide.
"""

from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meanfield.measure import Measure
from meanfield.search import Atoms, Minima, Search
from meanfield.slide import slide

Floats = NDArray[np.float64]

TOLERANCE = 1e-9
MOST_ROUNDS = 60

NEAR = 3.0
"""Distance, in cells of the grid, at which atoms are tried as one, or as infinite."""


class Minimum(NamedTuple):
    """A measure of nearly least risk.

    Attributes:
        measure: rho, its atoms sorted by the first invariant; invariants may be infinite.
        risk: R(rho).
        gap: bound on R(rho) - inf R.
        lower_bound: bound on inf R from below, risk - gap or 0.
        rounds: rounds of atom generation.
    """

    measure: Measure
    risk: float
    gap: float
    lower_bound: float
    rounds: int


def minimize_risk(
    search: Search,
    tolerance: float = TOLERANCE,
    start: Measure | None = None,
    rounds: int = MOST_ROUNDS,
) -> Minimum:
    """Minimise the risk over all probability measures on a domain.

    Every round finds the global minimum of Psi(.; rho) by the grid and local searches; stops if the
    gap 2 (int Psi d rho - inf Psi) is within the tolerance; else adds the local minima below the
    level int Psi d rho, solves for all masses exactly, and slides the atoms (Newton).

    For radii the domain reaches infinity and the result is the infimum over all measures. Neurons
    with an output weight have no such minimum: scaled up, measures of ever larger weights and tiny
    masses do as well. What is minimised then is the risk over measures on the domain's box, by
    linearity on those with output weights at the ends of their interval.

    Args:
        search: the problem on the grid of its domain.
        tolerance: gap at which to stop, > 0.
        start: a measure to start from, such as the minimiser of a problem near by; its atoms are
            moved into the domain. The certificate owes it nothing.
        rounds: rounds after which to stop whatever the gap, which the result states.

    Returns:
        The measure, its risk, and the certified gap.

    Raises:
        ValueError: if the tolerance or the rounds are not positive.

    Source: Mei, Montanari and Nguyen (2018): rho is optimal iff it lives where Psi is least.
    """
    if not tolerance > 0 or rounds < 1:
        raise ValueError(f"expected tolerance > 0 and rounds >= 1, got {tolerance!r}, {rounds!r}")
    if start is None:
        misfit = np.sum((search.target - search.grid) ** 2, axis=1)
        u = search.domain.normalized(search.domain.grid()[[np.argmin(misfit)]])
    else:
        u = _started(search, start)
    atoms = slide(search, u)
    gap, lower = _certified(search, atoms)
    best, done = (gap, atoms), 1
    while gap > tolerance and done < rounds:
        atoms = slide(search, np.concatenate([atoms.u, lower]))
        gap, lower = _certified(search, atoms)
        best, done = min(best, (gap, atoms), key=itemgetter(0)), done + 1
    gap, atoms = best
    if len(u := _tidied(search, atoms)) < len(atoms.u) or np.any(u != atoms.u):
        tidy = slide(search, u)
        tidy_gap, _ = _certified(search, tidy)
        if tidy_gap <= max(gap, tolerance):
            gap, atoms = tidy_gap, tidy
    residual = search.residual(atoms)
    risk = float(residual @ residual)
    return Minimum(_measure(search, atoms), risk, gap, max(risk - gap, 0.0), done)


def duality_gap(search: Search, measure: Measure) -> float:
    """Return the bound 2 (int Psi d rho - inf Psi(.; rho)) on R(rho) - inf R.

    It follows from convexity: R(rho') - R(rho) >= 2 int Psi(.; rho) d(rho' - rho). The infimum is
    over the domain, infinity included.

    Args:
        search: the problem on the grid on which the infimum is looked for.
        measure: rho, of any atoms.
    """
    atoms = Atoms(search.domain.coordinates(measure.omega), measure.mass)
    features = search.problem.features(measure.omega) * np.sqrt(search.problem.weights)
    residual = search.target - measure.mass @ features
    return _gap(search, atoms, residual, search.potential_minima(residual))


def _gap(search: Search, atoms: Atoms, residual: Floats, minima: Minima) -> float:
    level = -float(residual @ (search.target - residual))
    # An atom may lie lower than what the local searches found, by their last step.
    lowest = min(float(minima.values[0]), float(np.min(-(search.features(atoms.u) @ residual))))
    return max(2 * (level - lowest), 0.0)


def _started(search: Search, start: Measure) -> Floats:
    u = search.domain.coordinates(np.asarray(start.omega, dtype=np.float64))
    if (linear := search.domain.linear) is None:
        return u
    ends = [np.array(u), np.array(u)]
    ends[0][:, linear], ends[1][:, linear] = 0.0, 1.0
    return np.concatenate(ends)


def _certified(search: Search, atoms: Atoms) -> tuple[float, Floats]:
    """Return the duality gap, and the places that would lower the risk, shape (m, k)."""
    residual = search.residual(atoms)
    minima = search.potential_minima(residual)
    level = -float(residual @ (search.target - residual))
    return _gap(search, atoms, residual, minima), minima.u[minima.values < level]


def _tidied(search: Search, atoms: Atoms) -> Floats:
    """Return places of which near ones are one, and those that are nearly infinite are infinite.

    A minimum is flat: two atoms next to one another can do as well as one. Whether the tidy ones do
    is for the certificate to say.
    """
    cell = NEAR / (search.domain.points - 1)
    u = np.array(atoms.u)
    u[(u >= 1.0 - cell) & search.domain.unbounded] = 1.0
    u = search.domain.normalized(u)
    rest, centres = np.arange(len(u)), []
    while rest.size:
        near = np.max(np.abs(u[rest] - u[rest[0]]), axis=1) <= cell
        group = rest[near]
        centre = u[group[0]] if len(group) == 1 else atoms.mass[group] @ u[group]
        centres.append(centre if len(group) == 1 else centre / atoms.mass[group].sum())
        rest = rest[~near]
    return np.clip(np.stack(centres), 0.0, 1.0)


def _measure(search: Search, atoms: Atoms) -> Measure:
    omega = search.domain.omega(atoms.u)
    order = np.lexsort(omega.T[::-1])
    return Measure(omega[order], atoms.mass[order] / atoms.mass.sum())
