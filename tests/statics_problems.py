"""Problems of one to four invariants in closed form, known to the statics by the protocol alone.

They are limits of many dimensions: given its length, a projection of x is Gaussian.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from meanfield.quadrature import chi

Floats = NDArray[np.float64]

HEIGHT, KNOTS, JUMPS = -2.5, np.array([0.5, 1.5]), np.array([10.0, -10.0])
"""Activation A as sigma(t) = height + sum_c jump_c (t - c)_+."""


def ramp_mean(scale: Floats) -> tuple[Floats, Floats]:
    """E sigma(a G) of activation A and its derivative in a, for 0 <= a <= inf."""
    finite = np.where(np.isinf(scale), 1.0, scale)[..., np.newaxis]
    with np.errstate(divide="ignore"):
        cut = KNOTS / finite
    tail = finite * norm.pdf(cut) - KNOTS * norm.sf(cut)
    value = np.where(np.isinf(scale), HEIGHT + 5.0, HEIGHT + tail @ JUMPS)
    return value, np.where(np.isinf(scale), 0.0, norm.pdf(cut) @ JUMPS)


def scales(delta: float, dimensions: tuple[int, ...], nodes: int) -> tuple[Floats, Floats, Floats]:
    """Labels, weights and lengths s_i / sqrt(d_i) of a law whose first part is informative."""
    rules = [chi(d, nodes) if nodes > 1 else (np.sqrt([d]), np.ones(1)) for d in dimensions]
    radii = np.meshgrid(*[r / np.sqrt(d) for (r, _), d in zip(rules, dimensions, strict=True)])
    mass = np.meshgrid(*[weight for _, weight in rules])
    lengths = np.stack([radius.ravel() for radius in radii], axis=-1)
    weights = np.prod([each.ravel() for each in mass], axis=0)
    both = np.stack([lengths, lengths])
    both[..., 0] *= np.array([[1 + delta], [1 - delta]])
    labels = np.repeat([1.0, -1.0], len(weights))
    return labels, np.tile(weights / 2, 2), both.reshape(len(labels), -1)


@dataclass
class RampLimit:
    """Ridge neurons of activation A: omega = radii r_i, <w, x> ~ N(0, sum_i (r_i s_i)^2)."""

    labels: Any
    weights: Any
    lengths: Floats

    @property
    def invariant_names(self) -> tuple[str, ...]:
        k = self.lengths.shape[1]
        return ("r",) if k == 1 else tuple(f"r{i + 1}" for i in range(k))

    @property
    def sticky_origin(self) -> bool:
        return False

    def features(self, omega: Any) -> Any:
        return self.features_at(omega, self.lengths)

    def features_at(self, omega: Any, s: Any) -> Any:
        return ramp_mean(np.sqrt((omega[:, np.newaxis] ** 2 * s**2).sum(axis=-1)))[0]

    def features_and_gradients(self, omega: Any) -> tuple[Any, Any]:
        inner = omega[:, np.newaxis] * self.lengths**2
        size = np.sqrt((omega[:, np.newaxis] * inner).sum(axis=-1))
        value, slope = ramp_mean(size)
        with np.errstate(invalid="ignore", divide="ignore"):
            return value, np.nan_to_num(slope / size)[..., np.newaxis] * inner


@dataclass
class ReluLimit:
    """Neurons a (<w, x> + b)_+: omega = (a, b, r_1, r_2), <w, x> ~ N(0, sum_i (r_i s_i)^2)."""

    labels: Any
    weights: Any
    lengths: Floats

    invariant_names: tuple[str, ...] = ("a", "b", "r1", "r2")
    sticky_origin: bool = False

    def features(self, omega: Any) -> Any:
        return self.features_and_gradients(omega)[0]

    def features_at(self, omega: Any, s: Any) -> Any:
        raise NotImplementedError

    def features_and_gradients(self, omega: Any) -> tuple[Any, Any]:
        a, b, radii = omega[:, :1], omega[:, 1:2], omega[:, np.newaxis, 2:]
        size = np.sqrt((radii**2 * self.lengths**2).sum(axis=-1))
        with np.errstate(invalid="ignore", divide="ignore"):
            cut = np.where(size > 0, b / size, np.sign(b) * np.inf)
            share, density = norm.cdf(cut), norm.pdf(cut)
            unit = size * density + b * share
            by_radius = np.nan_to_num(density / size)[..., np.newaxis] * radii * self.lengths**2
        return a * unit, np.concatenate(
            [unit[..., None], (a * share)[..., None], a[..., None] * by_radius], axis=-1
        )


def sphere_limit(delta: float) -> RampLimit:
    """Isotropic Gaussians and activation A at d = inf."""
    return RampLimit(*scales(delta, (1,), 1))


def isotropic(delta: float, dimension: int = 40, nodes: int = 12) -> RampLimit:
    return RampLimit(*scales(delta, (dimension,), nodes))


def anisotropic(delta: float, nodes: int = 4) -> RampLimit:
    return RampLimit(*scales(delta, (20, 80), nodes))


def perceptrons(delta: float, nodes: int = 4) -> ReluLimit:
    return ReluLimit(*scales(delta, (20, 80), nodes))
