"""A problem on the grid of a domain: features scaled to vectors, and global minima of potentials.

With F(omega)_q = sqrt(pi_q) phi(omega; s_q) and b_q = sqrt(pi_q) y_q the risk of rho is
|b - int F d rho|^2 and the potential is Psi(omega; rho) = -<b - int F d rho, F(omega)>.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meanfield.domain import ROUNDING, Domain
from meanfield.problem import Problem

Floats = NDArray[np.float64]

MOST_MINIMA = 60
"""Local minima of the potential on the grid from which the search goes on."""

CURVATURE_STEP = 1e-4
"""Step in u of the differences of gradients that give second derivatives."""


class Atoms(NamedTuple):
    """Atoms in the coordinates of a domain.

    Attributes:
        u: places, shape (J, k).
        mass: masses, shape (J,).
    """

    u: Floats
    mass: Floats


class Minima(NamedTuple):
    """Local minima of a function on a domain, the lowest first.

    Attributes:
        u: places, shape (m, k).
        values: values there, shape (m,).
    """

    u: Floats
    values: Floats


@dataclass(frozen=True, eq=False)
class Search:
    """Features of a problem on the grid of a domain.

    Args:
        problem: the problem.
        domain: the domain.
        target: b, shape (Q,).
        grid: F on the grid, shape (G, Q).
    """

    problem: Problem
    domain: Domain
    target: Floats
    grid: Floats

    @cached_property
    def largest(self) -> float:
        """The largest norm of F on the grid."""
        return float(np.sqrt(np.max(np.sum(self.grid**2, axis=1))))

    def features(self, u: Floats) -> Floats:
        """Return F at points u (n, k), shape (n, Q)."""
        return self.problem.features(self.domain.omega(u)) * np.sqrt(self.problem.weights)

    def gradients(self, u: Floats) -> tuple[Floats, Floats]:
        """Return F, shape (n, Q), and its derivatives in u, shape (n, k, Q); 0 at infinity."""
        features, gradients = self.problem.features_and_gradients(self.domain.omega(u))
        root = np.sqrt(self.problem.weights)
        slopes = np.swapaxes(gradients, 1, 2) * root * self.domain.stretch(u)[:, :, np.newaxis]
        slopes[self.domain.infinite(u)] = 0.0
        return features * root, slopes

    def curvatures(self, u: Floats, residual: Floats) -> Floats:
        """Return second derivatives in u of Psi = -<residual, F(u)>, shape (n, k, k)."""
        count, k = u.shape
        result = np.zeros((count, k, k))
        for i in self.domain.searched:
            below, above = np.array(u), np.array(u)
            # Kept off the ends, where the features have no derivative to both sides.
            below[:, i] = np.clip(u[:, i] - CURVATURE_STEP, 0.0, 1.0 - 3 * CURVATURE_STEP)
            above[:, i] = below[:, i] + 2 * CURVATURE_STEP
            _, slopes = self.gradients(np.concatenate([below, above]))
            force = -(slopes @ residual)
            result[:, i] = (force[count:] - force[:count]) / (2 * CURVATURE_STEP)
        result[self.domain.infinite(u)] = 0.0
        return (result + np.swapaxes(result, 1, 2)) / 2

    def residual(self, atoms: Atoms) -> Floats:
        """Return b - int F d rho, shape (Q,)."""
        return self.target - atoms.mass @ self.features(atoms.u)

    def potential_minima(self, residual: Floats) -> Minima:
        """Return the local minima of Psi = -<residual, F>: the grid's, each searched on.

        The first is the global minimum, infinity included, unless Psi has a minimum so narrow that
        the grid misses it.
        """
        # Features are no better than rounding of 1, those of odd neurons, all 0, included.
        noise = ROUNDING * np.linalg.norm(residual) * max(self.largest, 1.0)
        values = -(self.grid @ residual)
        on_grid = self.domain.local_minima(values, float(noise), MOST_MINIMA)
        u, values = self.domain.descend(lambda u: -(self.features(u) @ residual), on_grid)
        order = np.argsort(values, kind="stable")
        return Minima(u[order], values[order])


def on_grid(problem: Problem, domain: Domain) -> Search:
    """Evaluate the features of a problem on the grid of a domain.

    Raises:
        ValueError: the domain's coordinates are not the problem's, or features are infinite in it.
    """
    names = tuple(axis.name for axis in domain.axes)
    if names != tuple(problem.invariant_names):
        raise ValueError(f"the domain has coordinates {names}, expected {problem.invariant_names}")
    features = problem.features(domain.omega(domain.grid()))
    if not np.all(np.isfinite(features)):
        raise ValueError(
            "features are not finite on the whole domain, got "
            f"{domain.axes}; expected a box that bounds the radii of neurons that grow"
        )
    root = np.sqrt(problem.weights)
    return Search(problem, domain, root * problem.labels, features * root)
