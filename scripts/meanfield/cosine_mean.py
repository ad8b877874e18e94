"""Orbit means of cosines on products of spheres: a closed form, looked up in a checked table."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray
from scipy.special import hyp0f1

from meanfield.host import on_host
from meanfield.overshoot_table import quintics
from meanfield.quadrature import gegenbauer
from meanfield.units import Far, Units, with_bias

Floats = NDArray[np.float64]

VALUE_ERROR = 1e-10
SLOPE_ERROR = 1e-8
"""Bounds on the errors of L and L' that a table keeps: L^(6) is at most E V^6 < 15 (tested)."""

_PER_UNIT = 16  # cells per unit of rho
_REACH = 64.0  # up to which rho L is tabulated; beyond, it is computed
_BESSEL = 120  # dimension up to which the closed form is used
_VANISHES = 9.0  # from where on L is below 1e-17 in higher dimension


class Wave(NamedTuple):
    """L(rho) = E cos(rho V) on one sphere: quintics through L, L' and L''.

    Attributes:
        dimension: n.
        coefficients: in each cell of width 1 / _PER_UNIT, of t in [0, 1], shape (cells, 6).
    """

    dimension: float
    coefficients: Any

    def look_up(self, rho: Any) -> tuple[Any, Any]:
        """Return L(rho) and L'(rho), elementwise, for any finite rho."""
        xp = array_namespace(rho)
        if np.isinf(self.dimension):
            value = xp.exp(-0.5 * rho * rho)
            return value, -rho * value
        cells = self.coefficients.shape[0]
        size = xp.abs(rho)
        near = size * _PER_UNIT < cells
        position = xp.where(near, size, 0.0) * _PER_UNIT
        cell = xp.floor(position)
        t = position - cell
        rows = xp.take(self.coefficients, xp.reshape(xp.astype(cell, xp.int64), (-1,)), axis=0)
        rows = xp.reshape(rows, (*rho.shape, 6))
        value, slope = rows[..., 5], xp.zeros_like(rho)
        for power in reversed(range(5)):
            slope = slope * t + value
            value = value * t + rows[..., power]
        slope = _PER_UNIT * slope
        if not bool(xp.all(near)):
            far = on_host("the mean of a cosine beyond its table", self._beyond, size)
            value, slope = xp.where(near, value, far[0]), xp.where(near, slope, far[1])
        return value, xp.where(rho < 0, -slope, slope)

    def _beyond(self, rho: Floats) -> tuple[Floats, Floats]:
        value, slope = np.zeros((2, *rho.shape))
        far = ~(rho < len(self.coefficients) / _PER_UNIT)  # or NaN
        value[far], slope[far] = wave(rho[far], self.dimension)[:2]
        return value, slope


def wave(rho: Floats, dimension: float) -> tuple[Floats, Floats, Floats]:
    """Return L, L' and L'' at rho >= 0 on a sphere of finite dimension, elementwise.

    L = 0F1(n/2; u) with u = -n rho^2 / 4, a Bessel function; the derivative of 0F1(m; u) is
    0F1(m + 1; u) / m.
    """
    if dimension > _BESSEL:
        # The Bessel function in the closed form underflows at small rho, from n = 160 on.
        nodes, weights = gegenbauer(int(dimension), 64)
        phase = np.minimum(rho, _VANISHES)[..., None] * nodes
        near = (rho < _VANISHES).astype(np.float64)
        return (
            near * (np.cos(phase) @ weights),
            -near * (np.sin(phase) @ (nodes * weights)),
            -near * (np.cos(phase) @ (nodes**2 * weights)),
        )
    argument = -dimension / 4 * rho * rho
    value, first, second = (
        np.asarray(hyp0f1(dimension / 2 + order, argument), dtype=np.float64) for order in range(3)
    )
    bend = dimension / (dimension + 2) * rho * rho * second - first
    return value, -rho * first, bend


@lru_cache(maxsize=16)
def tabulate_wave(dimension: float) -> Wave:
    """Tabulate L for a sphere.

    Args:
        dimension: n, a whole number or inf.
    """
    if np.isinf(dimension):
        return Wave(dimension, np.zeros((0, 6)))
    reach = _REACH if dimension <= _BESSEL else _VANISHES
    rho = np.arange(int(reach * _PER_UNIT) + 1) / _PER_UNIT
    value, slope, bend = wave(rho, dimension)
    return Wave(dimension, quintics(value, slope / _PER_UNIT, bend / _PER_UNIT**2))


@dataclass(frozen=True, eq=False)
class CosineMean:
    """The orbit means of cosines: E cos(b + sum_c rho_c V_c) = cos b prod_c L_c(rho_c).

    Args:
        waves: L_c.
    """

    waves: tuple[Wave, ...]

    @property
    def kink_at_zero(self) -> bool:
        """The cosine has no knot."""
        return False

    @property
    def far(self) -> Far:
        """It averages to 0."""
        return Far(0.0, 0.0, 0.0)

    def evaluate(self, units: Units, scales: Any, *, gradients: bool) -> tuple[Any, Any]:
        """Return phi (..., J, Q) and its gradients (..., J, Q, k)."""
        xp = array_namespace(scales)
        rho = units.radii[..., :, None, :] * scales[..., None, :, :]
        waves = [each.look_up(rho[..., c]) for c, each in enumerate(self.waves)]
        others = [waves[1][0], waves[0][0]] if len(waves) == 2 else [1.0]
        product = waves[0][0] * others[0]
        offset = units.offset[..., None]
        in_radii = [
            xp.cos(offset) * slope * scales[..., None, :, c] * others[c]
            for c, (_, slope) in enumerate(waves)
        ]
        return with_bias(units, xp.cos(offset) * product, -xp.sin(offset) * product, in_radii)
