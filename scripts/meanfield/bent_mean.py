"""Orbit means of piecewise linear neurons on products of spheres.

With components x_c of x, of length s_c and uniform direction, <w, x> = sum_c r_c s_c U_c. In terms
of rho_c = r_c s_c / sqrt(n_c), rho^2 = sum_c rho_c^2 and S = sum_c rho_c V_c / rho,

    phi(omega; s) = a E sigma(b + rho S) = a [sigma(b) + rho sum_c J_c T(|b - c| / rho, x)],

where J_c are the jumps of sigma's slope at its knots c, T is the mean overshoot of S and
x = rho_1^2 / rho^2 (see `meanfield.overshoot`). The gradients are, with T and its derivatives
summed over the knots with weights J_c,

    d phi / d b     = a [sigma'(b) + sign(b - c) T_w],
    d phi / d rho_1 = a (rho_1 / rho) [T - w T_w + 2 (1 - x) T_x],
    d phi / d rho_2 = a (rho_2 / rho) [T - w T_w - 2 x T_x].
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from meanfield.activations import Pieces
from meanfield.bent_kernel import fill_features
from meanfield.overshoot_table import MeanOvershoot, TabulatedOvershoot
from meanfield.units import (
    Far,
    Units,
    directions,
    empty_results,
    has_kernel,
    slopes_in_radii,
    with_bias,
)


@dataclass(frozen=True, eq=False)
class BentMean:
    """The orbit means of neurons with a piecewise linear sigma.

    Args:
        activation: sigma.
        mean_overshoot: T, tabulated or exact.
    """

    activation: Pieces
    mean_overshoot: MeanOvershoot

    @property
    def kink_at_zero(self) -> bool:
        """Whether sigma has a knot at 0."""
        return 0.0 in self.activation.knots

    @property
    def far(self) -> Far:
        """How E sigma(b + rho S) behaves as rho tends to infinity."""
        slopes, intercepts = self.activation.slopes, self.activation.intercepts
        middle = float(intercepts[0] + intercepts[-1]) / 2
        return Far(float(slopes[-1] - slopes[0]), float(slopes[0]), middle)

    def evaluate(self, units: Units, scales: Any, *, gradients: bool) -> tuple[Any, Any]:
        """Return phi (J, Q) and its gradients (J, Q, k), or (0, 0, 0) where not asked for.

        Args:
            units: the neurons, radii finite.
            scales: s_c / sqrt(n_c), shape (Q, m).
            gradients: whether they are wanted.
        """
        table = self.mean_overshoot
        if not (isinstance(table, TabulatedOvershoot) and has_kernel(units, scales)):
            return self.plain(units, scales)
        features, slots = empty_results(units, scales, gradients=gradients)
        amplitude, offset, radii = (np.ascontiguousarray(part) for part in units[:3])
        base, slope = self._start(offset)
        fill_features(
            features,
            slots,
            (amplitude, offset, base, slope, radii),
            np.ascontiguousarray(scales),
            np.asarray(self.activation.knots),
            self.activation.jumps,
            table.coefficients,
            table.per_unit,
        )
        return features, slots

    def plain(self, units: Units, scales: Any) -> tuple[Any, Any]:
        """Return phi (..., J, Q) and its gradients (..., J, Q, k), over any array namespace."""
        xp = array_namespace(scales)
        rho, parts, x = directions(units, scales)
        base, slope = (part[..., None] for part in self._start(units.offset))
        safe = xp.where(rho > 0, rho, 1.0)
        value, in_rho, in_share = xp.zeros_like(rho), xp.zeros_like(rho), xp.zeros_like(rho)
        in_offset = slope + value
        knots, jumps = self.activation.knots, self.activation.jumps.tolist()
        for knot, jump in zip(knots, jumps, strict=True):
            distance = xp.broadcast_to(units.offset[..., None] - knot, rho.shape)
            # At rho = 0 a neuron on its knot is at the tip of a cone: w = 0; no other overshoots.
            at_tip = xp.where(distance == 0, xp.zeros_like(rho), xp.inf)
            w = xp.where(rho > 0, xp.abs(distance) / safe, at_tip)
            over, in_level, in_x = self.mean_overshoot.overshoot(w, x)
            value = value + jump * over
            in_offset = in_offset + jump * xp.where(distance > 0, in_level, -in_level)
            in_rho = in_rho + jump * (over - xp.where(xp.isfinite(w), w, 0.0) * in_level)
            in_share = in_share + jump * in_x
        in_radii = slopes_in_radii(scales, parts, x, in_rho, in_share)
        return with_bias(units, base + rho * value, in_offset, in_radii)

    def _start(self, offset: Any) -> tuple[Any, Any]:
        """Return sigma(b) and sigma'(b), at a knot the slope on its left."""
        xp = array_namespace(offset)
        sigma = self.activation
        slope = xp.full_like(offset, float(sigma.slopes[0]))
        base = slope * offset + float(sigma.intercepts[0])
        for knot, jump in zip(sigma.knots, sigma.jumps.tolist(), strict=True):
            base = base + jump * xp.where(offset > knot, offset - knot, 0.0)
            slope = slope + jump * xp.astype(offset > knot, offset.dtype)
        return base, slope
