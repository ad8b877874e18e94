"""Orbit means of smooth neurons from a table in three bounded variables.

    F(b, rho, x) = E sigma(b + rho S),    S of share x (see `meanfield.overshoot`),

tends to sigma(b) as rho vanishes and to a function of b / rho as it grows. With c the length on
which sigma bends and

    H = (c^2 + rho^2)^(1/2),    beta = |b| / H,    p = 1 - c / H in [0, 1],    x in [0, 1],

all that F has beyond the asymptote of sigma on the side of b is a smooth function G(beta, p, x)
that vanishes far out in beta:

    F = sigma(inf) + G  or  sigma(-inf) - G      (b >= 0 or b < 0; tanh, erf, sigmoid),
    F = b_+ + H G                                (softplus, GELU),

since sigma is odd about its middle, or even but for t / 2. The gradients are those of the
tabulated G, so that a gradient flow of these features is exactly that of their risk.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from meanfield.overshoot_table import find_share_cells
from meanfield.smooth_mean import Smooth, behavior_far_out
from meanfield.tabulated_kernel import fill_tabulated
from meanfield.units import (
    Far,
    Units,
    directions,
    empty_results,
    has_kernel,
    slopes_in_radii,
    with_bias,
)

_CHUNK = 2**15  # pairs at a time in the plain look-up: 150 MB of coefficients


class SmoothTable(NamedTuple):
    """The table: G = sum_{k,i,l} coefficients[cells, k, i, l] xi^k t^i eta^l.

    The coordinates in a cell are xi and eta in [-1, 1] for x and beta, and t in [0, 1] for p. The
    cells of x are those of `meanfield.overshoot_table`, the others are of one size.

    Attributes:
        coefficients: shape (cells of p, cells of beta + 1, cells of x, powers of xi, of t, of eta);
            the last cell of beta is 0. In the first cell of p what depends on x vanishes at t = 0.
        per_unit: cells per unit of beta.
        bend: c.
        value_error: largest error of F seen at construction, relative to 1 + rho if sigma grows.
        slope_error: largest error of its derivatives in b, rho_1 and rho_2 seen at construction.
    """

    coefficients: Any
    per_unit: float
    bend: float
    value_error: float
    slope_error: float

    def look_up(self, beta: Any, p: Any, x: Any) -> tuple[Any, Any, Any, Any]:
        """Return G and its derivatives in beta, p and x, elementwise, for arrays of shape (n,)."""
        xp = array_namespace(beta)
        spreads, offsets, shares, *powers = self.coefficients.shape
        position = xp.minimum(beta * self.per_unit, xp.asarray(float(offsets - 1)))
        cell = xp.floor(position)
        spread = xp.minimum(xp.floor(p * spreads), xp.asarray(float(spreads - 1)))
        share, begin, width = find_share_cells(x, shares)
        index = xp.astype(spread, xp.int64) * offsets + xp.astype(cell, xp.int64)
        table = xp.reshape(self.coefficients, (spreads * offsets * shares, *powers))
        rows = xp.take(table, index * shares + share, axis=0)
        value, in_x = _collapse(rows, 2 * (x - begin) / width - 1)
        t, eta = p * spreads - spread, 2 * (position - cell) - 1
        value, in_p = _collapse(value, t)
        in_x = _collapse(in_x, t)[0]
        in_p, in_x = _collapse(in_p, eta)[0], _collapse(in_x, eta)[0]
        value, in_beta = _collapse(value, eta)
        return value, 2 * self.per_unit * in_beta, spreads * in_p, 2 / width * in_x


def _collapse(coefficients: Any, at: Any) -> tuple[Any, Any]:
    """Return polynomials, coefficients (n, powers, ...), and derivatives at n points."""
    xp = array_namespace(coefficients)
    at = xp.reshape(at, (-1, *[1] * (coefficients.ndim - 2)))
    value = slope = xp.zeros_like(coefficients[:, 0, ...])
    for power in reversed(range(coefficients.shape[1])):
        slope = slope * at + value
        value = value * at + coefficients[:, power, ...]
    return value, slope


@dataclass(frozen=True, eq=False)
class TabulatedOrbitMean:
    """The orbit means of neurons with a smooth sigma.

    Args:
        activation: sigma.
        table: G. If it has one power of eta, it is for neurons without offset alone.
    """

    activation: Smooth
    table: SmoothTable

    @property
    def kink_at_zero(self) -> bool:
        """No smooth sigma has a knot."""
        return False

    @property
    def far(self) -> Far:
        """How E sigma(b + rho S) behaves as rho tends to infinity."""
        return behavior_far_out(self.activation)

    def evaluate(self, units: Units, scales: Any, *, gradients: bool) -> tuple[Any, Any]:
        """Return phi (J, Q) and its gradients (J, Q, k), or (0, 0, 0) where not asked for."""
        if not has_kernel(units, scales):
            return self.plain(units, scales)
        features, slots = empty_results(units, scales, gradients=gradients)
        amplitude, offset, radii = (np.ascontiguousarray(part) for part in units[:3])
        fill_tabulated(
            features,
            slots,
            (amplitude, offset, radii),
            np.ascontiguousarray(scales),
            self.activation.limits,
            self.table.coefficients,
            self.table.per_unit,
            self.table.bend,
        )
        return features, slots

    def plain(self, units: Units, scales: Any) -> tuple[Any, Any]:
        """Return phi (..., J, Q) and its gradients (..., J, Q, k), over any array namespace."""
        xp = array_namespace(scales)
        rows = max(1, _CHUNK // math.prod(scales.shape[:-1]))
        parts = []
        count = units.radii.shape[-2]
        for start in range(0, count, rows):
            some = slice(start, min(start + rows, count))
            each = Units(
                units.amplitude[..., some],
                units.offset[..., some],
                units.radii[..., some, :],
                units.biased,
            )
            parts.append(self._plain(each, scales))
        features, slopes = zip(*parts, strict=True)
        return xp.concat(features, axis=-2), xp.concat(slopes, axis=-3)

    def _plain(self, units: Units, scales: Any) -> tuple[Any, Any]:
        xp = array_namespace(scales)
        low, high = self.activation.limits
        grows = bool(np.isinf(high))
        rho, parts, x = directions(units, scales)
        offset = xp.broadcast_to(units.offset[..., None], rho.shape)
        length = xp.hypot(xp.full_like(rho, self.table.bend), rho)
        beta, steep = xp.abs(offset) / length, rho / length
        spread = steep * rho / (length + self.table.bend)
        found = self.table.look_up(*(xp.reshape(part, (-1,)) for part in (beta, spread, x)))
        g, in_beta, in_p, in_share = (xp.reshape(part, rho.shape) for part in found)
        side = xp.where(offset >= 0, xp.ones_like(rho), -1.0)
        inner = (1 - spread) * in_p - beta * in_beta
        # In units of length: the derivative in rho, and, as share vanishes with rho, that in x.
        turn = in_share / xp.where(rho > 0, rho, 1.0)
        if grows:
            mean = xp.where(offset > 0, offset, 0.0) + length * g
            in_offset = (1 + side) / 2 + side * in_beta
            in_rho, turn = steep * (inner + g), length * turn
        else:
            mean = xp.where(offset >= 0, high + g, low - g)
            in_offset = in_beta / length
            in_rho, turn = side * steep / length * inner, side * turn
        in_radii = slopes_in_radii(scales, parts, x, in_rho, turn)
        return with_bias(units, mean, in_offset, in_radii)
