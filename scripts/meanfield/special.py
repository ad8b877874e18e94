"""The spherical mean g(z) = E sigma(z U) of an activation: closed form, and a checked table of it.

U is the first coordinate of a uniform point of the sphere S^(d-1). A ridge neuron averaged over
the rotations of its weight depends on the data through g(||w|| ||x||) alone.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
from array_api_compat import array_namespace, device
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln

from meanfield.activations import Pieces
from meanfield.host import to_host
from meanfield.sphere import moment, moment_between, tail

Floats = NDArray[np.float64]

# Bounds on the absolute errors of the table, and the number of cells at which it stops refining and
# leaves the cells that still fail to the closed form: 2^13 cells are 256 kB, less than a core's
# second-level cache.
VALUE_ERROR = 1e-10
SLOPE_ERROR = 1e-8
FEWEST_CELLS = 2**10
MOST_CELLS = 2**13


class Asymptote(NamedTuple):
    """The behavior growth z + limit + decay / z of g at infinity."""

    growth: float
    limit: float
    decay: float


class RadialMean(Hashable, Protocol):
    """A spherical mean g that can be tabulated."""

    def __hash__(self) -> int:
        """Return a hash: equal means share a table."""

    @property
    def kink_at_zero(self) -> bool:
        """Whether sigma has a knot at 0."""

    @property
    def scale(self) -> float:
        """A length on which g varies."""

    @property
    def asymptote(self) -> Asymptote:
        """g(z) = growth z + limit + decay / z + o(1 / z) as z tends to infinity."""

    def __call__(self, z: ArrayLike) -> Floats:
        """Return g(z), elementwise, for z >= 0."""

    def derivative(self, z: ArrayLike) -> Floats:
        """Return g'(z), elementwise, for z >= 0."""


@dataclass(frozen=True)
class SphericalMean:
    """The closed form of g(z) = E sigma(z U) for a piecewise linear sigma, and of its derivative.

    With u_p = clip(c_p / z, -1, 1) at the knots c_p, P(u) = P(U > u) and M(u) = E[U; U > u],

        g(z)  = sum_p intercept_p (P(u_p) - P(u_{p+1})) + z g'(z),
        g'(z) = sum_p slope_p (M(u_p) - M(u_{p+1})),

    where the outer pieces have u_0 = -1 and u_{K+1} = 1. Both extend evenly and oddly to z < 0. At
    z = 0 a knot at 0 makes g a cone; the derivative given there is the one from the right.

    Args:
        activation: the activation sigma.
        dimension: d >= 2.

    Raises:
        ValueError: if the dimension is below 2.
    """

    activation: Pieces
    dimension: int

    def __post_init__(self) -> None:
        if self.dimension < 2:
            raise ValueError(f"a spherical mean needs dimension >= 2, got {self.dimension}")

    def __call__(self, z: ArrayLike) -> Floats:
        """Return g(z), elementwise; at z = +-inf the limit."""
        size = np.abs(np.asarray(z, dtype=np.float64))
        inner = (size > 0) & np.isfinite(size)
        safe = np.where(inner, size, 1.0)
        tails = [tail(_cut(knot, safe), self.dimension) for knot in self.activation.knots]
        bounds = [np.ones_like(safe), *tails, np.zeros_like(safe)]
        value = safe * self._slope(safe)
        for piece, intercept in enumerate(self.activation.intercepts):
            value += intercept * (bounds[piece] - bounds[piece + 1])
        growth, limit, _ = self.asymptote
        end = limit if growth == 0 else np.sign(growth) * np.inf
        value = np.where(inner, value, np.where(size > 0, end, self.activation(0.0)))
        return np.where(np.isnan(size), np.nan, value)

    def derivative(self, z: ArrayLike) -> Floats:
        """Return g'(z), elementwise."""
        points = np.asarray(z, dtype=np.float64)
        return np.where(points < 0, -1.0, 1.0) * self._slope(np.abs(points))

    def _slope(self, size: Floats) -> Floats:
        knots, slopes = self.activation.knots, self.activation.slopes
        cuts = [_cut(knot, size) for knot in knots]
        slope = slopes[-1] * moment(cuts[-1], self.dimension)
        slope = slope - slopes[0] * moment(cuts[0], self.dimension)
        for piece in range(1, len(knots)):
            below, above = cuts[piece - 1], cuts[piece]
            with np.errstate(all="ignore"):
                width = (knots[piece] - knots[piece - 1]) / size
                slope += slopes[piece] * moment_between(below, above, width, self.dimension)
        return np.where(np.isnan(size), np.nan, slope)

    @property
    def kink_at_zero(self) -> bool:
        """Whether sigma has a knot at 0."""
        return 0.0 in self.activation.knots

    @property
    def scale(self) -> float:
        """A length on which g varies.

        It lies between |knot|, where U first reaches it, and |knot| sqrt(d), the typical 1 / |U|.
        """
        largest = max(abs(knot) for knot in self.activation.knots)
        return float(largest * self.dimension**0.25) if largest > 0 else 1.0

    @property
    def asymptote(self) -> Asymptote:
        """g(z) = growth z + limit + decay / z + o(1 / z) as z tends to infinity."""
        moment = np.exp(-betaln(0.5, (self.dimension - 1) / 2)) / (self.dimension - 1)
        jumps, knots = self.activation.jumps, np.asarray(self.activation.knots)
        intercepts, slopes = self.activation.intercepts, self.activation.slopes
        return Asymptote(
            growth=float((slopes[-1] - slopes[0]) * moment),
            limit=float(intercepts[0] + intercepts[-1]) / 2,
            decay=float((self.dimension - 1) * moment * (jumps @ knots**2) / 2),
        )


def _cut(knot: float, size: Floats) -> Floats:
    """Return the cut u = clip(knot / size, -1, 1) of the sphere; 0 at knot 0, whatever the size."""
    if knot == 0:
        return np.zeros_like(size)
    with np.errstate(divide="ignore", over="ignore"):
        return np.clip(knot / size, -1.0, 1.0)


@dataclass(frozen=True, eq=False)
class TabulatedMean:
    """The spherical mean g and g' for 0 <= z <= inf, by cubic Hermite interpolation.

    The table holds g(z) - growth z on a uniform grid of n cells in w = scale / (scale + z), which
    maps [0, inf] to [0, 1] and is fine where g varies and coarse where it is flat. The derivative
    is that of the interpolant, so that a gradient flow of tabulated features is exactly the
    gradient flow of the tabulated risk.

    Args:
        mean: the closed form.
        scale: the point z where w = 1/2.
        growth: the slope of g at infinity.
        coefficients: shape (4, n + 1), constant term first, in the coordinate t = n w - cell of
            each cell; the last column continues the last cell, for z = 0. NaN in cells that are
            left to the closed form.
        complete: whether no cell is left to the closed form.
        value_error: largest error of g seen at construction, in the cells tabulated.
        slope_error: largest error of g' seen at construction, in the cells tabulated.
    """

    mean: RadialMean
    scale: float
    growth: float
    coefficients: Any
    complete: bool
    value_error: float
    slope_error: float

    @property
    def cells(self) -> int:
        """Number n of cells."""
        return int(self.coefficients.shape[1]) - 1

    def value(self, z: Any) -> Any:
        """Return g(z), elementwise, for z >= 0 in the namespace of the coefficients."""
        _, t, c = self._gather(z)
        value = ((c[3] * t + c[2]) * t + c[1]) * t + c[0]
        if self.growth != 0:
            value = value + self.growth * z
        return value if self.complete else self._fill(value, z, self.mean)

    def value_and_slope(self, z: Any) -> tuple[Any, Any]:
        """Return g(z) and g'(z), elementwise, for z >= 0 in the namespace of the coefficients."""
        position, t, c = self._gather(z)
        cubic = c[3] * t
        value = ((cubic + c[2]) * t + c[1]) * t + c[0]
        # d(n w)/dz = -n w^2 / scale = -position^2 / (n scale). In place: the fewer temporaries,
        # the more of the work stays in cache.
        slope = cubic
        slope *= 3
        slope += 2 * c[2]
        slope *= t
        slope += c[1]
        position *= position
        slope *= position
        slope *= -1 / (self.cells * self.scale)
        if self.growth != 0:
            value, slope = value + self.growth * z, slope + self.growth
        if not self.complete:
            value = self._fill(value, z, self.mean)
            slope = self._fill(slope, z, self.mean.derivative)
        return value, slope

    def _gather(self, z: Any) -> tuple[Any, Any, tuple[Any, ...]]:
        """Return the position n w of z, its coordinate in its cell, and the coefficients there."""
        xp = array_namespace(z)
        position = (self.cells * self.scale) / (self.scale + z)
        cell = xp.floor(position)
        index = xp.astype(xp.reshape(cell, (-1,)), xp.int64)
        found = xp.reshape(xp.take(self.coefficients, index, axis=1), (4, *z.shape))
        return position, position - cell, tuple(found[power, ...] for power in range(4))

    def _fill(self, result: Any, z: Any, closed_form: Callable[[Floats], Floats]) -> Any:
        """Replace the values that the table does not hold by those of the closed form."""
        xp = array_namespace(z)
        filled = np.array(to_host(result))
        missing = np.isnan(filled)
        filled[missing] = closed_form(to_host(z)[missing])
        return xp.asarray(filled, device=device(z))


@lru_cache(maxsize=16)
def tabulate(mean: RadialMean) -> TabulatedMean:
    """Tabulate a spherical mean with checked errors of value and derivative.

    The grid is halved until, in every cell, g errs by less than ``VALUE_ERROR`` at the midpoint and
    g' by less than ``SLOPE_ERROR`` at the two points where the error of a Hermite cubic's slope
    peaks. Cells that fail at ``MOST_CELLS``, and their neighbors, are left to the closed form: in
    low dimension g' has a fractional power next to |knot|. The last tables are kept: problems that
    differ in the widths of the data alone share one.

    Args:
        mean: the closed form.

    Returns:
        The table, with its coefficients in NumPy.
    """
    scale = mean.scale
    cells = FEWEST_CELLS
    while True:
        coefficients = _hermite(mean, scale, cells)
        value_errors, slope_errors = _table_errors(mean, scale, coefficients)
        # The points tested are where the error of a smooth function peaks; elsewhere it peaks
        # close by, hence the margin of 2.
        good = (value_errors <= VALUE_ERROR / 2) & (slope_errors <= SLOPE_ERROR / 2)
        if good.all() or cells >= MOST_CELLS:
            break
        cells *= 2
    good &= np.append(good[1:], True) & np.insert(good[:-1], 0, True)
    coefficients[~good] = np.nan
    # At z = 0, where w = 1, the last cell is continued beyond its end, t = 1.
    c0, c1, c2, c3 = coefficients[-1]
    end = (c0 + c1 + c2 + c3, c1 + 2 * c2 + 3 * c3, c2 + 3 * c3, c3)
    return TabulatedMean(
        mean=mean,
        scale=scale,
        growth=mean.asymptote.growth,
        coefficients=np.ascontiguousarray(np.vstack((coefficients, end)).T),
        complete=bool(good.all()),
        value_error=float(np.max(value_errors[good], initial=0.0)),
        slope_error=float(np.max(slope_errors[good], initial=0.0)),
    )


def _hermite(mean: RadialMean, scale: float, cells: int) -> Floats:
    """Coefficients (cells, 4) of the Hermite cubics of g(z) - growth z in the cells of w."""
    growth, limit, decay = mean.asymptote
    w = np.arange(1, cells + 1) / cells
    z = scale / w - scale
    value = np.concatenate(([limit], mean(z) - growth * z))
    slope = np.concatenate(([decay / scale], (growth - mean.derivative(z)) * scale / w**2)) / cells
    rise = np.diff(value)
    return np.stack(
        (
            value[:-1],
            slope[:-1],
            3 * rise - 2 * slope[:-1] - slope[1:],
            slope[:-1] + slope[1:] - 2 * rise,
        ),
        axis=1,
    )


def _table_errors(mean: RadialMean, scale: float, coefficients: Floats) -> tuple[Floats, Floats]:
    """Errors of the value at the midpoint, and of the slope at its two peaks, in each cell."""
    cells, growth = len(coefficients), mean.asymptote.growth
    c0, c1, c2, c3 = coefficients.T
    z = scale * cells / (np.arange(cells) + 0.5) - scale
    value_errors = np.abs(c0 + c1 / 2 + c2 / 4 + c3 / 8 + growth * z - mean(z))
    slope_errors = np.zeros(cells)
    for t in (0.5 - np.sqrt(3) / 6, 0.5 + np.sqrt(3) / 6):
        w = (np.arange(cells) + t) / cells
        slope = growth - (c1 + (2 * c2 + 3 * c3 * t) * t) * cells * w**2 / scale
        error = np.abs(slope - mean.derivative(scale / w - scale))
        slope_errors = np.maximum(slope_errors, error)
    return value_errors, slope_errors
