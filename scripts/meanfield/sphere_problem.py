"""Problems with rotations: given its invariants, the data are uniform on spheres; any neuron."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from meanfield.units import OrbitMean, Units


@dataclass(frozen=True, eq=False)
class SphereProblem:
    """Ridges, omega = (r_1, ..., r_m), or perceptrons, omega = (a, b, r_1, ..., r_m).

    r_c is the length of the part of w in the space of the c-th sphere, s_c that of x. An infinite
    radius belongs to the problem: features have their limit there, and its gradient is given as 0.
    All arrays may have a leading axis: that of problems side by side (see `stack`).

    Args:
        labels: y_q, shape (Q,).
        weights: pi_q, shape (Q,).
        scales: s_q / sqrt(n), the data in units of typical coordinates, shape (Q, m).
        units: the divisors sqrt(n_c) of the data invariants s_c, shape (m,); 1 for n = inf.
        biased: whether the neurons are perceptrons.
        invariant_names: names of omega's coordinates.
        mean: E sigma(b + rho S).
    """

    labels: Any
    weights: Any
    scales: Any
    units: Any
    biased: bool
    invariant_names: tuple[str, ...]
    mean: OrbitMean

    @property
    def sticky_origin(self) -> bool:
        """Whether the velocity jumps at r = 0 for every neuron: a ridge with a knot at 0."""
        return not self.biased and self.mean.kink_at_zero

    def features(self, omega: Any) -> Any:
        """phi(omega_j; s_q), shape (J, Q), for omega of shape (J, k)."""
        return self._evaluate(omega, self.scales, gradients=False)[0]

    def features_and_gradients(self, omega: Any) -> tuple[Any, Any]:
        """phi(omega_j; s_q), shape (J, Q), and its gradients in omega, shape (J, Q, k)."""
        return self._evaluate(omega, self.scales, gradients=True)

    def features_at(self, omega: Any, s: Any) -> Any:
        """phi(omega_j; s_i), shape (J, n), for data invariants s of shape (n, m)."""
        if s.ndim != 2 or s.shape[1:] != self.units.shape:
            raise ValueError(f"expected s of shape (n, {len(self.units)}), got {s.shape}")
        return self._evaluate(omega, s / self.units, gradients=False)[0]

    def take_apart(self, omega: Any) -> Units:
        """Return the parts of neurons omega (J, k)."""
        if omega.ndim < 2 or omega.shape[-1] != len(self.invariant_names):
            raise ValueError(
                f"expected omega (J, {len(self.invariant_names)}) of {self.invariant_names}, "
                f"got {omega.shape}"
            )
        if self.biased:
            return Units(omega[..., 0], omega[..., 1], omega[..., 2:], True)
        xp = array_namespace(omega)
        return Units(xp.ones_like(omega[..., 0]), xp.zeros_like(omega[..., 0]), omega, False)

    def _evaluate(self, omega: Any, scales: Any, *, gradients: bool) -> tuple[Any, Any]:
        xp = array_namespace(omega, scales)
        units = self.take_apart(omega)
        far = xp.any(xp.isinf(units.radii), axis=-1)
        # A GPU is not asked whether there are any: to wait for its answer takes longer.
        if isinstance(far, np.ndarray) and not far.any():
            return self.mean.evaluate(units, scales, gradients=gradients)
        near = units._replace(radii=xp.where(far[..., None], 0.0, units.radii))
        features, slopes = self.mean.evaluate(near, scales, gradients=gradients)
        growth, slope, middle = self.mean.far
        limit = slope * units.offset + middle
        if growth != 0:
            limit = xp.full_like(limit, float(np.sign(growth)) * np.inf)
        features = xp.where(far[..., None], (units.amplitude * limit)[..., None], features)
        if slopes.shape[0] > 0:
            ends = xp.zeros((*limit.shape, slopes.shape[-1]), dtype=features.dtype)
            if self.biased:
                ends[..., 0], ends[..., 1] = limit, units.amplitude * slope
            slopes = xp.where(far[..., None, None], ends[..., None, :], slopes)
        return features, slopes
