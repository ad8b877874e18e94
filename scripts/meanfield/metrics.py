"""Distances between the radii of N neurons and a limit law given by its quantile function.

With F_N the empirical and F the limit distribution function, and r = F^-1,

    W_1 = int_0^1 |F_N^-1(u) - r(u)| du,    KS = sup |F_N - F|.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

Floats = NDArray[np.float64]


# Relative decrease of a quantile function that counts as noise of the flow that computed it.
ORDER_ERROR = 1e-5


class Distances(NamedTuple):
    """Wasserstein-1 and Kolmogorov-Smirnov distances, one per set of radii.

    Args:
        wasserstein: W_1, in the unit of the radii, shape (...).
        kolmogorov: KS, in [0, 1], shape (...).
    """

    wasserstein: Floats
    kolmogorov: Floats


@dataclass(frozen=True, eq=False)
class Quantiles:
    """The quantile function r(u) of a law on [0, inf), from its values at increasing levels.

    Between the levels r is the monotone cubic (PCHIP) through the values. Beyond the outermost
    levels it goes on along the outermost secant, not below 0: the true tails are not known there,
    and the mass in them is that of half an atom.

    Args:
        levels: levels u_j in (0, 1), strictly increasing, shape (J,), J >= 2.
        radii: values r(u_j) >= 0, not decreasing, shape (J,). Decreases up to ``ORDER_ERROR`` times
            the largest radius, which a flow leaves among particles that have met, are leveled.

    Raises:
        ValueError: if the shapes or the order are not as stated.
    """

    levels: Floats
    radii: Floats

    def __post_init__(self) -> None:
        for name in ("levels", "radii"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        levels, radii = self.levels, self.radii
        if levels.ndim != 1 or levels.shape != radii.shape or len(levels) < 2:
            raise ValueError(
                "levels and radii need one common shape (J,), J >= 2, "
                f"got {levels.shape} and {radii.shape}"
            )
        if levels[0] <= 0 or levels[-1] >= 1 or np.any(np.diff(levels) <= 0):
            raise ValueError("levels must lie in (0, 1) and increase strictly")
        leveled = np.maximum.accumulate(radii)
        if not np.all(np.isfinite(radii)) or radii[0] < 0:
            raise ValueError("radii must be finite and >= 0")
        if np.max(leveled - radii) > ORDER_ERROR * leveled[-1]:
            raise ValueError(
                "radii must not decrease with the level, "
                f"got a decrease of {np.max(leveled - radii):.3g}"
            )
        object.__setattr__(self, "radii", leveled)

    @cached_property
    def _curve(self) -> PchipInterpolator:
        u, r = self.levels, self.radii
        first = max(0.0, r[0] - u[0] * (r[1] - r[0]) / (u[1] - u[0]))
        last = r[-1] + (1 - u[-1]) * (r[-1] - r[-2]) / (u[-1] - u[-2])
        return PchipInterpolator(np.r_[0.0, u, 1.0], np.r_[first, r, last])

    @cached_property
    def _integral(self) -> PchipInterpolator:
        return self._curve.antiderivative()

    def __call__(self, u: ArrayLike) -> Floats:
        """Return r(u), elementwise, for levels in [0, 1]."""
        return np.asarray(self._curve(np.asarray(u, dtype=np.float64)), dtype=np.float64)

    def integral(self, u: ArrayLike) -> Floats:
        """Return int_0^u r, elementwise, for levels in [0, 1]."""
        return np.asarray(self._integral(np.asarray(u, dtype=np.float64)), dtype=np.float64)

    def distribution(self, radius: ArrayLike) -> tuple[Floats, Floats]:
        """Return F(r-) and F(r), elementwise: they differ where several levels share a radius."""
        points = np.asarray(radius, dtype=np.float64)
        return self._invert(points, "left"), self._invert(points, "right")

    def density(self, edges: ArrayLike) -> Floats:
        """Return the density averaged over the cells between increasing edges, shape (n - 1,).

        Averages conserve mass also where a peak is narrower than a cell. An atom at an edge counts
        to the cell that it ends, at the first edge to the first cell.
        """
        bounds = np.asarray(edges, dtype=np.float64)
        below, reached = self.distribution(bounds)
        reached[0] = below[0]
        return np.diff(reached) / np.diff(bounds)

    def _invert(self, points: Floats, side: Literal["left", "right"]) -> Floats:
        """Return the end of {u: r(u) < point} ("left") or of {u: r(u) <= point} ("right")."""
        breaks, cubics = self._curve.x, self._curve.c
        values = self._curve(breaks)
        piece = np.clip(np.searchsorted(values, points, side=side) - 1, 0, len(breaks) - 2)
        c3, c2, c1, c0 = cubics[:, piece]
        # Bisection: safe where the cubic is flat, and vectorized over all points at once.
        low, high = np.zeros(points.shape), breaks[piece + 1] - breaks[piece]
        for _ in range(50):
            middle = (low + high) / 2
            value = ((c3 * middle + c2) * middle + c1) * middle + c0
            below = value < points if side == "left" else value <= points
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        level = breaks[piece] + (low + high) / 2
        level = np.where(points > values[-1], 1.0, level)
        return np.where(points < values[0], 0.0, level)


def distances(radii: ArrayLike, limit: Quantiles) -> Distances:
    """Return the distances between sets of N radii and a limit law.

    On the level interval ((i-1)/N, i/N) the empirical quantile is the i-th smallest radius x_i, and
    r crosses it at most once, at F(x_i) clipped to the interval: both pieces are exact integrals.

    Args:
        radii: radii of N neurons, shape (..., N), in any order.
        limit: the limit law.

    Returns:
        W_1 and KS, each of shape (...).

    Raises:
        ValueError: if there is no radius or one is not finite.
    """
    samples = np.sort(np.asarray(radii, dtype=np.float64), axis=-1)
    if samples.ndim == 0 or samples.shape[-1] == 0 or not np.all(np.isfinite(samples)):
        raise ValueError(f"distances need finite radii of shape (..., N), got {samples.shape}")
    return _distances(samples, *limit.distribution(samples), limit)


def iid_floor(
    limit: Quantiles, count: int, generator: np.random.Generator, sets: int = 200
) -> Distances:
    """Return the distances between the limit law and sets of N independent draws from it.

    They are what an exact theory would show at width N: the floor for distances of SGD.

    Args:
        limit: the limit law.
        count: N >= 1.
        generator: source of the draws.
        sets: number of sets >= 1.

    Returns:
        W_1 and KS, each of shape (sets,).

    Raises:
        ValueError: if the count or the number of sets is below 1.
    """
    if count < 1 or sets < 1:
        raise ValueError(f"count and sets must be >= 1, got {count} and {sets}")
    levels = np.sort(generator.random((sets, count)), axis=-1)
    # F(r(u)) = u: the levels drawn are the values of F, without an inversion.
    return _distances(limit(levels), levels, levels, limit)


def _distances(samples: Floats, below: Floats, at: Floats, limit: Quantiles) -> Distances:
    """Return the distances for sorted samples x (..., N) with F(x-) and F(x) known."""
    count = samples.shape[-1]
    edges = np.arange(count + 1) / count
    start, stop = edges[:-1], edges[1:]
    crossing = np.clip(at, start, stop)
    primitive = limit.integral(edges)
    area = samples * (2 * crossing - start - stop)
    area += primitive[:-1] + primitive[1:] - 2 * limit.integral(crossing)
    gaps = np.maximum(stop - at, below - start)
    return Distances(np.sum(area, axis=-1), np.max(gaps, axis=-1))
