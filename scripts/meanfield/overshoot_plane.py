"""The mean overshoot T(w, x) of two spheres of low dimension, tabulated in a plane of angles.

The density of S = sqrt(x) V_1 + sqrt(1 - x) V_2 is singular at w = |A - B| and w = A + B, where
A = sqrt(n_1 x) and B = sqrt(n_2 (1 - x)) are the largest values of the parts. With x = cos^2 theta
and w = R cos psi, R^2 = n_1 + n_2, these curves are straight lines,

    u = psi - theta = +-theta_0   and   v = psi + theta = theta_0 or pi - theta_0,

tan theta_0 = sqrt(n_2 / n_1), and T is smooth in the rectangles between them. There a tree of
cells, halved in u or v where T bends, carries polynomials of degree DEGREE in both. What lies
below the line of A + B is 0. Cells that would have to be narrower than NARROWEST, at the corners
where T is that of one circle, are left to the exact sums.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, is_numpy_array
from numpy.typing import NDArray

from meanfield.host import on_host
from meanfield.overshoot import Projection
from meanfield.overshoot_kernel import compiled_sphere, fast_overshoot
from meanfield.plane_kernel import COMPUTE, POLYNOMIAL, SPLIT_U, SPLIT_V, ZERO, fill_overshoot

Floats = NDArray[np.float64]

VALUE_ERROR = 1e-9
SLOPE_ERROR = 1e-6
"""Bounds on the errors of T, and of T_w and the derivative in theta, that a cell keeps."""

DEGREE = 11
"""Degree in u and in v."""

NARROWEST = 1e-4
"""Width from which on cells are not halved.

The exact sums, from which T is taken, err beside the lines where one sphere is a circle: T and T_w
by up to 4e-10, the derivative in theta by 7e-9 (a rule of 160 nodes).
"""

_MOST_CELLS = 4000


class PlaneOvershoot(NamedTuple):
    """The table.

    Attributes:
        tree: what each cell is (`plane_kernel`), and the number of its first half or its
            polynomial, shape (cells, 2); the first 9 are the rectangles, by u, then v.
        coefficients: shape (polynomials, DEGREE + 1, DEGREE + 1), of xi and eta in [-1, 1].
        edges: ends of the rectangles in u and in v, shape (2, 4).
        depth: largest number of halvings.
        projection: the spheres.
    """

    tree: Any
    coefficients: Any
    edges: Any
    depth: int
    projection: Projection

    @property
    def reach(self) -> float:
        """Level w from which on T = 0."""
        return float(np.sqrt(sum(self.projection.dimensions)))

    def overshoot(self, w: Any, x: Any) -> tuple[Any, Any, Any]:
        """Return T, T_w and T_x, elementwise, for 0 <= w <= inf and 0 <= x <= 1 of one shape."""
        if not is_numpy_array(w):
            return self.plain(w, x)
        results = np.empty((3, w.size))
        first, second = (compiled_sphere(int(n)) for n in self.projection.dimensions)
        fill_overshoot(
            results,
            np.ravel(w),
            np.ravel(x),
            (self.edges[0], self.edges[1]),
            self.reach,
            self.tree,
            self.coefficients,
            (first, second),
        )
        value, level, share = results.reshape(3, *w.shape)
        return value, level, share

    def plain(self, w: Any, x: Any) -> tuple[Any, Any, Any]:
        """Return what `overshoot` does, over any array namespace."""
        xp = array_namespace(w, x)
        shape, zero = w.shape, xp.zeros_like(xp.reshape(w, (-1,)))
        w, x = xp.reshape(w, (-1,)), xp.reshape(x, (-1,))
        inside = ~(w >= self.reach)  # or NaN
        near = xp.where(inside, w, zero)
        part1, part2 = xp.sqrt(x), xp.sqrt(1 - x)
        turn, height = xp.atan2(part2, part1), xp.acos(near / self.reach)
        u, v = height - turn, height + turn
        row, a, b = _interval(self.edges[0, :], u)
        column, c, d = _interval(self.edges[1, :], v)
        node = 3 * row + column
        for _ in range(self.depth):
            kind, target = (xp.take(self.tree[:, k], node) for k in (0, 1))
            in_u, in_v = kind == SPLIT_U, kind == SPLIT_V
            middle = xp.where(in_u, a + b, c + d) / 2
            beyond = xp.where(in_u, u, v) >= middle
            node = xp.where(in_u | in_v, target + xp.astype(beyond, xp.int64), node)
            a, b = xp.where(in_u & beyond, middle, a), xp.where(in_u & ~beyond, middle, b)
            c, d = xp.where(in_v & beyond, middle, c), xp.where(in_v & ~beyond, middle, d)
        kind, target = (xp.take(self.tree[:, k], node) for k in (0, 1))
        used = inside & (kind == POLYNOMIAL)
        rows = xp.take(self.coefficients, xp.where(used, target, 0), axis=0)
        xi, eta = (2 * u - a - b) / (b - a), (2 * v - c - d) / (d - c)
        value = slope_u = slope_v = zero
        for i in reversed(range(DEGREE + 1)):
            inner = slope = zero
            for j in reversed(range(DEGREE + 1)):
                slope = slope * eta + inner
                inner = inner * eta + rows[:, i, j]
            slope_u = slope_u * xi + value
            value = value * xi + inner
            slope_v = slope_v * xi + slope
        slope_u, slope_v = 2 * slope_u / (b - a), 2 * slope_v / (d - c)
        sine = xp.sqrt((self.reach - near) * (self.reach + near))
        both = 2 * part1 * part2
        share = xp.where(both > 0, (slope_u - slope_v) / xp.where(both > 0, both, 1.0), zero)
        found = (value, -(slope_u + slope_v) / sine, share)
        found = tuple(xp.where(used, each, zero) for each in found)
        # NaN is in no cell.
        lost = xp.isnan(u)
        found = tuple(xp.where(lost, u, each) for each in found)
        computed = inside & (kind == COMPUTE) & ~lost
        if bool(xp.any(computed)):
            what = "the mean overshoot beside its singular lines"
            exact = on_host(what, partial(_exact_parts, self.projection), near, x)
            found = tuple(
                xp.where(computed, each, other) for each, other in zip(exact, found, strict=True)
            )
        value, level, share = (xp.reshape(each, shape) for each in found)
        return value, level, share


def _interval(edges: Any, at: Any) -> tuple[Any, Any, Any]:
    """Return the number of the interval of each point, and its ends."""
    xp = array_namespace(at)
    number = xp.astype(at >= edges[1], xp.int64) + xp.astype(at >= edges[2], xp.int64)
    return number, xp.take(edges, number), xp.take(edges, number + 1)


def _exact_parts(projection: Projection, w: Floats, x: Floats) -> tuple[Floats, Floats, Floats]:
    found = fast_overshoot(projection, w, x)
    return found.value, found.level, found.share


def tabulate_plane(projection: Projection) -> PlaneOvershoot | None:
    """Tabulate T, or return None if that takes too many cells.

    Args:
        projection: two spheres of finite dimension.
    """
    n1, n2 = projection.dimensions
    corner = float(np.arctan2(np.sqrt(n2), np.sqrt(n1)))
    half = np.pi / 2
    edges = np.array([[-half, -corner, corner, half], [0, corner, np.pi - corner, np.pi]])
    tree: list[tuple[int, int]] = [(ZERO, 0)] * 9
    polynomials: list[Floats] = []
    depth = 0
    waiting = [
        (3 * row + column, 0, (*edges[0, row : row + 2], *edges[1, column : column + 2]))
        for row in range(3)
        for column in range(3)
    ]
    while waiting:
        node, level, (a, b, c, d) = waiting.pop()
        depth = max(depth, level)
        # Where T = 0, or beyond 0 <= theta, psi <= pi / 2.
        empty = b <= -corner + 1e-12 or d <= corner + 1e-12
        if empty or d < a - 1e-9 or d < -b - 1e-9 or a + c > np.pi + 1e-9 or c - b > np.pi + 1e-9:
            continue
        coefficients, kept = _cell(projection, a, b, c, d)
        if kept:
            tree[node] = (POLYNOMIAL, len(polynomials))
            polynomials.append(_TO_MONOMIALS @ coefficients @ _TO_MONOMIALS.T)
            continue
        bends = [np.abs(part).sum() for part in (coefficients[-2:], coefficients[:, -2:])]
        in_u = bends[0] > bends[1]
        if min(b - a, d - c) < NARROWEST:
            tree[node] = (COMPUTE, 0)
            continue
        if len(tree) >= _MOST_CELLS:
            return None
        tree[node] = (SPLIT_U if in_u else SPLIT_V, len(tree))
        if in_u:
            halves = (a, (a + b) / 2, c, d), ((a + b) / 2, b, c, d)
        else:
            halves = (a, b, c, (c + d) / 2), (a, b, (c + d) / 2, d)
        for each in halves:
            waiting.append((len(tree), level + 1, each))
            tree.append((ZERO, 0))
    stacked = np.array(polynomials)
    return PlaneOvershoot(np.array(tree, dtype=np.int64), stacked, edges, depth, projection)


_POINTS = -np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
_CHEBYSHEV = np.polynomial.chebyshev.chebvander(_POINTS, DEGREE)
_TO_CHEBYSHEV = np.linalg.inv(_CHEBYSHEV)
# Column k: the monomials of the k-th Chebyshev polynomial.
_TO_MONOMIALS = np.zeros((DEGREE + 1, DEGREE + 1))
for _k in range(DEGREE + 1):
    _TO_MONOMIALS[: _k + 1, _k] = np.polynomial.chebyshev.cheb2poly(np.eye(DEGREE + 1)[_k])[
        : _k + 1
    ]

_TESTED = np.array([-1 + 1e-6, -0.97, -0.5, 0.04, 0.6, 0.96, 1 - 1e-6])
_VALUES = np.polynomial.chebyshev.chebvander(_TESTED, DEGREE)
_SLOPES = np.stack(
    [np.polynomial.chebyshev.Chebyshev.basis(k).deriv()(_TESTED) for k in range(DEGREE + 1)], axis=1
)


def _cell(projection: Projection, a: float, b: float, c: float, d: float) -> tuple[Floats, bool]:
    """Return the Chebyshev coefficients of T in a cell, and whether they keep the bounds."""

    def grid(points: Floats) -> tuple[Floats, Floats]:
        u, v = (a + b) / 2 + (b - a) / 2 * points, (c + d) / 2 + (d - c) / 2 * points
        return u[:, None], v

    values = _exact(projection, *grid(_POINTS))[0]
    coefficients = _TO_CHEBYSHEV @ values @ _TO_CHEBYSHEV.T
    u, v = grid(_TESTED)
    value, in_height, in_turn = _exact(projection, u, v)
    in_u = _SLOPES @ coefficients @ _VALUES.T * (2 / (b - a))
    in_v = _VALUES @ coefficients @ _SLOPES.T * (2 / (d - c))
    steep = np.sqrt(sum(projection.dimensions)) * np.maximum(np.abs(np.sin((u + v) / 2)), 1e-3)
    value_error = np.max(np.abs(_VALUES @ coefficients @ _VALUES.T - value))
    slope_errors = (
        np.abs(in_u + in_v - in_height) / np.minimum(steep, 1),
        np.abs(in_v - in_u - in_turn),
    )
    # The points tested are not all there is, hence the margin of 2.
    kept = 2 * value_error <= VALUE_ERROR and 2 * np.max(slope_errors) <= SLOPE_ERROR
    return coefficients, bool(kept)


def _exact(projection: Projection, u: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
    """Return T and its derivatives in psi and theta, continued evenly beyond the square."""
    height, turn = (u + v) / 2, (v - u) / 2
    radius = np.sqrt(sum(projection.dimensions))
    w = radius * np.cos(height)
    found = fast_overshoot(projection, np.abs(w), np.cos(turn) ** 2)
    # T(-w) = T(w) + w.
    level = np.where(w < 0, -1 - found.level, found.level)
    value = found.value - np.minimum(w, 0)
    return value, -radius * np.sin(height) * level, -np.sin(2 * turn) * found.share
