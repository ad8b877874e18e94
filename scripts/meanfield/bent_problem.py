"""Problems of piecewise linear neurons on products of spheres: Gaussians, isotropic or not.

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
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, is_numpy_array

from meanfield.activations import Pieces
from meanfield.overshoot_kernel import fill_features
from meanfield.overshoot_table import ExactOvershoot, TabulatedOvershoot


class Units(NamedTuple):
    """Neurons taken apart: a (J,), b (J,), sigma(b) (J,), sigma'(b) (J,) and radii (J, m)."""

    amplitude: Any
    offset: Any
    base: Any
    slope: Any
    radii: Any


@dataclass(frozen=True, eq=False)
class BentProblem:
    """Piecewise linear ridges, omega = (r_1, ..., r_m), or perceptrons, omega = (a, b, r_1, ...).

    An infinite radius belongs to the problem: with one, phi = a (m b + c) with m the slope at both
    ends of sigma and c the mean of the intercepts there, and +-inf where the two slopes differ.
    The gradients in the radii given there are 0.

    Args:
        labels: y_q, shape (Q,).
        weights: pi_q, shape (Q,).
        scales: s_q / sqrt(n), the data in units of typical coordinates, shape (Q, m).
        units: the divisors sqrt(n_c) of the data invariants s_c, shape (m,); 1 for n = inf.
        activation: sigma.
        biased: whether the neurons are perceptrons.
        invariant_names: names of omega's coordinates.
        mean_overshoot: T, tabulated or exact.
    """

    labels: Any
    weights: Any
    scales: Any
    units: Any
    activation: Pieces
    biased: bool
    invariant_names: tuple[str, ...]
    mean_overshoot: TabulatedOvershoot | ExactOvershoot

    @property
    def sticky_origin(self) -> bool:
        """Whether the velocity jumps at r = 0 for every neuron: a ridge with a knot at 0."""
        return not self.biased and 0.0 in self.activation.knots

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

    def _evaluate(self, omega: Any, scales: Any, *, gradients: bool) -> tuple[Any, Any]:
        if omega.ndim != 2 or omega.shape[1] != len(self.invariant_names):
            raise ValueError(
                f"expected omega (J, {len(self.invariant_names)}) of {self.invariant_names}, "
                f"got {omega.shape}"
            )
        xp = array_namespace(omega, scales)
        units = self.take_apart(omega)
        far = xp.any(xp.isinf(units.radii), axis=1)
        lost = bool(xp.any(far))
        if lost:
            units = units._replace(radii=xp.where(far[:, None], 0.0, units.radii))
        table = self.mean_overshoot
        if isinstance(table, TabulatedOvershoot) and is_numpy_array(omega):
            found = self._compiled(units, scales, table, gradients)
        else:
            found = plain_features(units, scales, self.activation, table, biased=self.biased)
        return self._with_limits(found, units, far) if lost else found

    def take_apart(self, omega: Any) -> Units:
        """Return the parts of neurons omega (J, k)."""
        xp = array_namespace(omega)
        if self.biased:
            amplitude, offset, radii = omega[:, 0], omega[:, 1], omega[:, 2:]
        else:
            amplitude, offset = xp.ones_like(omega[:, 0]), xp.zeros_like(omega[:, 0])
            radii = omega
        sigma = self.activation
        slope = xp.full_like(offset, float(sigma.slopes[0]))
        base = slope * offset + float(sigma.intercepts[0])
        for knot, jump in zip(sigma.knots, sigma.jumps.tolist(), strict=True):
            base = base + jump * xp.where(offset > knot, offset - knot, 0.0)
            slope = slope + xp.where(offset > knot, jump, 0.0)
        return Units(amplitude, offset, base, slope, radii)

    def _compiled(
        self, units: Units, scales: Any, table: TabulatedOvershoot, gradients: bool
    ) -> tuple[Any, Any]:
        shape = (len(units.radii), len(scales))
        features = np.empty(shape)
        first = 2 if self.biased else 0
        slots = np.empty((*shape, first + scales.shape[1]) if gradients else (0, 0, 0))
        fill_features(
            features, slots, *(np.ascontiguousarray(part) for part in units),
            np.ascontiguousarray(scales), np.asarray(self.activation.knots), self.activation.jumps,
            table.coefficients, table.per_unit,
        )  # fmt: skip
        return features, slots

    def _with_limits(self, found: tuple[Any, Any], units: Units, far: Any) -> tuple[Any, Any]:
        """Put in the limits of infinite radii."""
        xp = array_namespace(units.radii)
        slopes, intercepts = self.activation.slopes, self.activation.intercepts
        growth = float(slopes[-1] - slopes[0])
        limit = float(slopes[0]) * units.offset + float(intercepts[0] + intercepts[-1]) / 2
        if growth != 0:
            limit = xp.full_like(limit, np.sign(growth) * np.inf)
        features, gradients = found
        features = xp.where(far[:, None], (units.amplitude * limit)[:, None], features)
        if gradients.shape[0] > 0:
            ends = xp.zeros((*far.shape, gradients.shape[2]), dtype=features.dtype)
            if self.biased:
                ends[:, 0], ends[:, 1] = limit, units.amplitude * float(slopes[0])
            gradients = xp.where(far[:, None, None], ends[:, None, :], gradients)
        return features, gradients


def plain_features(
    units: Units,
    scales: Any,
    activation: Pieces,
    mean_overshoot: TabulatedOvershoot | ExactOvershoot,
    *,
    biased: bool,
) -> tuple[Any, Any]:
    """Return phi (J, Q) and its gradients (J, Q, k), over any array namespace.

    Args:
        units: the neurons, radii finite.
        scales: s_c / sqrt(n_c), shape (Q, m).
        activation: sigma.
        mean_overshoot: T.
        biased: whether omega begins with (a, b).
    """
    xp = array_namespace(scales)
    amplitude, offset, base, slope = (part[:, None] for part in units[:4])
    parts = units.radii[:, None, :] * scales
    rho = xp.sqrt(xp.sum(parts * parts, axis=-1))
    start = xp.asarray([1.0] + [0.0] * (scales.shape[1] - 1))
    safe = xp.where(rho > 0, rho, 1.0)
    parts = xp.where(rho[..., None] > 0, parts / safe[..., None], start)
    x = xp.minimum(parts[..., 0] ** 2, xp.asarray(1.0))
    value, in_rho, in_share = xp.zeros_like(rho), xp.zeros_like(rho), xp.zeros_like(rho)
    in_offset = slope + value
    for knot, jump in zip(activation.knots, activation.jumps.tolist(), strict=True):
        distance = xp.broadcast_to(offset - knot, rho.shape)
        w = xp.where(rho > 0, xp.abs(distance) / safe, xp.where(distance == 0, 0.0, xp.inf))
        over, in_level, in_x = mean_overshoot.overshoot(w, x)
        value = value + jump * over
        in_offset = in_offset + jump * xp.where(distance > 0, in_level, -in_level)
        finite = xp.where(xp.isfinite(w), w, 0.0)
        in_rho = in_rho + jump * (over - finite * in_level)
        in_share = in_share + jump * in_x
    mean = base + rho * value
    turns = (2 * (1 - x), -2 * x)
    gradients = [
        amplitude * parts[..., c] * scales[:, c] * (in_rho + turns[c] * in_share)
        for c in range(scales.shape[1])
    ]
    if biased:
        gradients = [mean, amplitude * in_offset, *gradients]
    return amplitude * mean, xp.stack(gradients, axis=-1)
