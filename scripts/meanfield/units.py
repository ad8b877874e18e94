"""What the orbit means of all kinds of neurons share: their inputs and the shape of their results.

A neuron is a sigma(<w, x> + b), or sigma(<w, x>), which is a = 1, b = 0. Averaged over its orbit it
depends on a, b and the radii r_c of the parts of w, seen through rho_c = r_c s_c / sqrt(n_c).
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
from array_api_compat import array_namespace


class Units(NamedTuple):
    """Neurons: a (..., J), b (..., J), radii (..., J, m), and whether omega begins with (a, b)."""

    amplitude: Any
    offset: Any
    radii: Any
    biased: bool


class Far(NamedTuple):
    """E sigma(b + rho S) as rho tends to infinity: slope b + middle, or infinite.

    Attributes:
        growth: difference of sigma's slopes at the two ends; where not 0 the mean is infinite.
        slope: sigma's slope at -inf.
        middle: mean of the intercepts of sigma's asymptotes.
    """

    growth: float
    slope: float
    middle: float


class OrbitMean(Protocol):
    """The mean a E sigma(b + rho S) of a neuron over its orbit."""

    @property
    def kink_at_zero(self) -> bool:
        """Whether sigma's slope jumps at 0."""

    @property
    def far(self) -> Far:
        """How E sigma(b + rho S) behaves as rho tends to infinity."""

    def evaluate(self, units: Units, scales: Any, *, gradients: bool) -> tuple[Any, Any]:
        """Return phi (J, Q) and its gradients (J, Q, k), or (0, 0, 0) where not asked for."""


def has_kernel(units: Units, scales: Any) -> bool:
    """Return whether compiled kernels take such arrays: those of NumPy, for one problem."""
    return isinstance(scales, np.ndarray) and units.radii.ndim == 2


def directions(units: Units, scales: Any) -> tuple[Any, Any, Any]:
    """Return rho, rho_c / rho, with a last axis c, and x = (rho_1 / rho)^2, all (..., J, Q).

    At rho = 0 the neuron is sigma(b), and every direction from there is as good: the first.
    """
    xp = array_namespace(scales)
    parts = units.radii[..., :, None, :] * scales[..., None, :, :]
    # The squares of large radii overflow.
    rho = xp.abs(parts[..., 0]) if parts.shape[-1] == 1 else xp.hypot(parts[..., 0], parts[..., 1])
    start = xp.asarray([1.0] + [0.0] * (scales.shape[-1] - 1))
    parts = xp.where(rho[..., None] > 0, parts / xp.where(rho > 0, rho, 1.0)[..., None], start)
    return rho, parts, xp.minimum(parts[..., 0] ** 2, xp.asarray(1.0))


def slopes_in_radii(scales: Any, parts: Any, x: Any, in_rho: Any, turn: Any) -> list[Any]:
    """Return the derivatives in the radii of a function of rho and x, each (..., J, Q).

    Args:
        scales: s_c / sqrt(n_c), shape (..., Q, m).
        parts: rho_c / rho, from `directions`, as x is.
        x: the share (rho_1 / rho)^2.
        in_rho: the derivative in rho.
        turn: that in x, divided by rho.
    """
    turns = (2 * (1 - x), -2 * x)
    return [
        parts[..., c] * scales[..., None, :, c] * (in_rho + turns[c] * turn)
        for c in range(scales.shape[-1])
    ]


def with_bias(units: Units, mean: Any, in_offset: Any, in_radii: list[Any]) -> tuple[Any, Any]:
    """Return phi and its gradients in omega from those of E sigma(b + rho S), each (..., J, Q)."""
    xp = array_namespace(mean)
    amplitude = units.amplitude[..., None]
    gradients = [amplitude * each for each in in_radii]
    if units.biased:
        gradients = [mean, amplitude * in_offset, *gradients]
    return amplitude * mean, xp.stack(gradients, axis=-1)


def empty_results(units: Units, scales: Any, *, gradients: bool) -> tuple[Any, Any]:
    """Return arrays of NumPy for phi (J, Q) and its gradients, which a kernel fills."""
    shape = len(units.radii), len(scales)
    slots = scales.shape[1] + (2 if units.biased else 0)
    return np.empty(shape), np.empty((*shape, slots) if gradients else (0, 0, 0))
