"""Orbit means of smooth neurons on products of spheres: a smooth sigma is a sum of ramps.

    sigma(t) = affine + int sigma''(c) (t - c)_+ dc, so that, as for knots (see `bent_mean`),

    E sigma(b + rho S) = sigma(b) + rho int sigma''(c) T(|b - c| / rho, x) dc.

sigma'' falls off within a few units and T within a few rho, so Gauss-Legendre panels between b and
the nearer of the two ends resolve both, for every rho from 0 to infinity. The gradients are those
of the integrand.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike, NDArray

from meanfield.activations import GELU, Erf, Sigmoid, Softplus, Tanh
from meanfield.host import on_host
from meanfield.overshoot_table import MeanOvershoot, TabulatedOvershoot
from meanfield.quadrature import gauss_legendre
from meanfield.smooth_kernel import KINDS, fill_smooth_features
from meanfield.special import Asymptote
from meanfield.sphere import scaled_moment
from meanfield.units import (
    Far,
    Units,
    directions,
    empty_results,
    has_kernel,
    slopes_in_radii,
    with_bias,
)

Floats = NDArray[np.float64]

Smooth = Tanh | Erf | Sigmoid | Softplus | GELU

_NODES = 16  # in a panel
_HALVINGS = 6  # of these panels, for rho up to 20 or so; beyond, they are cut to where sigma bends
WIDEST_LEVEL = 3.0  # a panel, in units of rho: T bends as a normal density does

# Beyond which |c| sigma'' is below 1e-13, and how wide a panel resolves sigma'' to 1e-14.
REACH = {"Tanh": 16.5, "Erf": 6.0, "Sigmoid": 31.0, "Softplus": 31.0, "GELU": 8.5}
WIDEST = {"Tanh": 2.2, "Erf": 2.0, "Sigmoid": 4.4, "Softplus": 4.4, "GELU": 2.5}


def behavior_far_out(activation: Smooth) -> Far:
    """Return how E sigma(b + rho S) behaves as rho tends to infinity."""
    low, high = activation.limits
    # Those that grow have the asymptotes 0 and t.
    return Far(0.0, 0.0, (low + high) / 2) if np.isfinite(high) else Far(1.0, 0.0, 0.0)


def find_halvings(activation: Smooth, rho: float) -> int:
    """Return how often the panels in w are halved for one rho, so that they resolve sigma."""
    widest = WIDEST[type(activation).__name__]
    return max(0, int(np.ceil(np.log2(WIDEST_LEVEL * rho / widest)))) if rho > 0 else 0


class FixedNodes(NamedTuple):
    """Panels in w of width <= WIDEST_LEVEL, and the same halved 1, 2, ... times.

    Attributes:
        levels: nodes w, increasing within each halving, shape (n,).
        starts: where each halving begins, shape (halvings + 1,).
        masses: weights, shape (n,).
        over: coefficients of T in the coordinate xi of each share cell, shape (cells, powers, n).
        level: likewise of T_w.
    """

    levels: Any
    starts: Any
    masses: Any
    over: Any
    level: Any


def _last(values: Floats) -> Floats:
    """Move the first axis to the end, contiguous."""
    return np.ascontiguousarray(np.moveaxis(values, 0, -1))


@dataclass(frozen=True, eq=False)
class SmoothMean:
    """The orbit means of neurons with a smooth sigma that is affine far out.

    Args:
        activation: sigma.
        mean_overshoot: T, tabulated or exact.
    """

    activation: Smooth
    mean_overshoot: MeanOvershoot

    @property
    def kink_at_zero(self) -> bool:
        """No smooth sigma has a knot."""
        return False

    @property
    def far(self) -> Far:
        """How E sigma(b + rho S) behaves as rho tends to infinity."""
        return behavior_far_out(self.activation)

    @cached_property
    def fixed_nodes(self) -> FixedNodes:
        """The nodes for moderate rho, whose T needs no look-up in w."""
        table = self.mean_overshoot
        if not isinstance(table, TabulatedOvershoot):
            raise ValueError("fixed nodes need a table of T")
        nodes, weights = gauss_legendre(_NODES)
        parts = int(np.ceil(table.reach / WIDEST_LEVEL)) * 2 ** np.arange(_HALVINGS)
        w = [table.reach * ((np.arange(n)[:, None] + nodes) / n).ravel() for n in parts]
        levels = np.concatenate(w)
        position = levels * table.per_unit
        cell = np.minimum(position.astype(int), len(table.coefficients) - 2)
        t, powers = position - cell, np.arange(6)
        rows = table.coefficients[cell]
        slopes = rows[..., 1:] * powers[1:] * table.per_unit
        return FixedNodes(
            levels=levels,
            starts=np.concatenate([[0], np.cumsum([len(each) for each in w])]),
            masses=np.concatenate([np.tile(table.reach / n * weights, n) for n in parts]),
            over=_last(np.einsum("nski,ni->nsk", rows, t[:, None] ** powers)),
            level=_last(np.einsum("nski,ni->nsk", slopes, t[:, None] ** powers[:-1])),
        )

    def evaluate(self, units: Units, scales: Any, *, gradients: bool) -> tuple[Any, Any]:
        """Return phi (J, Q) and its gradients (J, Q, k), or (0, 0, 0) where not asked for."""
        table, kind = self.mean_overshoot, type(self.activation).__name__
        if not (isinstance(table, TabulatedOvershoot) and has_kernel(units, scales)):
            return self.plain(units, scales)
        features, slots = empty_results(units, scales, gradients=gradients)
        amplitude, offset, radii = (np.ascontiguousarray(part) for part in units[:3])
        base, slope = self.activation(offset), self.activation.derivative(offset)
        fill_smooth_features(
            features,
            slots,
            (amplitude, offset, base, slope, radii),
            np.ascontiguousarray(scales),
            KINDS.index(kind),
            (REACH[kind], WIDEST[kind], WIDEST_LEVEL),
            gauss_legendre(_NODES),
            self.fixed_nodes,
            table.coefficients,
            table.per_unit,
        )
        return features, slots

    def plain(self, units: Units, scales: Any) -> tuple[Any, Any]:
        """Return phi (..., J, Q) and its gradients (..., J, Q, k), over any array namespace."""
        xp, kind = array_namespace(scales), type(self.activation).__name__
        smooth = f"{kind} and its derivatives"
        rho, parts, x = directions(units, scales)
        offset = xp.broadcast_to(units.offset[..., None], rho.shape)
        value, in_offset, in_rho, in_share = (xp.zeros_like(rho) for _ in range(4))
        reach, level = REACH[kind], self.mean_overshoot.reach
        safe = xp.where(rho > 0, rho, 1.0)
        for side in (-1.0, 1.0):
            far = side * xp.minimum(side * offset + rho * level, xp.asarray(reach))
            near = side * xp.maximum(side * offset, xp.asarray(-reach))
            length = xp.maximum(side * (far - near), xp.asarray(0.0))
            widest = xp.minimum(WIDEST_LEVEL * safe, xp.asarray(WIDEST[kind]))
            panels = max(1, int(xp.max(xp.ceil(length / widest))))
            for at in range(panels):
                for node, weight in zip(*gauss_legendre(_NODES), strict=True):
                    c = near + side * length * ((at + float(node)) / panels)
                    w = side * (c - offset) / safe
                    bend = on_host(smooth, self.activation.curvature, c)
                    jump = length * (float(weight) / panels) * bend
                    over, in_level, in_x = self.mean_overshoot.overshoot(xp.abs(w), x)
                    value = value + jump * over
                    in_offset = in_offset - side * jump * in_level
                    in_rho = in_rho + jump * (over - w * in_level)
                    in_share = in_share + jump * in_x
        in_radii = slopes_in_radii(scales, parts, x, in_rho, in_share)
        mean = on_host(smooth, self.activation, offset) + rho * value
        in_offset = on_host(smooth, self.activation.derivative, offset) + in_offset
        return with_bias(units, mean, in_offset, in_radii)


@dataclass(frozen=True)
class SmoothSphericalMean:
    """The spherical mean g(z) = E sigma(z U) of a smooth sigma, z >= 0, and its derivative.

    Args:
        orbit_mean: the orbit means, for the one sphere.
        dimension: d >= 2.
    """

    orbit_mean: SmoothMean
    dimension: int

    @property
    def kink_at_zero(self) -> bool:
        """No smooth sigma has a knot."""
        return False

    @property
    def scale(self) -> float:
        """A length on which g varies: sigma bends over 1 unit, and U is of size d^(-1/2)."""
        return float(2 * self.dimension**0.5)

    def __call__(self, z: ArrayLike) -> Floats:
        """Return g(z), elementwise."""
        return self._evaluate(z, 0)

    def derivative(self, z: ArrayLike) -> Floats:
        """Return g'(z), elementwise."""
        return self._evaluate(z, 1)

    @property
    def asymptote(self) -> Asymptote:
        """g(z) = growth z + limit + decay / z + o(1 / z) as z tends to infinity."""
        kind = type(self.orbit_mean.activation).__name__
        growth, _, middle = self.orbit_mean.far
        steepness = float(scaled_moment(np.zeros(1), self.dimension)[0]) / self.dimension**0.5
        # As for knots: the second moment of sigma'' is that of the jumps.
        c, weights = gauss_legendre(400)
        c = REACH[kind] * (2 * c - 1)
        second = 2 * REACH[kind] * weights @ (c * c * self.orbit_mean.activation.curvature(c))
        return Asymptote(growth * steepness, middle, (self.dimension - 1) * steepness * second / 2)

    def _evaluate(self, z: ArrayLike, which: int) -> Floats:
        points = np.asarray(z, dtype=np.float64)
        radii, scales = points.reshape(-1, 1), np.array([[self.dimension**-0.5]])
        units = Units(np.ones(len(radii)), np.zeros(len(radii)), radii, False)
        found = self.orbit_mean.evaluate(units, scales, gradients=True)[which]
        return found.reshape(points.shape)
