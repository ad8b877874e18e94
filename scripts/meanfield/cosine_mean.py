"""Orbit means of cosines on products of spheres: a closed form."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from scipy.special import hyp0f1

from meanfield.host import on_host
from meanfield.quadrature import gegenbauer
from meanfield.units import Far, Units, with_bias

_BESSEL = 200  # dimension up to which the closed form is used


@dataclass(frozen=True, eq=False)
class CosineMean:
    """The orbit means of cosines: E cos(b + sum_c rho_c V_c) = cos b prod_c L_c(rho_c).

    L(rho) = E cos(rho V) = 0F1(n/2; -n rho^2 / 4), a Bessel function, and exp(-rho^2 / 2) for
    n = inf; L'(rho) = -rho 0F1(n/2 + 1; -n rho^2 / 4).

    Args:
        dimensions: n_c, whole numbers or inf.
    """

    dimensions: tuple[float, ...]

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
        waves = [_wave(rho[..., c], n) for c, n in enumerate(self.dimensions)]
        others = [waves[1][0], waves[0][0]] if len(waves) == 2 else [1.0]
        product = waves[0][0] * others[0]
        offset = units.offset[..., None]
        in_radii = [
            xp.cos(offset) * slope * scales[..., None, :, c] * others[c]
            for c, (_, slope) in enumerate(waves)
        ]
        return with_bias(units, xp.cos(offset) * product, -xp.sin(offset) * product, in_radii)


def _wave(rho: Any, dimension: float) -> tuple[Any, Any]:
    """Return L(rho) and L'(rho)."""
    xp = array_namespace(rho)
    if np.isinf(dimension):
        value = xp.exp(-0.5 * rho * rho)
        return value, -rho * value
    if dimension > _BESSEL:
        # Its factors overflow there, and L is below 1e-17 from rho = 9 on.
        nodes, weights = (xp.asarray(part) for part in gegenbauer(int(dimension), 64))
        phase = xp.minimum(xp.abs(rho), xp.asarray(9.0))[..., None] * nodes
        slope = -xp.sign(rho) * (xp.sin(phase) @ (nodes * weights))
        near = xp.abs(rho) < 9.0
        return xp.where(near, xp.cos(phase) @ weights, 0.0), xp.where(near, slope, 0.0)
    argument = -dimension / 4 * rho * rho
    value = on_host(lambda t: hyp0f1(dimension / 2, t), argument)
    return value, -rho * on_host(lambda t: hyp0f1(dimension / 2 + 1, t), argument)
