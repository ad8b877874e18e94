"""Compiled look-up of the mean overshoot in its plane of angles (`meanfield.overshoot_plane`)."""

import math
from typing import Any

from meanfield.compiled import compiler
from meanfield.overshoot_kernel import overshoot_of_two

njit = compiler(__file__)

SPLIT_U, SPLIT_V, POLYNOMIAL, ZERO, COMPUTE = 0, 1, 2, 3, 4
"""What a cell of the tree is: two halves in u or v, a polynomial, T = 0, or the exact sums."""


@njit
def _find(edges: Any, at: float) -> int:
    """Return the number of the interval, of those between 4 edges."""
    return 0 if at < edges[1] else 1 if at < edges[2] else 2


@njit
def _polynomial(block: Any, xi: float, eta: float) -> tuple[float, float, float]:
    """Return sum_ij block[i, j] xi^i eta^j and its derivatives in xi and eta."""
    value, in_xi, in_eta = 0.0, 0.0, 0.0
    for i in range(block.shape[0] - 1, -1, -1):
        inner, slope = 0.0, 0.0
        for j in range(block.shape[1] - 1, -1, -1):
            slope = slope * eta + inner
            inner = inner * eta + block[i, j]
        in_xi = in_xi * xi + value
        value = value * xi + inner
        in_eta = in_eta * xi + slope
    return value, in_xi, in_eta


@njit
def fill_overshoot(
    results: Any,
    levels: Any,
    shares: Any,
    edges: tuple[Any, Any],
    radius: float,
    tree: Any,
    coefficients: Any,
    spheres: tuple[Any, Any],
) -> None:
    """Fill in T, T_w and T_x.

    Args:
        results: out, shape (3, n).
        levels: w >= 0, shape (n,).
        shares: x, shape (n,).
        edges: the four ends of the cells of the root, in u and in v.
        radius: level w from which on T = 0.
        tree: what each cell is, and its first half or its polynomial, shape (cells, 2).
        coefficients: the polynomials, shape (polynomials, powers of xi, powers of eta).
        spheres: the two spheres, for the exact sums.
    """
    in_u, in_v = edges
    for i in range(levels.shape[0]):
        w, x = levels[i], shares[i]
        results[0, i] = results[1, i] = results[2, i] = 0.0
        if w >= radius:
            continue
        part1, part2 = math.sqrt(x), math.sqrt(1.0 - x)
        turn, height = math.atan2(part2, part1), math.acos(w / radius)
        u, v = height - turn, height + turn
        if not abs(u) + abs(v) < 10.0:
            results[0, i] = results[1, i] = results[2, i] = math.nan
            continue
        row, column = _find(in_u, u), _find(in_v, v)
        a, b, c, d = in_u[row], in_u[row + 1], in_v[column], in_v[column + 1]
        node = 3 * row + column
        while tree[node, 0] <= SPLIT_V:
            in_first = tree[node, 0] == SPLIT_U
            middle = 0.5 * (a + b) if in_first else 0.5 * (c + d)
            beyond = (u if in_first else v) >= middle
            node = tree[node, 1] + (1 if beyond else 0)
            if in_first:
                a, b = (middle, b) if beyond else (a, middle)
            else:
                c, d = (middle, d) if beyond else (c, middle)
        if tree[node, 0] == POLYNOMIAL:
            xi, eta = (2.0 * u - a - b) / (b - a), (2.0 * v - c - d) / (d - c)
            value, slope_u, slope_v = _polynomial(coefficients[tree[node, 1]], xi, eta)
            slope_u, slope_v = 2.0 * slope_u / (b - a), 2.0 * slope_v / (d - c)
            sine, both = math.sqrt((radius - w) * (radius + w)), 2.0 * part1 * part2
            results[0, i] = value
            results[1, i] = -(slope_u + slope_v) / sine
            results[2, i] = (slope_u - slope_v) / both if both > 0.0 else 0.0
        elif tree[node, 0] == COMPUTE:
            value, level, share, _ = overshoot_of_two(w, x, spheres[0], spheres[1])
            results[0, i], results[1, i], results[2, i] = value, level, share
