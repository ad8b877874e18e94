"""A checked table of the mean overshoot T(w, x), and the plain look-up in it.

In each cell T is a polynomial: of degree 5 in w, which takes T, T_w and T_ww at both ends (quintic
Hermite, so that T is twice differentiable in w), and of degree DEGREE in x. The derivatives are
those of the polynomial, so that a gradient flow of tabulated features is exactly the gradient flow
of the tabulated risk.
"""

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from meanfield.host import on_host
from meanfield.overshoot import Projection
from meanfield.overshoot_kernel import fast_overshoot
from meanfield.overshoot_plane import PlaneOvershoot, tabulate_plane

Floats = NDArray[np.float64]

VALUE_ERROR = 1e-10
SLOPE_ERROR = 1e-8
"""Bounds on the errors of T, and of T_w and T_x, that a table keeps."""

DEGREE = 8
"""Degree in the share x; for one sphere, 0."""

# Cells per unit of w, and in x: where refinement begins, and the sizes at which it gives up.
_FEWEST = (16, 1)
_MOST = (128, 64)

_LOWEST = 7  # dimension of the smaller of two spheres from which on such a table keeps its bounds


class TabulatedOvershoot(NamedTuple):
    """The table: T = sum_{i,k} coefficients[cell, share cell, k, i] t^i xi^k.

    t in [0, 1] and xi in [-1, 1] are the coordinates in a cell. The share cells have equal widths
    in y = sqrt x / (sqrt x + sqrt(1 - x)), which is fine where one of the scales is small.

    Attributes:
        coefficients: shape (cells + 1, share cells, DEGREE + 1, 6); the last level cell is 0.
        per_unit: level cells per unit of w.
        value_error: largest error of T seen at construction.
        slope_error: largest error of T_w and T_x seen at construction.
    """

    coefficients: Any
    per_unit: float
    value_error: float
    slope_error: float

    @property
    def reach(self) -> float:
        """Level w from which on T = 0."""
        return float((self.coefficients.shape[0] - 1) / self.per_unit)

    def overshoot(self, w: Any, x: Any) -> tuple[Any, Any, Any]:
        """Return T, T_w and T_x, elementwise, for 0 <= w <= inf and 0 <= x <= 1 of one shape."""
        xp = array_namespace(w, x)
        cells, share_cells, powers, _ = self.coefficients.shape
        position = xp.minimum(w * self.per_unit, xp.asarray(float(cells - 1)))
        cell = xp.floor(position)
        t = position - cell
        share_cell, low, width = find_share_cells(x, share_cells)
        xi = 2 * (x - low) / width - 1
        index = xp.astype(cell, xp.int64) * share_cells + share_cell
        table = xp.reshape(self.coefficients, (cells * share_cells, powers, 6))
        found = xp.take(table, xp.reshape(index, (-1,)), axis=0)
        # Pairs (w, x) come last: each operation is then for the coefficients of all powers of t.
        found = xp.reshape(xp.permute_dims(found, (1, 2, 0)), (powers, 6, *w.shape))
        # Horner's rule in xi, with its derivative; then in t.
        inner, slope = found[powers - 1, ...], xp.zeros_like(found[0, ...])
        for k in reversed(range(powers - 1)):
            slope = slope * xi + inner
            inner = inner * xi + found[k, ...]
        value, share, level = inner[5, ...], slope[5, ...], xp.zeros_like(w)
        for i in reversed(range(5)):
            level = level * t + value
            value = value * t + inner[i, ...]
            share = share * t + slope[i, ...]
        return value, level * self.per_unit, share * (2 / width)


@dataclass(frozen=True)
class ExactOvershoot:
    """The mean overshoot without a table, for spheres of low dimension: right, and slower."""

    projection: Projection

    @property
    def reach(self) -> float:
        """Level w from which on T = 0."""
        return self.projection.reach

    def overshoot(self, w: Any, x: Any) -> tuple[Any, Any, Any]:
        """Return T, T_w and T_x, elementwise, for 0 <= w <= inf and 0 <= x <= 1 of one shape."""
        spheres = " and ".join(f"{n:g}" for n in self.projection.dimensions)
        what = f"the mean overshoot on spheres of dimension {spheres}"
        found = on_host(what, partial(fast_overshoot, self.projection), w, x)
        return found[0], found[1], found[2]


MeanOvershoot = TabulatedOvershoot | PlaneOvershoot | ExactOvershoot


@lru_cache(maxsize=8)  # 30 MB at most each
def tabulate_overshoot(dimensions: tuple[float, ...]) -> MeanOvershoot:
    """Tabulate the mean overshoot of a projection, if a table can keep its bounds.

    Near |V| = sqrt(n) the density of V behaves as a power (n - 3) / 2, which no polynomial in w
    follows when n is small: there T is tabulated in a plane of angles, or left exact.

    Args:
        dimensions: those of `Projection`.

    Returns:
        A table whose errors were measured between its nodes, or the exact form.
    """
    projection = Projection(dimensions)
    per_unit, share_cells = _FEWEST
    before = np.inf
    if not projection.flat and min(dimensions) < _LOWEST:
        return _without_a_grid(projection)
    while per_unit <= _MOST[0] and share_cells <= _MOST[1]:
        table = _table(projection, per_unit, share_cells, 0 if projection.flat else DEGREE)
        # The points tested are close to where errors peak, hence the margin of 2.
        excess = max(table.value_error / VALUE_ERROR, table.slope_error / SLOPE_ERROR)
        if excess <= 0.5:
            return table
        # Refine in x while that helps, then in w.
        if projection.flat or excess > before / 2 or share_cells == _MOST[1]:
            per_unit *= 2
        else:
            share_cells *= 4
        before = excess
    return _without_a_grid(projection)


def _without_a_grid(projection: Projection) -> MeanOvershoot:
    """Return T in the plane of angles, or exact: for one sphere, or where T_w has a logarithm.

    On two circles it has one along a whole line, which would take thousands of cells.
    """
    n = projection.dimensions
    if len(n) == 1 or np.isinf(n).any() or n == (2, 2):
        return ExactOvershoot(projection)
    return tabulate_plane(projection) or ExactOvershoot(projection)


def _table(
    projection: Projection, per_unit: int, share_cells: int, degree: int
) -> TabulatedOvershoot:
    """Interpolate T with a number of cells, and measure the errors between the nodes."""
    cells = int(np.ceil(projection.reach * per_unit))
    step = projection.reach / cells
    w = step * np.arange(cells + 1, dtype=np.float64)
    # Chebyshev points of every share cell, and the monomials of degree <= DEGREE through them.
    xi = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    edges = share_edges(share_cells)
    x = edges[:-1, None] + np.diff(edges)[:, None] * (1 + xi) / 2
    exact = fast_overshoot(projection, w[:, None], np.ravel(x))
    shape = (cells + 1, share_cells, degree + 1)
    value, slope, curve = (
        each.reshape(shape) * scale
        for each, scale in ((exact.value, 1), (exact.level, step), (exact.density, step**2))
    )
    hermite = quintics(value, slope, curve)
    monomials = np.linalg.inv(np.vander(xi, increasing=True))
    coefficients = np.zeros((cells + 1, share_cells, degree + 1, 6))
    coefficients[:-1] = np.einsum("kp,wcpi->wcki", monomials, hermite)
    table = TabulatedOvershoot(coefficients, 1 / step, np.inf, np.inf)
    return table._replace(**_errors(table, projection, edges))


def quintics(value: Floats, slope: Floats, curve: Floats) -> Floats:
    """Coefficients (cells, ..., 6) in t of the quintics through values, slopes and curvatures."""
    c0, c1, c2 = value[:-1], slope[:-1], curve[:-1] / 2
    # What is left of the data at t = 1 after the quadratic from t = 0.
    v, s, c = value[1:] - c0 - c1 - c2, slope[1:] - c1 - 2 * c2, curve[1:] - 2 * c2
    return np.stack(
        [c0, c1, c2, 10 * v - 4 * s + c / 2, -15 * v + 7 * s - c, 6 * v - 3 * s + c / 2], axis=-1
    )


def _errors(table: TabulatedOvershoot, projection: Projection, edges: Floats) -> dict[str, float]:
    """Return the largest errors between nodes, in up to 96 level cells and all share cells."""
    cells = len(table.coefficients) - 1
    some = np.unique(np.linspace(0, cells - 1, min(cells, 96)).astype(int))
    t = np.resize([0.5, 0.25, 0.8], len(some))
    w = np.asarray((some + t) / table.per_unit, dtype=np.float64)
    # T_x errs most at the ends of a share cell.
    xi = np.array([-1.0, 0.2, 1.0]) * (1 - 1e-9)
    x = (edges[:-1, None] + np.diff(edges)[:, None] * (1 + xi) / 2).ravel()
    exact = fast_overshoot(projection, w[:, None], x)
    with np.errstate(invalid="ignore"):  # an infinite density, in dimension 2
        found = table.overshoot(*np.broadcast_arrays(w[:, None], x))
    errors = [
        float(np.max(np.abs(mine - theirs))) if np.isfinite(mine).all() else np.inf
        for mine, theirs in zip(found, exact, strict=False)
    ]
    return {"value_error": errors[0], "slope_error": max(errors[1:])}


def share_edges(cells: int) -> Floats:
    """Return the ends of the share cells in x: y in equal parts, x = y^2 / (y^2 + (1 - y)^2)."""
    y = np.arange(cells + 1) / cells
    return y**2 / (y**2 + (1 - y) ** 2)


def find_share_cells(x: Any, cells: int) -> tuple[Any, Any, Any]:
    """Return the share cell of x, where it begins, and its width."""
    xp = array_namespace(x)
    first, second = xp.sqrt(x), xp.sqrt(1 - x)
    place = xp.floor(xp.minimum(cells * (first / (first + second)), xp.asarray(cells - 0.5)))
    low = _from_place(place / cells)
    return xp.astype(place, xp.int64), low, _from_place((place + 1) / cells) - low


def _from_place(y: Any) -> Any:
    return y * y / (y * y + (1 - y) * (1 - y))
