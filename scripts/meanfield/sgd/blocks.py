"""Compiled kernels of exact blocked SGD for ridge neurons with a piecewise linear activation.

Samples x_1 ... x_B of a block are known in advance, so with the weights W at its start

    z_ik = <w_i, x_k> + sum_{l<k} G_lk c_il,   G = X X^T,   c_il = e_l sigma'(z_il),
    e_l = 2 s (y_l - yhat_l),   yhat_l = (1/N) sum_i sigma(z_il),   and W += C^T X at the end

are the iterates of step-by-step SGD.  The bits of a result are fixed by the formulas as follows,
whatever the tiling: each z is one chain of fused multiply-adds over the coordinates of x and then
over the earlier samples of its block, each weight one chain over the samples; sum_i sigma(z_i) is
taken in LANES partial sums (neuron i in sum i % LANES, in increasing i) and then halved as a tree.
BLOCK is part of that specification.

Neurons lie in panels of TILE neurons.  Rows 0 ... D-1 of a panel hold weights (D = d rounded up to
a multiple of GROUP, the rest zero), rows D ... D+BLOCK-1 hold z, then sigma'(z), of each sample.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from meanfield.compiled import compiler
from meanfield.random import LABEL, SAMPLE, fill_labels, fill_normals

njit = compiler(__file__)

BLOCK = 32
"""Samples of a block: block b holds steps BLOCK * b ... BLOCK * (b + 1) - 1."""
GROUP = 4
"""Rows that one kernel reads and writes at a time."""
LANES = 32
"""Partial sums of sum_i sigma(z_i)."""
TILE = 160
"""Neurons of a panel, a multiple of LANES."""

_SAMPLE = np.uint64(SAMPLE)
_LABEL = np.uint64(LABEL)


def _fma(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """Type and generate the fused multiply-add a b + c, rounded once on every CPU."""
    if not (isinstance(a, types.Float) and a == b == c):
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return a(a, a, a), generate


fma: Any = intrinsic(_fma)


@njit
def multiply_add(panel: Any, out: int, outs: int, first: int, count: int, factor: Any) -> None:
    """Add linear combinations of rows of a panel to other rows of it.

    panel[out + k] += sum_j factor[j, k] panel[first + j], in increasing j < count, for k < outs.

    Args:
        panel: flat array of rows of TILE neurons.
        out: first row written.
        outs: number of rows written, a multiple of GROUP.
        first: first row read.
        count: number of rows read, a multiple of GROUP.
        factor: array (count, outs) or larger.
    """
    for j in range(0, count, GROUP):
        source = panel[(first + j) * TILE : (first + j + GROUP) * TILE]
        for k in range(0, outs, GROUP):
            target = panel[(out + k) * TILE : (out + k + GROUP) * TILE]
            f00, f01, f02, f03 = factor[j, k], factor[j, k + 1], factor[j, k + 2], factor[j, k + 3]
            f10, f11, f12, f13 = (
                factor[j + 1, k], factor[j + 1, k + 1], factor[j + 1, k + 2], factor[j + 1, k + 3],
            )  # fmt: skip
            f20, f21, f22, f23 = (
                factor[j + 2, k], factor[j + 2, k + 1], factor[j + 2, k + 2], factor[j + 2, k + 3],
            )  # fmt: skip
            f30, f31, f32, f33 = (
                factor[j + 3, k], factor[j + 3, k + 1], factor[j + 3, k + 2], factor[j + 3, k + 3],
            )  # fmt: skip
            for i in range(TILE):
                a, b = source[i], source[i + TILE]
                c, d = source[i + 2 * TILE], source[i + 3 * TILE]
                t0, t1 = target[i], target[i + TILE]
                t2, t3 = target[i + 2 * TILE], target[i + 3 * TILE]
                target[i] = fma(f30, d, fma(f20, c, fma(f10, b, fma(f00, a, t0))))
                target[i + TILE] = fma(f31, d, fma(f21, c, fma(f11, b, fma(f01, a, t1))))
                target[i + 2 * TILE] = fma(f32, d, fma(f22, c, fma(f12, b, fma(f02, a, t2))))
                target[i + 3 * TILE] = fma(f33, d, fma(f23, c, fma(f13, b, fma(f03, a, t3))))


@njit
def gram(x: Any, g: Any) -> None:
    """G = X X^T for the block: g[l, k] = sum_j x[j, l] x[j, k], in increasing j.

    Args:
        x: (D, BLOCK) coordinates by sample.
        g: (BLOCK, BLOCK), written.
    """
    g[:] = 0.0
    for j in range(0, x.shape[0], GROUP):
        a, b, c, d = x[j], x[j + 1], x[j + 2], x[j + 3]
        for l in range(BLOCK):  # noqa: E741
            row = g[l]
            p, q, r, s = a[l], b[l], c[l], d[l]
            for k in range(BLOCK):
                row[k] = fma(s, d[k], fma(r, c[k], fma(q, b[k], fma(p, a[k], row[k]))))


@njit
def predict(panel: Any, row: int, inner: int, factor: Any, pieces: Any, values: Any) -> None:
    """Finish z of one sample from the earlier ones of its group; leave sigma(z) and sigma'(z).

    z = panel[row] + sum_{m < inner} factor[m] panel[row - inner + m]; values = sigma(z);
    panel[row] = sigma'(z).  sigma is chosen by selection, without branches.

    Args:
        panel: flat array of rows of TILE neurons.
        row: row of the sample, relative to the panel.
        inner: number of earlier samples in the group, below GROUP.
        factor: G_lk e_l for those samples, (inner,) or longer.
        pieces: (first slope, first intercept), ((knot, slope, intercept) of the later pieces).
        values: (TILE,), written.
    """
    z = panel[row * TILE : (row + 1) * TILE]
    (first_slope, first_intercept), later = pieces
    if inner > 0:
        earlier = panel[(row - inner) * TILE : (row - inner + 1) * TILE]
        f0 = factor[0]
        for i in range(TILE):
            z[i] = fma(f0, earlier[i], z[i])
    if inner > 1:
        earlier = panel[(row - inner + 1) * TILE : (row - inner + 2) * TILE]
        f0 = factor[1]
        for i in range(TILE):
            z[i] = fma(f0, earlier[i], z[i])
    if inner > 2:
        earlier = panel[(row - inner + 2) * TILE : (row - inner + 3) * TILE]
        f0 = factor[2]
        for i in range(TILE):
            z[i] = fma(f0, earlier[i], z[i])
    for i in range(TILE):
        t = z[i]
        slope = first_slope
        intercept = first_intercept
        for knot, next_slope, next_intercept in later:
            slope = next_slope if t > knot else slope
            intercept = next_intercept if t > knot else intercept
        values[i] = fma(slope, t, intercept)
        z[i] = slope


@njit
def add_values(values: Any, sums: Any) -> None:
    """sums[q] += values[q + LANES c] for c = 0, 1, ... in that order.

    Args:
        values: (TILE,).
        sums: (LANES,), changed.
    """
    for q in range(LANES):
        total = sums[q]
        for c in range(TILE // LANES):
            total += values[c * LANES + q]
        sums[q] = total


@njit
def tree_sum(sums: Any) -> Any:
    """Sum of LANES numbers, folded in halves: q and q + 16, then q and q + 8, and so on.

    Args:
        sums: (LANES,), destroyed.

    Returns:
        The sum.
    """
    half = LANES // 2
    while half > 0:
        for q in range(half):
            sums[q] += sums[q + half]
        half //= 2
    return sums[0]


@njit
def advance(
    panels: Any, neurons: int, dimension: int, first_step: int, steps: int, k0: Any, k1: Any,
    rate: Any, scales: Any, pieces: Any,
) -> int:  # fmt: skip
    """Run SGD for some steps from a block boundary, drawing the data of each block.

    Args:
        panels: (P, (D + BLOCK) * TILE) panels, their weights changed in place.
        neurons: N; later neurons of the last panel are padding and enter no prediction.
        dimension: d.
        first_step: first step, a multiple of BLOCK.
        steps: number of steps; only the last block may be partial.
        k0: low key word of the seed, uint64.
        k1: high key word of the seed, uint64.
        rate: 2 s, in the precision of the panels.
        scales: standard deviation of the inputs for labels +1 and -1, in that precision.
        pieces: the activation, as in `predict`.

    Returns:
        Steps done: `steps`, or less if the prediction of the next one is not finite; the weights
        are then those of the beginning of its block.
    """
    rows = (dimension + GROUP - 1) // GROUP * GROUP
    x = np.empty((rows, BLOCK), panels.dtype)
    g = np.empty((BLOCK, BLOCK), panels.dtype)
    y = np.empty(BLOCK, panels.dtype)
    e = np.empty(BLOCK, panels.dtype)
    factor = np.zeros(GROUP, panels.dtype)
    sums = np.empty(LANES, panels.dtype)
    values = np.empty(TILE, panels.dtype)
    width = panels.dtype.type(neurons)
    for start in range(0, steps, BLOCK):
        count = min(BLOCK, steps - start)
        step = np.uint64(first_step + start)
        fill_normals(x, k0, k1, _SAMPLE, step)
        fill_labels(y, k0, k1, _LABEL, step)
        x[dimension:] = 0.0
        for j in range(dimension):
            for k in range(BLOCK):
                x[j, k] *= scales[0] if y[k] > 0 else scales[1]
        x[:, count:] = 0.0
        e[:] = 0.0
        gram(x, g)
        for p in range(panels.shape[0]):
            panel = panels[p]
            panel[rows * TILE :] = 0.0
            multiply_add(panel, rows, BLOCK, 0, rows, x)
        for k in range(count):
            group = k // GROUP * GROUP
            inner = k - group
            if inner == 0 and k > 0:
                for p in range(panels.shape[0]):
                    multiply_add(panels[p], rows + k, GROUP, rows, k, g[:, k : k + GROUP])
            for m in range(inner):
                factor[m] = g[group + m, k]
            sums[:] = 0.0
            for p in range(panels.shape[0]):
                predict(panels[p], rows + k, inner, factor, pieces, values)
                if (p + 1) * TILE > neurons:
                    values[neurons - p * TILE :] = 0.0
                add_values(values, sums)
            e[k] = rate * (y[k] - tree_sum(sums) / width)
            if not np.isfinite(e[k]):
                return start + k
            for l in range(BLOCK):  # noqa: E741
                g[k, l] *= e[k]
        for j in range(rows):
            for k in range(BLOCK):
                x[j, k] *= e[k]
        for p in range(panels.shape[0]):
            multiply_add(panels[p], 0, rows, rows, BLOCK, x.T)
    return steps
