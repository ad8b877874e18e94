"""Measures rho = sum_j p_j delta(omega_j) on the reduced coordinates of neurons."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from scipy.special import gammaincinv

from meanfield.quadrature import gauss_legendre

Floats = NDArray[np.float64]

# How far masses may sum from 1: rounding of the quadrature weights, and no more.
MASS_ERROR = 1e-12


@dataclass(frozen=True, eq=False)
class Measure:
    """Atoms omega_j of mass p_j.

    Args:
        omega: coordinates, shape (J, k).
        mass: masses >= 0 that sum to 1, shape (J,), of the same array namespace.

    Raises:
        ValueError: if the shapes do not fit, a number is not finite, or the masses are not those
            of a probability measure.
    """

    omega: Any
    mass: Any

    def __post_init__(self) -> None:
        xp = array_namespace(self.omega, self.mass)
        omega, mass = self.omega, self.mass
        if omega.ndim != 2 or mass.ndim != 1 or omega.shape[0] != mass.shape[0] or 0 in omega.shape:
            raise ValueError(
                "a measure needs omega of shape (J, k) and mass of shape (J,), "
                f"got {omega.shape} and {mass.shape}"
            )
        if xp.any(xp.isnan(omega)) or not xp.all(xp.isfinite(mass)):
            raise ValueError("a measure needs numbers, got NaN (or an infinite mass)")
        total = float(xp.sum(mass))
        if xp.any(mass < 0) or abs(total - 1) > MASS_ERROR:
            raise ValueError(
                f"masses must be >= 0 and sum to 1 within {MASS_ERROR}, "
                f"got a sum of {total!r} and a smallest mass of {float(xp.min(mass))!r}"
            )


class InitialRadii(NamedTuple):
    """A measure on radii whose atoms are the quantile function at given levels.

    Args:
        measure: the atoms, radii increasing, shape (J, 1).
        levels: the levels u_j in (0, 1), increasing, shape (J,).
    """

    measure: Measure
    levels: Floats


def gaussian_radii(dimension: int, scale: float, atoms: int) -> InitialRadii:
    """Represent the law of ||w|| for w ~ N(0, (kappa^2 / d) I_d), by its quantile function.

    The atoms are r(u_j) = kappa sqrt(2 Q(d/2, u_j) / d) with Q the quantile function of the Gamma
    law, at the Gauss-Legendre nodes u_j of (0, 1); their masses are the weights, so that an
    integral over rho is a Gauss quadrature in u.

    Args:
        dimension: d >= 1.
        scale: kappa > 0, so that E ||w||^2 = kappa^2.
        atoms: J >= 1.

    Returns:
        The measure and the levels u_j.

    Raises:
        ValueError: if an argument is out of range.
    """
    _check_gaussian(dimension, scale)
    levels, mass = gauss_legendre(atoms)
    radii = scale * np.sqrt(2 * gammaincinv(dimension / 2, levels) / dimension)
    return InitialRadii(Measure(radii[:, np.newaxis], mass), levels)


def _check_gaussian(dimension: int, scale: float) -> None:
    if dimension < 1 or not 0 < scale < np.inf:
        raise ValueError(
            f"Gaussian weights need dimension >= 1 and scale > 0, got {dimension!r} and {scale!r}"
        )
