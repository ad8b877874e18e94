"""The mean overshoot of two spheres, compiled: the sums of `meanfield.overshoot`, node by node."""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from meanfield.compiled import compiler
from meanfield.overshoot import FARTHEST, Overshoot, Projection
from meanfield.quadrature import gauss_legendre
from meanfield.sphere import tail

Floats = NDArray[np.float64]
njit = compiler(__file__)

# Nodes in each part of the range of a sphere that is integrated over, and up to which dimension.
_FEW, _MANY, _LOW = 32, 80, 12

# On circles and on S^3 densities have roots at their ends, which may lie just beyond the end of a
# part: there its nodes are graded.
_STEEP = 4
_CUTS = (0.0, 1e-5, 1e-3, 0.05, 0.95, 1.0 - 1e-3, 1.0 - 1e-5, 1.0)


class Sphere(NamedTuple):
    """A sphere of dimension n: constants of its law, tails by the angle, and nodes for integrals.

    Attributes:
        dimension: n.
        peak: density of V at 0, up to its factor at other angles.
        tails: P(U > sin angle) and two derivatives, at equal steps, shape (cells + 1, 3).
        nodes: nodes in (-1, 1).
        weights: their weights, which sum to 2.
    """

    dimension: int
    peak: float
    tails: Floats
    nodes: Floats
    weights: Floats


def fast_overshoot(projection: Projection, w: Floats, x: Floats) -> Overshoot:
    """Return `projection.overshoot(w, x)`, several hundred times faster for two spheres."""
    dimensions = projection.dimensions
    if len(dimensions) == 1 or np.isinf(dimensions).any():
        return projection.overshoot(w, x)
    first, second = (compiled_sphere(int(n)) for n in dimensions)
    level, share = np.broadcast_arrays(np.asarray(w, np.float64), np.asarray(x, np.float64))
    results = np.empty((4, level.size))
    _fill(results, np.minimum(level.ravel(), 2 * FARTHEST), share.ravel(), first, second)
    return Overshoot(*results.reshape(4, *level.shape))


@cache
def compiled_sphere(dimension: int) -> Sphere:
    """Return the sphere of a dimension n >= 1, for compiled sums."""
    count = _FEW if dimension <= _LOW else _MANY
    nodes, weights = gauss_legendre(count)
    if dimension == 1:
        return Sphere(1, 0.0, np.zeros((2, 3)), 2 * nodes - 1, 2 * weights)
    peak = float(np.exp(-betaln(0.5, (dimension - 1) / 2)))
    angle = np.linspace(0, np.pi / 2, math.ceil(64 * np.sqrt(dimension)) + 1)
    step, cosine = angle[1], np.maximum(np.cos(angle), 0.0)
    bend = np.zeros_like(angle)
    if dimension > 2:
        bend = peak * (dimension - 2) * cosine ** (dimension - 3) * np.sin(angle)
    first = -peak * cosine ** (dimension - 2)
    tails = np.stack([tail(np.sin(angle), dimension), step * first, step**2 * bend], axis=-1)
    return Sphere(dimension, peak / np.sqrt(dimension), tails, 2 * nodes - 1, 2 * weights)


@njit
def _tail(sphere: Any, u: float) -> float:
    """P(U > u), by the quintic between the angles of the table."""
    position = math.asin(abs(u)) * (sphere.tails.shape[0] - 1) / (0.5 * math.pi)
    cell = min(int(position), sphere.tails.shape[0] - 2)
    t = position - cell
    v0, s0, c0 = sphere.tails[cell, 0], sphere.tails[cell, 1], 0.5 * sphere.tails[cell, 2]
    v1, s1, c1 = sphere.tails[cell + 1, 0], sphere.tails[cell + 1, 1], sphere.tails[cell + 1, 2]
    v, s, c = v1 - v0 - s0 - c0, s1 - s0 - 2.0 * c0, c1 - 2.0 * c0
    high = (10.0 * v - 4.0 * s + 0.5 * c) + t * (
        (-15.0 * v + 7.0 * s - c) + t * (6.0 * v - 3.0 * s + 0.5 * c)
    )
    upper = v0 + t * (s0 + t * (c0 + t * high))
    return upper if u >= 0.0 else 1.0 - upper


@njit
def _density(sphere: Any, u: float) -> float:
    """Density of V at sqrt(n) u, |u| < 1."""
    return sphere.peak * math.sqrt((1.0 - u) * (1.0 + u)) ** (sphere.dimension - 3)


@njit
def _fill(results: Any, levels: Any, shares: Any, first: Any, second: Any) -> None:
    """Fill in T, T_w, T_x and T_ww."""
    for i in range(levels.shape[0]):
        value, level, share, density = overshoot_of_two(levels[i], shares[i], first, second)
        results[0, i], results[1, i], results[2, i], results[3, i] = value, level, share, density


@njit
def overshoot_of_two(
    level: float, share: float, first: Any, second: Any
) -> tuple[float, float, float, float]:
    """T, T_w, T_x and T_ww at one level and share."""
    part1, part2 = math.sqrt(share), math.sqrt(1.0 - share)
    if min(first.dimension, second.dimension) == 1:
        over_first = second.dimension == 1
    else:
        over_first = part1 >= part2
    if over_first:
        return _closed_over(level, part1, part2, first, second)
    value, slope, turn, density = _closed_over(level, part2, part1, second, first)
    return value, slope, -turn, density


@njit
def _closed_over(
    w: float, large: float, small: float, big: Any, little: Any
) -> tuple[float, float, float, float]:
    """T, T_w, T_x and T_ww of large V + small v, closed over V; x is the share of V."""
    value, above, part, steep, height = 0.0, 0.0, 0.0, 0.0, 0.0
    root = math.sqrt(big.dimension)
    unit = 1.0 / large if large > 0.0 else 0.0
    if little.dimension == 1:
        tails = (0.0, 0.0)
        for v in (-1.0, 1.0):
            need = w - small * v
            u = max(-1.0, min(1.0, need * unit / root)) if large > 0.0 else math.copysign(1.0, need)
            upper = _tail(big, u)
            tails = (tails[1], upper)
            moment = big.peak * math.sqrt((1.0 - u) * (1.0 + u)) ** (big.dimension - 1)
            moment *= big.dimension / (big.dimension - 1)
            if abs(u) < 1.0:
                height += 0.5 * unit * _density(big, u)
            value += 0.5 * (large * moment - need * upper)
            above += 0.5 * upper
            part += 0.5 * moment
        if small * unit < 3e-5:  # the limit of the quotient below, to 1e-9
            u = w * unit / root
            steep = unit * _density(big, u) if u < 1.0 else 0.0
        else:
            steep = (tails[1] - tails[0]) / (2.0 * small)
        return value, -above, 0.5 * (unit * part - steep), height
    end = min(math.sqrt(little.dimension), FARTHEST)
    # Where S > w begins to hold, and where it holds for sure.
    begins = max(-end, min(end, (w - large * root) / small)) if small > 0.0 else -end
    sure = max(-end, min(end, (w + large * root) / small)) if small > 0.0 else end
    parts = len(_CUTS) - 1 if min(big.dimension, little.dimension) <= _STEEP else 1
    for piece in range(2 * parts):
        left, right = (begins, sure) if piece < parts else (sure, end)
        if parts > 1:
            left, right = (
                left + (right - left) * _CUTS[piece % parts],
                left + (right - left) * _CUTS[piece % parts + 1],
            )
        half = 0.5 * (right - left)
        if not half > 0.0:
            continue
        for k in range(little.nodes.shape[0]):
            angle = 0.5 * math.pi * little.nodes[k]
            v = 0.5 * (left + right) + half * math.sin(angle)
            inner = 1.0 - v * v / little.dimension
            if not inner > 0.0:
                continue
            mass = half * 0.5 * math.pi * little.weights[k] * math.cos(angle) * little.peak
            mass *= math.sqrt(inner) ** (little.dimension - 3)
            need = w - small * v
            u = max(-1.0, min(1.0, need * unit / root))
            cosine = math.sqrt((1.0 - u) * (1.0 + u))
            upper = _tail(big, u)
            if cosine > 0.0:
                density = big.peak * cosine ** (big.dimension - 3)
                moment = density * cosine * cosine * big.dimension / (big.dimension - 1)
                steep += mass * (little.dimension - v * v) / (little.dimension - 1) * density
                height += mass * density
                value += mass * large * moment
                part += mass * moment
            value -= mass * need * upper
            above += mass * upper
    return value, -above, 0.5 * unit * (part - steep), unit * height
