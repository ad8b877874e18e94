"""The problem of ridge neurons on isotropic Gaussians: one radius, one tabulated function."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from meanfield.ridge_kernel import fill_ridge
from meanfield.special import TabulatedMean


@dataclass(frozen=True, eq=False)
class IsotropicRidge:
    """Isotropic Gaussian data and ridge neurons: omega = r = ||w||, phi(r; s) = g(r s).

    r = inf is a point of the problem: phi(inf; s) = (sigma(-inf) + sigma(inf)) / 2.
    All arrays may have a leading axis: that of problems side by side (see `stack`).

    Args:
        labels: y_q, shape (Q,).
        weights: pi_q, shape (Q,).
        norms: s_q = ||x||, shape (Q,).
        mean: the tabulated g.
    """

    labels: Any
    weights: Any
    norms: Any
    mean: TabulatedMean

    @property
    def invariant_names(self) -> tuple[str, ...]:
        """Names of the coordinates of omega: the radius."""
        return ("r",)

    @property
    def sticky_origin(self) -> bool:
        """Whether sigma has a knot at 0, which makes the velocity jump at r = 0."""
        return self.mean.mean.kink_at_zero

    @cached_property
    def _cells(self) -> Any:
        """The table with the coefficients of a cell side by side, for the compiled kernel."""
        return np.ascontiguousarray(self.mean.coefficients.T)

    def features(self, omega: Any) -> Any:
        """phi(r_j; s_q) from the table, shape (J, Q), for omega of shape (J, 1)."""
        return self.features_at(omega, self.norms[..., None])

    def features_and_gradients(self, omega: Any) -> tuple[Any, Any]:
        """phi(r_j; s_q), shape (J, Q), and d phi / d r, shape (J, Q, 1), from the table."""
        radius, norms = omega[..., 0], self.norms[..., None]
        if is_numpy_array(omega) and omega.ndim == 2 and self.mean.complete:
            found = np.empty((2, len(self.norms), len(radius)))
            fill_ridge(
                found[0], found[1], np.ascontiguousarray(radius), self.norms,
                self._cells, self.mean.scale, self.mean.growth,
            )  # fmt: skip
            return found[0].T, found[1].T[:, :, None]
        xp = array_namespace(omega)
        value, slope = self.mean.value_and_slope(norms * abs(radius)[..., None, :])
        # phi extends evenly to r < 0, where a stage of an integrator may step for a moment.
        sign = 1.0 - 2.0 * xp.astype(radius < 0, radius.dtype)
        slope = slope * norms * sign[..., None, :]
        return xp.matrix_transpose(value), xp.matrix_transpose(slope)[..., None]

    def features_at(self, omega: Any, s: Any) -> Any:
        """phi(r_j; s_i) from the table, shape (J, n), for omega (J, 1) and s (n, 1)."""
        if omega.ndim < 2 or s.ndim < 2 or omega.shape[-1] != 1 or s.shape[-1] != 1:
            raise ValueError(f"expected omega (J, 1) and s (n, 1), got {omega.shape}, {s.shape}")
        # Formed as (n, J): the loops over the many atoms are then the inner ones.
        value = self.mean.value(s * abs(omega[..., 0])[..., None, :])
        return array_namespace(value).matrix_transpose(value)
