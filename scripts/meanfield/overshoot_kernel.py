"""Compiled mean features of piecewise linear neurons, and their gradients, from the table of T.

The same sums as `meanfield.bent_problem.plain_features`, without its temporaries; a test holds the
two together.
"""

from typing import Any

import numpy as np

from meanfield.compiled import compiler

njit = compiler(__file__)


@njit
def _look_up(
    table: Any, per_unit: float, w: float, x: float, share_cell: int, low: float, width: float
) -> tuple[float, float, float]:
    """T, T_w and T_x at w and x, given the share cell of x: where it begins, and its width."""
    position = min(w * per_unit, float(table.shape[0] - 1))
    cell = int(position)
    t = position - cell
    xi = 2.0 * (x - low) / width - 1.0
    row = table[cell, share_cell]
    top = table.shape[2] - 1
    # Horner's rule in xi for the six coefficients in t side by side, and for their derivatives.
    c0, c1, c2, c3, c4, c5 = row[top, 0], row[top, 1], row[top, 2], row[top, 3], row[top, 4], row[top, 5]
    d0 = d1 = d2 = d3 = d4 = d5 = 0.0
    for k in range(top - 1, -1, -1):
        d0, c0 = d0 * xi + c0, c0 * xi + row[k, 0]
        d1, c1 = d1 * xi + c1, c1 * xi + row[k, 1]
        d2, c2 = d2 * xi + c2, c2 * xi + row[k, 2]
        d3, c3 = d3 * xi + c3, c3 * xi + row[k, 3]
        d4, c4 = d4 * xi + c4, c4 * xi + row[k, 4]
        d5, c5 = d5 * xi + c5, c5 * xi + row[k, 5]
    value = ((((c5 * t + c4) * t + c3) * t + c2) * t + c1) * t + c0
    level = (((5.0 * c5 * t + 4.0 * c4) * t + 3.0 * c3) * t + 2.0 * c2) * t + c1
    share = ((((d5 * t + d4) * t + d3) * t + d2) * t + d1) * t + d0
    return value, level * per_unit, share * (2.0 / width)


@njit
def fill_features(
    features: Any,
    gradients: Any,
    amplitude: Any,
    offset: Any,
    base: Any,
    slope: Any,
    radii: Any,
    scales: Any,
    knots: Any,
    jumps: Any,
    table: Any,
    per_unit: float,
) -> None:
    """Fill in phi and, unless `gradients` is empty, its gradients.

    Args:
        features: out, shape (J, Q).
        gradients: out, shape (J, Q, k), with k = m for ridges and m + 2 for perceptrons, whose
            first two are those in a and b; or (0, 0, 0).
        amplitude: a, shape (J,).
        offset: b, shape (J,).
        base: sigma(b), shape (J,).
        slope: sigma'(b), at a knot that of the piece on its left, shape (J,).
        radii: finite, shape (J, m), m = 1 or 2.
        scales: s_c / sqrt(n_c), shape (Q, m).
        knots: knots of sigma, shape (K,).
        jumps: jumps of its slope there, shape (K,).
        table: coefficients of T.
        per_unit: level cells per unit of w.
    """
    share_cells = table.shape[1]
    two = radii.shape[1] == 2
    wanted = gradients.shape[0] > 0
    first = gradients.shape[2] - radii.shape[1]
    for j in range(radii.shape[0]):
        for q in range(scales.shape[0]):
            rho1 = radii[j, 0] * scales[q, 0]
            rho2 = radii[j, 1] * scales[q, 1] if two else 0.0
            rho = np.sqrt(rho1 * rho1 + rho2 * rho2) if two else abs(rho1)
            # At rho = 0 the neuron is sigma(b), and every direction from there is as good.
            part1 = rho1 / rho if rho > 0.0 else 1.0
            part2 = rho2 / rho if rho > 0.0 else 0.0
            x = part1 * part1
            share_cell, low, width = 0, 0.0, 1.0
            if share_cells > 1:
                y = abs(part1) / (abs(part1) + abs(part2))
                share_cell = int(min(share_cells * y, share_cells - 0.5))
                y = share_cell / share_cells
                low = y * y / (y * y + (1.0 - y) * (1.0 - y))
                y = (share_cell + 1) / share_cells
                width = y * y / (y * y + (1.0 - y) * (1.0 - y)) - low
            value, in_offset, in_rho, in_share = 0.0, slope[j], 0.0, 0.0
            for c in range(knots.shape[0]):
                distance = offset[j] - knots[c]
                # A neuron of rho = 0 on its knot is at the tip of a cone: w = 0.
                w = abs(distance) / rho if distance != 0.0 else 0.0
                over, in_level, in_x = _look_up(table, per_unit, w, x, share_cell, low, width)
                value += jumps[c] * over
                in_offset += jumps[c] * (in_level if distance > 0.0 else -in_level)
                # At rho = 0 away from its knot T and its derivatives vanish, but w is infinite.
                in_rho += jumps[c] * (over - w * in_level if in_level != 0.0 else over)
                in_share += jumps[c] * in_x
            features[j, q] = amplitude[j] * (base[j] + rho * value)
            if wanted:
                if first == 2:
                    gradients[j, q, 0] = base[j] + rho * value
                    gradients[j, q, 1] = amplitude[j] * in_offset
                outer = amplitude[j] * part1 * scales[q, 0]
                gradients[j, q, first] = outer * (in_rho + 2.0 * (1.0 - x) * in_share)
                if two:
                    outer = amplitude[j] * part2 * scales[q, 1]
                    gradients[j, q, first + 1] = outer * (in_rho - 2.0 * x * in_share)
