"""Compiled orbit means of smooth neurons: the sums of `meanfield.smooth_mean.SmoothMean.plain`."""

import math
from typing import Any

import numpy as np

from meanfield.bent_kernel import find_share_cell, look_up
from meanfield.compiled import compiler

njit = compiler(__file__)

KINDS = ("Tanh", "Erf", "Sigmoid", "Softplus", "GELU")
"""Classes of activations, in the order of their numbers here."""


@njit
def curvature(kind: int, t: float) -> float:
    """sigma''(t) of an activation, as in `meanfield.activations`."""
    if kind == 1:
        return -4.0 / math.sqrt(math.pi) * t * math.exp(-t * t)
    if kind == 4:
        return (2.0 - t * t) * math.exp(-0.5 * t * t) / math.sqrt(2.0 * math.pi)
    # tanh t = (1 - e) / (1 + e) with e = exp(-2 t), t >= 0; the exponential is the cheaper one.
    small = math.exp(-2.0 * abs(t) if kind == 0 else -abs(t))
    over = 1.0 / (1.0 + small)
    slope = small * over * over
    if kind == 3:
        return slope
    curve = math.copysign(slope * (1.0 - small) * over, t)
    return -8.0 * curve if kind == 0 else -curve


@njit
def _collapse(
    over: Any, level: Any, begin: int, end: int, xi: float, over_at: Any, level_at: Any,
    share_at: Any,
) -> None:  # fmt: skip
    """Evaluate T, T_w and T_xi at the fixed nodes of one halving, side by side."""
    count, top = end - begin, over.shape[0] - 1
    for i in range(count):
        share_at[i], over_at[i], level_at[i] = 0.0, over[top, begin + i], level[top, begin + i]
    for k in range(top - 1, -1, -1):
        for i in range(count):
            share_at[i] = share_at[i] * xi + over_at[i]
            over_at[i] = over_at[i] * xi + over[k, begin + i]
            level_at[i] = level_at[i] * xi + level[k, begin + i]


@njit
def fill_smooth_grid(
    means: Any, offsets: Any, rho: float, kind: int, reach: float, fixed: tuple[Any, Any], over: Any
) -> None:
    """Add to sigma(b) what makes it E sigma(b + rho S), for all b and x of one rho.

    Args:
        means: in and out, shape (b, x).
        offsets: b, shape (b,).
        rho: rho.
        kind: number of the activation in KINDS.
        reach: beyond which sigma'' vanishes.
        fixed: the levels w of one halving, increasing, and their weights.
        over: T there, shape (levels, x).
    """
    levels, masses = fixed
    for j in range(offsets.shape[0]):
        b, row = offsets[j], means[j]
        for i in range(levels.shape[0]):
            step = rho * levels[i]
            if step > reach + abs(b):
                break
            bend = 0.0
            for c in (b - step, b + step):
                if abs(c) < reach:
                    bend += curvature(kind, c)
            if bend != 0.0:
                jump, at = rho * rho * masses[i] * bend, over[i]
                for m in range(row.shape[0]):
                    row[m] += jump * at[m]


@njit
def fill_smooth_features(
    features: Any,
    gradients: Any,
    units: tuple[Any, Any, Any, Any, Any],
    scales: Any,
    kind: int,
    ends: tuple[float, float, float],
    rule: tuple[Any, Any],
    fixed: tuple[Any, Any, Any, Any, Any],
    table: Any,
    per_unit: float,
) -> None:
    """Fill in phi and, unless `gradients` is empty, its gradients.

    Args:
        features: out, shape (J, Q).
        gradients: out, shape (J, Q, k), or (0, 0, 0).
        units: a (J,), b (J,), sigma(b) (J,), sigma'(b) (J,) and the radii (J, m).
        scales: s_c / sqrt(n_c), shape (Q, m).
        kind: number of the activation in KINDS.
        ends: beyond which |c| sigma'' vanishes; the widest panel in c; the widest in units of rho.
        rule: nodes in (0, 1) and weights of each panel.
        fixed: the levels w of panels that are halved again and again, where each halving begins,
            their weights, and the coefficients in xi of T and T_w there (`smooth_mean.FixedNodes`).
        table: coefficients of T.
        per_unit: level cells per unit of w.
    """
    amplitude, offset, base, slope, radii = units
    levels, starts, masses, over_coefficients, level_coefficients = fixed
    over_at, level_at, share_at = np.empty((3, levels.shape[0]))
    reach, widest, widest_level = ends
    nodes, weights = rule
    cells, share_cells, powers = table.shape[0] - 1, table.shape[1], table.shape[2]
    flat = table.reshape(-1)
    two = radii.shape[1] == 2
    wanted = gradients.shape[0] > 0
    first = gradients.shape[2] - radii.shape[1]
    for j in range(radii.shape[0]):
        b = offset[j]
        for q in range(scales.shape[0]):
            rho1 = radii[j, 0] * scales[q, 0]
            rho2 = radii[j, 1] * scales[q, 1] if two else 0.0
            rho = math.hypot(rho1, rho2) if two else abs(rho1)
            part1 = rho1 / rho if rho > 0.0 else 1.0
            part2 = rho2 / rho if rho > 0.0 else 0.0
            x = part1 * part1
            share_cell, low, width = find_share_cell(part1, part2, share_cells)
            xi = 2.0 * (x - low) / width - 1.0
            value, in_offset, in_rho, in_share = 0.0, slope[j], 0.0, 0.0
            halvings = 0
            while widest_level * rho > widest * 2.0**halvings:
                halvings += 1
            if halvings < starts.shape[0] - 1:
                begin, end = starts[halvings], starts[halvings + 1]
                # Levels beyond this one meet sigma'' on neither side of b.
                end = begin + np.searchsorted(
                    levels[begin:end], (reach + abs(b)) / max(rho, 1e-300)
                )
                _collapse(over_coefficients[share_cell], level_coefficients[share_cell],
                          begin, end, xi, over_at, level_at, share_at)  # fmt: skip
                for i in range(begin, end):
                    w, over, in_level = levels[i], over_at[i - begin], level_at[i - begin]
                    for side in (-1.0, 1.0):
                        c = b + side * rho * w
                        if abs(c) < reach:
                            jump = rho * masses[i] * curvature(kind, c)
                            value += jump * over
                            in_offset -= side * jump * in_level
                            in_rho += jump * (over - w * in_level)
                            in_share += jump * share_at[i - begin]
            for side in (-1.0, 1.0):
                # sigma'' on this side of b, as far as both it and T reach.
                far = side * min(reach, side * b + rho * cells / per_unit)
                near = side * max(-reach, side * b)
                length = side * (far - near)
                if halvings < starts.shape[0] - 1 or not length > 0.0:
                    continue
                panels = math.ceil(length / min(widest, widest_level * rho))
                panel = length / panels
                for i in range(panels * nodes.shape[0]):
                    at, node = divmod(i, nodes.shape[0])
                    c = near + side * panel * (at + nodes[node])
                    w = side * (c - b) / rho
                    position = w * per_unit
                    if not position < cells:
                        continue
                    cell = int(position)
                    row = (cell * share_cells + share_cell) * powers * 6
                    over, in_t, in_xi = look_up(flat, row, powers, position - cell, xi)
                    in_level = in_t * per_unit
                    jump = panel * weights[node] * curvature(kind, c)
                    value += jump * over
                    in_offset -= side * jump * in_level
                    in_rho += jump * (over - w * in_level)
                    in_share += jump * in_xi
            in_share *= 2.0 / width
            mean = base[j] + rho * value
            features[j, q] = amplitude[j] * mean
            if wanted:
                if first == 2:
                    gradients[j, q, 0] = mean
                    gradients[j, q, 1] = amplitude[j] * in_offset
                outer = amplitude[j] * part1 * scales[q, 0]
                gradients[j, q, first] = outer * (in_rho + 2.0 * (1.0 - x) * in_share)
                if two:
                    outer = amplitude[j] * part2 * scales[q, 1]
                    gradients[j, q, first + 1] = outer * (in_rho - 2.0 * x * in_share)
