"""Compiled evaluation of a tabulated spherical mean at all pairs of radii and data norms.

The plain version is `TabulatedMean.value_and_slope`.
"""

from typing import Any

import numpy as np

from meanfield.compiled import compiler

njit = compiler(__file__)

_BLOCK = 1024
"""Radii at a time, so that what is kept of them stays in a core's first cache."""


@njit
def fill_ridge(
    value: Any, slope: Any, radii: Any, norms: Any, table: Any, scale: Any, growth: Any
) -> None:
    """Fill in phi(r_j; s_q) = g(r_j s_q) and its derivative in r_j.

    Args:
        value: filled, (Q, J).
        slope: filled, (Q, J).
        radii: r_j, not NaN, (J,); g extends evenly to r < 0.
        norms: s_q > 0, (Q,).
        table: coefficients of the cells, constant term first, (n + 1, 4).
        scale: the point z where w = scale / (scale + z) is 1/2.
        growth: slope of g at infinity.
    """
    cells = table.shape[0] - 1
    top, atoms = cells * scale, radii.size
    positions, indices = np.empty(_BLOCK), np.empty(_BLOCK, np.int32)
    for start in range(0, atoms, _BLOCK):
        count = min(_BLOCK, atoms - start)
        for q in range(norms.size):
            s = norms[q]
            # A loop of its own, so that the divisions are done several at a time.
            for k in range(count):
                position = top / (scale + s * abs(radii[start + k]))
                positions[k] = position
                indices[k] = np.int32(position)
            for k in range(count):
                index, position, radius = indices[k], positions[k], radii[start + k]
                t = position - index
                cubic = table[index, 3] * t
                mean = ((cubic + table[index, 2]) * t + table[index, 1]) * t + table[index, 0]
                rise = (3 * cubic + 2 * table[index, 2]) * t + table[index, 1]
                # d(n w)/dz = -n w^2 / scale = -position^2 / (n scale)
                rise = s * (growth - rise * position * position / top)
                value[q, start + k] = mean
                slope[q, start + k] = rise if radius >= 0 else -rise
            if growth != 0:
                for k in range(count):
                    value[q, start + k] += growth * s * abs(radii[start + k])
