"""Compiled look-up of the orbit means of smooth neurons in their table, with gradients.

The same sums as `meanfield.tabulated_mean.TabulatedOrbitMean.plain`, without its temporaries; a
test holds the two together.
"""

import math
from typing import Any

import numpy as np

from meanfield.bent_kernel import find_share_cell
from meanfield.compiled import compiler

njit = compiler(__file__)


@njit
def _collapse(rows: Any, at: float, value: Any, slope: Any) -> None:
    """Horner's rule for polynomials side by side: rows are coefficients.

    With its derivative, unless slope is empty.
    """
    top = rows[rows.shape[0] - 1]
    for i in range(value.shape[0]):
        value[i] = top[i]
    for i in range(slope.shape[0]):
        slope[i] = 0.0
    for step in range(2, rows.shape[0] + 1):
        # A row by itself: its indices are known not to be negative, so the loop is vectorized.
        row = rows[rows.shape[0] - step]
        for i in range(slope.shape[0]):
            slope[i] = slope[i] * at + value[i]
        for i in range(value.shape[0]):
            value[i] = value[i] * at + row[i]


@njit
def fill_tabulated(
    features: Any,
    gradients: Any,
    units: tuple[Any, Any, Any],
    scales: Any,
    ends: tuple[float, float],
    table: Any,
    per_unit: float,
    bend: float,
) -> None:
    """Fill in phi and, unless `gradients` is empty, its gradients.

    Args:
        features: out, shape (J, Q).
        gradients: out, shape (J, Q, k), with k = m for ridges and m + 2 for perceptrons, whose
            first two are those in a and b; or (0, 0, 0).
        units: a (J,), b (J,) and the radii (J, m), finite, m = 1 or 2.
        scales: s_c / sqrt(n_c), shape (Q, m).
        ends: limits of sigma.
        table: coefficients of G (`meanfield.tabulated_mean.SmoothTable`).
        per_unit: offset cells per unit of beta.
        bend: c.
    """
    amplitude, offset, radii = units
    low, high = ends
    grows = math.isinf(high)
    spread_cells, cells, share_cells = table.shape[0], table.shape[1] - 1, table.shape[2]
    powers, spread_powers, offset_powers = table.shape[3], table.shape[4], table.shape[5]
    blocks = table.reshape(-1, powers, spread_powers * offset_powers)
    # G and its derivatives in xi and t, once it is collapsed in xi, and in t.
    value, in_xi = np.empty(blocks.shape[2]), np.empty(blocks.shape[2])
    values = value.reshape(spread_powers, offset_powers)
    slopes = in_xi.reshape(spread_powers, offset_powers)
    last, last_xi, last_t = np.empty((3, offset_powers))
    none = np.empty(0)
    two = radii.shape[1] == 2
    wanted = gradients.shape[0] > 0
    first = gradients.shape[2] - radii.shape[1]
    for j in range(radii.shape[0]):
        b = offset[j]
        sign = 1.0 if grows or b >= 0.0 else -1.0
        for q in range(scales.shape[0]):
            rho1 = radii[j, 0] * scales[q, 0]
            rho2 = radii[j, 1] * scales[q, 1] if two else 0.0
            rho = math.hypot(rho1, rho2) if two else abs(rho1)
            # At rho = 0 the neuron is sigma(b), and every direction from there is as good.
            part1 = rho1 / rho if rho > 0.0 else 1.0
            part2 = rho2 / rho if rho > 0.0 else 0.0
            length = math.hypot(bend, rho)
            spread = rho / length * (rho / (length + bend))
            position = abs(b) / length * per_unit
            g = in_beta = in_spread = in_share = 0.0
            if position < cells and spread <= 1.0:
                x = part1 * part1
                share_cell, begin, width = find_share_cell(part1, part2, share_cells)
                xi = 2.0 * (x - begin) / width - 1.0
                cell = int(position)
                eta = 2.0 * (position - cell) - 1.0
                spread_cell = min(int(spread * spread_cells), spread_cells - 1)
                t = spread * spread_cells - spread_cell
                block = blocks[(spread_cell * (cells + 1) + cell) * share_cells + share_cell]
                if wanted:
                    _collapse(block, xi, value, in_xi)
                    _collapse(values, t, last, last_t)
                    _collapse(slopes, t, last_xi, none)
                else:
                    _collapse(block, xi, value, none)
                    _collapse(values, t, last, none)
                g = last[offset_powers - 1]
                if wanted:
                    in_spread = last_t[offset_powers - 1]
                    in_share = last_xi[offset_powers - 1]
                    for power in range(2, offset_powers + 1):
                        in_beta = in_beta * eta + g
                        g = g * eta + last[offset_powers - power]
                        in_spread = in_spread * eta + last_t[offset_powers - power]
                        in_share = in_share * eta + last_xi[offset_powers - power]
                    in_beta *= 2.0 * per_unit
                    in_spread *= (1.0 - spread) * spread_cells
                    in_share *= 2.0 / width
                else:
                    for power in range(2, offset_powers + 1):
                        g = g * eta + last[offset_powers - power]
            elif not position >= cells:
                g = math.nan  # so is rho or b
            unit = length if grows else 1.0
            mean = (max(b, 0.0) if grows else high if b >= 0.0 else low) + sign * unit * g
            features[j, q] = amplitude[j] * mean
            if wanted:
                if first == 2:
                    gradients[j, q, 0] = mean
                    in_offset = unit / length * in_beta
                    if grows:
                        in_offset = 1.0 + in_offset if b >= 0.0 else -in_offset
                    gradients[j, q, 1] = amplitude[j] * in_offset
                inner = in_spread - position / per_unit * in_beta
                if grows:
                    inner += g
                in_rho = sign * unit / length * (rho / length) * inner
                # in_share vanishes with rho.
                turn = 2.0 * sign * unit * in_share / rho if rho > 0.0 else 0.0
                outer = amplitude[j] * part1 * scales[q, 0]
                gradients[j, q, first] = outer * (in_rho + part2 * part2 * turn)
                if two:
                    outer = amplitude[j] * part2 * scales[q, 1]
                    gradients[j, q, first + 1] = outer * (in_rho - part1 * part1 * turn)
