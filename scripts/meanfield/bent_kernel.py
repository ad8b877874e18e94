"""Compiled mean features of piecewise linear neurons, and their gradients, from the table of T.

The same sums as `meanfield.bent_mean.BentMean.plain`, without its temporaries; a test holds the
two together.
"""

import math
from typing import Any

from meanfield.compiled import compiler

njit = compiler(__file__)


@njit
def look_up(table: Any, row: int, powers: int, t: float, xi: float) -> tuple[float, float, float]:
    """T and its derivatives in t and xi, by the coefficients from `row` of the flattened table."""
    # Horner's rule in xi for the six coefficients in t side by side, and for their derivatives.
    at = row + 6 * (powers - 1)
    c0, c1, c2 = table[at], table[at + 1], table[at + 2]
    c3, c4, c5 = table[at + 3], table[at + 4], table[at + 5]
    d0 = d1 = d2 = d3 = d4 = d5 = 0.0
    for _ in range(powers - 1):
        at -= 6
        d0, c0 = d0 * xi + c0, c0 * xi + table[at]
        d1, c1 = d1 * xi + c1, c1 * xi + table[at + 1]
        d2, c2 = d2 * xi + c2, c2 * xi + table[at + 2]
        d3, c3 = d3 * xi + c3, c3 * xi + table[at + 3]
        d4, c4 = d4 * xi + c4, c4 * xi + table[at + 4]
        d5, c5 = d5 * xi + c5, c5 * xi + table[at + 5]
    value = ((((c5 * t + c4) * t + c3) * t + c2) * t + c1) * t + c0
    level = (((5.0 * c5 * t + 4.0 * c4) * t + 3.0 * c3) * t + 2.0 * c2) * t + c1
    share = ((((d5 * t + d4) * t + d3) * t + d2) * t + d1) * t + d0
    return value, level, share


@njit
def find_share_cell(part1: float, part2: float, share_cells: int) -> tuple[int, float, float]:
    """Return the share cell of x = part1^2, where it begins, and its width."""
    if share_cells == 1:
        return 0, 0.0, 1.0
    y = abs(part1) / (abs(part1) + abs(part2))
    share_cell = int(min(share_cells * y, share_cells - 0.5))
    y = share_cell / share_cells
    low = y * y / (y * y + (1.0 - y) * (1.0 - y))
    y = (share_cell + 1) / share_cells
    return share_cell, low, y * y / (y * y + (1.0 - y) * (1.0 - y)) - low


@njit
def fill_features(
    features: Any,
    gradients: Any,
    units: tuple[Any, Any, Any, Any, Any],
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
        units: a (J,), b (J,), sigma(b) (J,), sigma'(b) (J,), at a knot that of the piece on its
            left, and the radii (J, m), finite, m = 1 or 2.
        scales: s_c / sqrt(n_c), shape (Q, m).
        knots: knots of sigma, shape (K,).
        jumps: jumps of its slope there, shape (K,).
        table: coefficients of T.
        per_unit: level cells per unit of w.
    """
    amplitude, offset, base, slope, radii = units
    cells, share_cells, powers = table.shape[0] - 1, table.shape[1], table.shape[2]
    flat = table.reshape(-1)
    two = radii.shape[1] == 2
    wanted = gradients.shape[0] > 0
    first = gradients.shape[2] - radii.shape[1]
    for j in range(radii.shape[0]):
        for q in range(scales.shape[0]):
            rho1 = radii[j, 0] * scales[q, 0]
            rho2 = radii[j, 1] * scales[q, 1] if two else 0.0
            rho = math.hypot(rho1, rho2) if two else abs(rho1)
            # At rho = 0 the neuron is sigma(b), and every direction from there is as good.
            part1 = rho1 / rho if rho > 0.0 else 1.0
            part2 = rho2 / rho if rho > 0.0 else 0.0
            x = part1 * part1
            share_cell, low, width = find_share_cell(part1, part2, share_cells)
            xi = 2.0 * (x - low) / width - 1.0
            value, in_offset, in_rho, in_share = 0.0, slope[j], 0.0, 0.0
            for c in range(knots.shape[0]):
                distance = offset[j] - knots[c]
                # A neuron of rho = 0 on its knot is at the tip of a cone: w = 0.
                w = abs(distance) / rho if distance != 0.0 else 0.0
                position = w * per_unit
                if not position < cells:
                    continue  # T = 0 there
                cell = int(position)
                row = (cell * share_cells + share_cell) * powers * 6
                over, in_t, in_xi = look_up(flat, row, powers, position - cell, xi)
                in_level = in_t * per_unit
                value += jumps[c] * over
                in_offset += jumps[c] * (in_level if distance > 0.0 else -in_level)
                in_rho += jumps[c] * (over - w * in_level)
                in_share += jumps[c] * in_xi
            in_share *= 2.0 / width
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
