"""Data laws P on (x, y): their invariants and the quadrature over them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from meanfield.quadrature import chi

Floats = NDArray[np.float64]


class Nodes(NamedTuple):
    """A quadrature of a data law over labels y_q and invariants s_q with weights pi_q."""

    labels: Floats
    weights: Floats
    invariants: Floats


@dataclass(frozen=True)
class IsotropicGaussians:
    """Two centered Gaussians: y = +1 or -1 with probability 1/2, x | y ~ N(0, (1 + y Delta)^2 I_d).

    Args:
        dimension: d >= 1.
        delta: Delta in [0, 1), the separation of the two scales.

    Raises:
        ValueError: if the dimension or delta is out of range.

    Source: Mei, Montanari and Nguyen (2018), isotropic Gaussians.
    """

    dimension: int
    delta: float

    def __post_init__(self) -> None:
        if self.dimension != int(self.dimension) or self.dimension < 1:
            raise ValueError(f"dimension must be a whole number >= 1, got {self.dimension!r}")
        if not 0 <= self.delta < 1:
            raise ValueError(f"delta must lie in [0, 1), got {self.delta!r}")

    def scale(self, label: ArrayLike) -> Floats:
        """Return the standard deviation tau_y = 1 + y Delta of x given y, elementwise."""
        return 1.0 + np.asarray(label, dtype=np.float64) * self.delta

    def invariants(self, x: NDArray[Any]) -> Floats:
        """Return the invariants s = ||x|| of inputs x of shape (n, d), in float64, shape (n, 1)."""
        inputs = np.asarray(x, dtype=np.float64)
        return np.asarray(np.linalg.norm(inputs, axis=-1, keepdims=True), dtype=np.float64)

    def nodes(self, count: int) -> Nodes:
        """Quadrature over y and s = tau_y chi_d, exact in y.

        Args:
            count: Gauss nodes of chi_d for each of the two labels.

        Returns:
            Labels (Q,), weights (Q,) summing to 1 and invariants (Q, 1), with Q = 2 count.
        """
        radius, weights = chi(self.dimension, count)
        labels = np.repeat([1.0, -1.0], count)
        norms = self.scale(labels) * np.tile(radius, 2)
        return Nodes(labels, np.tile(weights / 2, 2), norms[:, np.newaxis])


def make_law(settings: Mapping[str, Any]) -> IsotropicGaussians:
    """Build a data law from its settings.

    Args:
        settings: ``kind`` ("isotropic_gaussians"), ``dimension`` and ``delta``.

    Returns:
        The law.

    Raises:
        ValueError: if the kind or an argument is unknown or missing.
    """
    kind = settings.get("kind")
    if kind != "isotropic_gaussians":
        raise ValueError(f"unknown data law kind {kind!r}, expected 'isotropic_gaussians'")
    if set(settings) != {"kind", "dimension", "delta"}:
        given = sorted(set(settings) - {"kind"})
        raise ValueError(f"data law {kind!r} takes ['delta', 'dimension'], got {given}")
    return IsotropicGaussians(dimension=int(settings["dimension"]), delta=float(settings["delta"]))
