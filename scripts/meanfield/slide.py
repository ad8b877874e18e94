"""Newton's method on the places and masses of finitely many atoms, towards less risk."""

import numpy as np
from numpy.typing import NDArray

from meanfield.search import Atoms, Search

Floats = NDArray[np.float64]

MOST_STEPS = 25
HALVINGS = 12

LAST = 1e-12
"""Decrease of the risk promised by a step that is the last: nearer, Newton's method sees more of
the minimum than the risk, which is flat to its rounding there."""

ROUNDING = 1e-14
"""By how much the last step may seem to raise the risk."""


def slide(search: Search, atoms: Atoms) -> Atoms:
    """Move atoms and masses jointly to a local minimum of the risk near them.

    The risk |b - sum_j p_j F(u_j)|^2 has, with residual r, second derivatives
        2 J J^T + 2 diag_j(p_j D^2 Psi(u_j)) + cross terms 2 D Psi(u_j),
    where J has the rows F(u_j) and p_j D F(u_j). The cross terms vanish where atoms are stationary
    and the blocks are positive there, so leaving out the former and the negative part of the latter
    keeps quadratic convergence and makes every step a descent. Masses keep their sum; one that
    reaches 0 is dropped; a coordinate at an end of the domain stays when it is pushed outward.

    Args:
        search: the problem on its domain.
        atoms: where to start, of positive mass.

    Returns:
        Atoms whose risk is no larger, but for rounding.
    """
    residual = search.residual(atoms)
    risk = float(residual @ residual)
    for _ in range(MOST_STEPS):
        step, promised = _newton_step(search, atoms, residual)
        longest = _longest(atoms.mass, step.mass)
        if promised < LAST:
            tried = _moved(search, atoms, step, longest)
            rest = search.residual(tried)
            return tried if rest @ rest <= risk + ROUNDING else atoms
        for halving in range(HALVINGS):
            length = longest * 0.5**halving
            tried = _moved(search, atoms, step, length)
            rest = search.residual(tried)
            if (found := float(rest @ rest)) < risk:
                atoms, residual, risk = tried, rest, found
                break
        else:
            break
    return atoms


def _newton_step(search: Search, atoms: Atoms, residual: Floats) -> tuple[Atoms, float]:
    """Return a step of places and masses, and the decrease of the risk that its model promises."""
    u, mass = atoms
    count, k = u.shape
    features, slopes = search.gradients(u)
    pull = slopes @ residual  # -D Psi, shape (J, k)
    free = np.zeros((count, k), dtype=bool)
    free[:, search.domain.searched] = True
    free &= ~search.domain.infinite(u)[:, np.newaxis]
    free &= ~((u <= 0.0) & (pull <= 0.0)) & ~((u >= 1.0) & (pull >= 0.0))

    rows = np.concatenate([features, (mass[:, None, None] * slopes).reshape(count * k, -1)])
    hessian = rows @ rows.T
    bent, axes = np.linalg.eigh(search.curvatures(u, residual))
    blocks = np.einsum("jab,jb,jcb->jac", axes, np.maximum(bent, 0.0), axes)
    for j in range(count):
        at = slice(count + j * k, count + (j + 1) * k)
        hessian[at, at] += mass[j] * blocks[j]
    force = rows @ residual

    kept = np.concatenate([np.ones(count, dtype=bool), free.ravel()])
    ones = np.concatenate([np.ones(count), np.zeros(count * k)])[kept]
    system = np.zeros((len(ones) + 1, len(ones) + 1))
    system[:-1, :-1] = hessian[np.ix_(kept, kept)]
    system[-1, :-1] = system[:-1, -1] = ones
    # Least squares: minimisers need not be unique, and then the system is singular.
    solved = np.linalg.lstsq(system, np.append(force[kept], 0.0), rcond=1e-13)[0][:-1]
    full = np.zeros(len(kept))
    full[kept] = solved
    change = Atoms(full[count:].reshape(count, k), full[:count])
    return change, float(force @ full)


def _longest(mass: Floats, change: Floats) -> float:
    """Return the longest step, at most 1, that leaves no mass negative."""
    shrinking = change < 0
    return float(min(1.0, np.min(-mass[shrinking] / change[shrinking], initial=1.0)))


def _moved(search: Search, atoms: Atoms, step: Atoms, length: float) -> Atoms:
    u = search.domain.normalized(np.clip(atoms.u + length * step.u, 0.0, 1.0))
    mass = atoms.mass + length * step.mass
    kept = mass > 1e-15
    return Atoms(u[kept], mass[kept] / mass[kept].sum())
