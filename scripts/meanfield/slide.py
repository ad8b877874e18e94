"""Atoms: the best masses on given places, and Newton's method on the places."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from meanfield.search import Atoms, Search

Floats = NDArray[np.float64]

MOST_STEPS = 40

LAST = 1e-13
"""Decrease of the risk promised by a step that is the last: nearer, Newton's method sees more of
the minimum than the risk, which is flat to its rounding there."""

ROUNDING = 1e-14
"""By how much the last step may seem to raise the risk."""

DAMPING = 1e-6
MOST_DAMPING = 1e6


def least_squares_masses(features: Floats, target: Floats) -> Floats:
    """Return the masses p >= 0, sum p = 1, that minimise |target - p F|, exactly.

    With sum p = 1, target - p F = -p M for M = F - target. Non-negative least squares of
    |x M|^2 + (1 - sum x)^2 over x >= 0 has x = t p: for a direction p the best t leaves
    v / (1 + v), v = |p M|^2, which grows with v. So x / sum x is the solution, with no penalty to
    choose and none of its error.

    Args:
        features: F, shape (J, Q).
        target: b, shape (Q,).

    Returns:
        p, shape (J,), zero but for at most Q + 1 entries.

    Source: Lawson and Hanson (1974), Solving Least Squares Problems, for the solver.
    """
    matrix = np.vstack([(features - target).T, np.ones(len(features))])
    x, _ = nnls(matrix, np.append(np.zeros(len(target)), 1.0), maxiter=30 * len(features) + 100)
    return np.asarray(x / x.sum(), dtype=np.float64)


def with_masses(search: Search, u: Floats) -> tuple[Atoms, Floats, float]:
    """Return the best masses on given places (only the places that get some), residual and risk."""
    features = search.features(u)
    mass = least_squares_masses(features, search.target)
    kept = mass > 0
    residual = search.target - mass @ features
    return Atoms(u[kept], mass[kept]), residual, float(residual @ residual)


def slide(search: Search, u: Floats) -> Atoms:
    """Move atoms to a local minimum, near them, of the risk that the best masses leave.

    The risk |b - sum_j p_j F(u_j)|^2 has, with residual r, second derivatives
        2 J J^T + 2 diag_j(p_j D^2 Psi(u_j)) + cross terms 2 D Psi(u_j),
    where J has the rows F(u_j) and p_j D F(u_j). The cross terms vanish where atoms are stationary
    and the blocks are positive there, so leaving out the former and the negative part of the latter
    keeps quadratic convergence and makes every step a descent. A step is damped (Levenberg) until
    it lowers the risk, and the masses follow exactly. Atoms of no mass are dropped; a coordinate at
    an end of the domain stays when it is pushed outward.

    Args:
        search: the problem on its domain.
        u: where to start, shape (J, k).

    Returns:
        Atoms whose risk is no larger, but for rounding.
    """
    atoms, residual, risk = with_masses(search, u)
    damping = DAMPING
    for _ in range(MOST_STEPS):
        hessian, force, free = _model(search, atoms, residual)
        while True:
            step, promised = _step(hessian, force, free, atoms.u.size, damping)
            moved = atoms.u + step.reshape(atoms.u.shape)
            moved = search.domain.normalized(np.clip(moved, 0.0, 1.0))
            tried = with_masses(search, moved)
            if promised < LAST:
                return tried[0] if tried[2] <= risk + ROUNDING else atoms
            if tried[2] < risk:
                break
            if damping > MOST_DAMPING:
                return atoms
            damping *= 10
        atoms, residual, risk = tried
        damping = max(damping / 10, DAMPING**2)
    return atoms


def _model(
    search: Search, atoms: Atoms, residual: Floats
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return half the second and minus half the first derivatives in (p, u), and what may move."""
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
    return hessian, rows @ residual, np.concatenate([np.ones(count, dtype=bool), free.ravel()])


def _step(
    hessian: Floats, force: Floats, free: NDArray[np.bool_], places: int, damping: float
) -> tuple[Floats, float]:
    """Return the step of the places, and the decrease of the risk that the model promises."""
    count = len(force) - places
    placed = np.arange(len(force)) >= count
    kept = np.flatnonzero(free)
    system = np.zeros((len(kept) + 1, len(kept) + 1))
    system[:-1, :-1] = hessian[np.ix_(kept, kept)] + np.diag(damping * placed[kept])
    system[-1, :-1] = system[:-1, -1] = ~placed[kept]
    # Least squares: minimisers need not be unique, and then the system is singular.
    solved = np.linalg.lstsq(system, np.append(force[kept], 0.0), rcond=1e-13)[0][:-1]
    full = np.zeros(len(force))
    full[kept] = solved
    return full[count:], float(force @ full)
