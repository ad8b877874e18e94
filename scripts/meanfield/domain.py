"""Where neurons may lie: a box of their invariants, infinity included where a coordinate has none.

Every coordinate is mapped to u in [0, 1], so that a grid, a local search and Newton steps are
written once. A bounded coordinate is low + u (high - low). An unbounded one is
low + scale u / (1 - u), fine where features vary and coarse where they are flat, and u = 1 is
infinity. A neuron with one infinite weight has the features of one with all infinite: infinity is
one point, at which every unbounded coordinate is infinite.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, minimum_filter, minimum_position

Floats = NDArray[np.float64]

LAST_FINITE = 1.0 - 1e-6
"""Beyond it lies infinity: there features differ from their limit by less than a potential can use,
and formulas for them may have lost their digits."""

OUTPUT_WEIGHT = "a"
"""Name of the coordinate in which every feature is linear, phi(a, .) = a phi(1, .)."""

GRID = {1: 1000, 2: 64, 3: 20}
"""Grid points for each coordinate, by the number of coordinates that are searched."""

# Points a coordinate of the local search, and the factor by which it shrinks.
STENCIL = {1: (9, 4.0), 2: (5, 2.0), 3: (3, 2.0)}
FINEST = 1e-8
ROUNDING = 1e-15
MOST_ROUNDS = 80


class Axis(NamedTuple):
    """One coordinate of the domain.

    Attributes:
        name: name of the invariant.
        low: lower end, finite.
        high: upper end; inf for an unbounded coordinate.
        scale: distance from `low` of the point u = 1/2 of an unbounded coordinate.
    """

    name: str
    low: float
    high: float
    scale: float = 1.0


@dataclass(frozen=True)
class Domain:
    """A box of invariants and a grid on it.

    Of a coordinate in which features are linear (`OUTPUT_WEIGHT`) only the two ends are on the
    grid: the mean of a measure's features is that of one that lives on the ends.

    Args:
        axes: the coordinates, in the order of the problem's invariants.
        points: grid points for each coordinate but the linear one, at least 3.

    Raises:
        ValueError: an interval is empty or unbounded below, or there are too few points.
    """

    axes: tuple[Axis, ...]
    points: int

    def __post_init__(self) -> None:
        if self.points < 3:
            raise ValueError(f"a grid needs at least 3 points a coordinate, got {self.points!r}")
        for axis in self.axes:
            if not (np.isfinite(axis.low) and axis.low < axis.high and axis.scale > 0):
                raise ValueError(f"expected low < high, low finite and scale > 0, got {axis}")
            if axis.name == OUTPUT_WEIGHT and not 0 < axis.high < np.inf:
                raise ValueError(f"{OUTPUT_WEIGHT} needs a finite interval up to > 0, got {axis}")
        if not 1 <= len(self.searched) <= max(GRID):
            raise ValueError(
                f"a grid is laid over 1 to {max(GRID)} coordinates beside {OUTPUT_WEIGHT}, got "
                f"{[axis.name for axis in self.axes]}"
            )

    @cached_property
    def searched(self) -> list[int]:
        """Numbers of the coordinates that vary between their ends."""
        return [i for i, axis in enumerate(self.axes) if axis.name != OUTPUT_WEIGHT]

    @cached_property
    def linear(self) -> int | None:
        """Number of the coordinate in which features are linear, if there is one."""
        names = [axis.name for axis in self.axes]
        return names.index(OUTPUT_WEIGHT) if OUTPUT_WEIGHT in names else None

    @cached_property
    def unbounded(self) -> NDArray[np.bool_]:
        """Which coordinates reach infinity, shape (k,)."""
        return np.array([np.isinf(axis.high) for axis in self.axes])

    @property
    def shape(self) -> tuple[int, ...]:
        """Grid points on each axis."""
        return tuple(2 if i == self.linear else self.points for i in range(len(self.axes)))

    def grid(self) -> Floats:
        """Return the grid in u, shape (G, k), the last coordinate varying fastest."""
        axes = [np.linspace(0.0, 1.0, count) for count in self.shape]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))

    def omega(self, u: Floats) -> Floats:
        """Return the invariants at points u, shape (n, k)."""
        result = np.empty_like(u)
        for i, (axis, inner) in enumerate(zip(self.axes, u.T, strict=True)):
            if np.isinf(axis.high):
                with np.errstate(divide="ignore"):
                    result[:, i] = axis.low + axis.scale * inner / (1.0 - inner)
            else:
                result[:, i] = axis.low + inner * (axis.high - axis.low)
        if self.unbounded.any():
            result[self.infinite(u)[:, np.newaxis] & self.unbounded] = np.inf
        return result

    def coordinates(self, omega: Floats) -> Floats:
        """Return u at invariants omega, shape (n, k), moved into the domain."""
        result = np.empty_like(omega)
        for i, (axis, value) in enumerate(zip(self.axes, omega.T, strict=True)):
            if np.isinf(axis.high):
                away = np.maximum(value - axis.low, 0.0)
                with np.errstate(invalid="ignore"):
                    result[:, i] = np.where(np.isinf(away), 1.0, away / (axis.scale + away))
            else:
                result[:, i] = np.clip((value - axis.low) / (axis.high - axis.low), 0.0, 1.0)
        return self.normalized(result)

    def stretch(self, u: Floats) -> Floats:
        """Return d omega / d u, shape (n, k); 0 at infinity, from which nothing moves."""
        result = np.zeros_like(u)
        finite = ~self.infinite(u)
        for i, axis in enumerate(self.axes):
            if np.isinf(axis.high):
                result[finite, i] = axis.scale / (1.0 - u[finite, i]) ** 2
            else:
                result[:, i] = axis.high - axis.low
        return result

    def infinite(self, u: Floats) -> NDArray[np.bool_]:
        """Return which points are the infinite one, shape (n,)."""
        return np.any(u[:, self.unbounded] > LAST_FINITE, axis=1)

    def normalized(self, u: Floats) -> Floats:
        """Return the points with one name for infinity."""
        result = np.array(u)
        result[self.infinite(u)[:, np.newaxis] & self.unbounded] = 1.0
        return result

    def local_minima(self, values: Floats, noise: float, most: int) -> Floats:
        """Return where values on the grid, shape (G,), are no larger than at all neighbors.

        Infinity is always among them, and does not count as a neighbor: it is next to all large
        weights, and lower values may be found towards it in some directions only.

        Args:
            values: numbers at the points of `grid`.
            noise: differences that are rounding.
            most: how many are returned at most, and as many at infinity.

        Returns:
            u of the minima, shape (m, k).
        """
        points = self.grid()
        infinite = self.infinite(points)
        finite = np.where(infinite, np.inf, values)
        table = finite.reshape(self.shape)
        around = minimum_filter(table, size=3, mode="nearest")
        # Where features are flat values differ by rounding: all of such a part is one minimum.
        parts, count = label(
            (table <= around + noise) & np.isfinite(table), np.ones((3,) * table.ndim)
        )
        lowest = np.array(minimum_position(table, parts, np.arange(1, count + 1)), dtype=int)
        lowest = np.ravel_multi_index(tuple(lowest.T), self.shape)
        lowest = lowest[np.argsort(finite[lowest], kind="stable")][:most]
        _, beyond = np.unique(self.normalized(points[infinite]), axis=0, return_index=True)
        beyond = np.flatnonzero(infinite)[beyond]
        beyond = beyond[np.argsort(values[beyond], kind="stable")][:most]
        return self.normalized(points[np.concatenate([lowest, beyond])])

    def descend(self, function: Callable[[Floats], Floats], start: Floats) -> tuple[Floats, Floats]:
        """Minimise a function locally from several points by a search on shrinking stencils.

        Args:
            function: u of shape (n, k) -> values (n,).
            start: points from which to search, shape (m, k), a grid cell or less away; at infinity
                there is nothing to search.

        Returns:
            The minima, shape (m, k), and their values (m,).
        """
        if len(start) == 0:
            return start, np.empty(0)
        side, factor = STENCIL[len(self.searched)]
        steps = np.linspace(-1.0, 1.0, side)
        offsets = np.zeros((side ** len(self.searched), len(self.axes)))
        offsets[:, self.searched] = np.stack(
            np.meshgrid(*[steps] * len(self.searched), indexing="ij"), axis=-1
        ).reshape(len(offsets), -1)
        inner = np.max(np.abs(offsets), axis=1) < 1.0
        at, width = np.array(start), np.full(len(start), 1.0 / (self.points - 1))
        width[self.infinite(at)] = 0.0
        values = function(at)
        for _ in range(MOST_ROUNDS):
            active = np.flatnonzero(width > FINEST)
            if active.size == 0:
                break
            tried = at[active, None, :] + width[active, None, None] * offsets
            tried = np.clip(tried, 0.0, 1.0)
            found = function(tried.reshape(-1, len(self.axes))).reshape(len(active), -1)
            best = np.argmin(found, axis=1)
            lowest = found[np.arange(len(active)), best]
            # Lower than by rounding, on which a search would wander over a flat part.
            better = lowest < values[active] - ROUNDING * (1.0 + np.abs(values[active]))
            moved = active[better]
            at[moved] = tried[better, best[better]]
            values[moved] = lowest[better]
            # At the rim of the stencil the minimum may be beyond it.
            width[active[~better | inner[best]]] /= factor
        return self.normalized(at), values


def make_domain(
    names: Sequence[str],
    box: Mapping[str, Sequence[float]] | None = None,
    points: int | None = None,
    scale: float = 1.0,
) -> Domain:
    """Return the domain of a problem: radii in [0, inf], but for what a box bounds.

    Args:
        names: names of the problem's invariants.
        box: ends (low, high) of some coordinates; of all that are not radii.
        points: grid points for each coordinate; None: 1000 for one, 64 for each of two,
            20 for each of three.
        scale: radius at the middle of an unbounded axis.

    Raises:
        ValueError: a coordinate that has no natural range has none in the box, or the box bounds
            one that the problem has not.
    """
    box = {} if box is None else box
    if unknown := [name for name in box if name not in names]:
        raise ValueError(f"the box bounds {unknown}, got a problem with {list(names)}")
    axes = []
    for name in names:
        if name in box:
            low, high = box[name]
            axes.append(Axis(name, float(low), float(high), scale))
        elif name.startswith("r"):
            axes.append(Axis(name, 0.0, np.inf, scale))
        else:
            raise ValueError(
                f"the risk has no minimum over unbounded {name}: expected ends of {name} in the "
                f"box, got {dict(box)}"
            )
    searched = len([name for name in names if name != OUTPUT_WEIGHT])
    return Domain(tuple(axes), GRID.get(searched, 3) if points is None else points)
