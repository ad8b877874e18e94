"""Compiled kernels of exact blocked SGD.

Samples x_1 ... x_B of a block are known in advance, so with the weights W at its start, output
weights a_i (1 for ridge neurons), steps s_k and weight decay gamma_k = 1 - 2 lambda s_k

    z_ik = Gamma_k <w_i, x_k> + sum_{l<k} R_lk G_lk e_l S_il,      G = X X^T,
    S_il = a_il sigma'(z_il),  e_l = 2 s_l (y_l - yhat_l),  yhat_l = (1/N) sum_i a_il sigma(z_il),
    a_i,l+1 = gamma_l a_il + e_l sigma(z_il),   R_lk = prod_{l<m<k} gamma_m,   Gamma_k = R_0k

are the pre-activations of step-by-step SGD (an offset is the weight of one more input, 1), and
W <- Gamma_B W + sum_l R_lB e_l S_l x_l^T at the end of the block.  The factors e, R and Gamma are
put on the small matrices X and G.  Samples whose slopes S vanish in a whole panel of neurons, as
they do where sigma is flat, are left out of that panel's sums.

The bits of a result are fixed by the formulas as follows, however the sums are tiled: each z is one
chain of fused multiply-adds over the inputs and then over the earlier samples of its block, each
weight one chain over the samples; sum_i a_i sigma(z_i) is taken in TILE partial sums (neuron i in
sum i % TILE, in increasing i) and then halved as a tree.  STEPS and TILE belong to that
specification.
"""

from typing import Any

import numpy as np
from numba.extending import register_jitable

from meanfield.compiled import compiler
from meanfield.sgd.forward import GROUP, finish_outer, predict
from meanfield.sgd.memory import active_bits, lanes_of, load, pointer_or_none, pointer_to, store
from meanfield.sgd.microkernels import BLOCK, STEPS, TILE, add_history, add_inputs, combine, gram
from meanfield.sgd.vectors import broadcast, multiply

njit = compiler(__file__)


@njit
def scale_rows(rows: Any, start: int, count: int, factor: Any) -> None:
    """Multiply ``count`` rows from the element ``start`` on by a factor."""
    gamma = broadcast(factor)
    for i in range(start, start + count * TILE, lanes_of(rows)):
        store(rows, i, multiply(gamma, load(rows, i)))


@njit
def _take_samples(
    samples: Any, start: int, inputs: int, dimension: int, x: Any, first: int, count: int
) -> None:
    """Copy ``count`` samples, padded with zeros to BLOCK, to the element ``start`` of samples."""
    # By pointer: an index into an array might be negative, which keeps the loop from vectorizing.
    source, length = pointer_to(x), x.shape[1]
    for j in range(inputs):
        row, at = start + j * BLOCK, j * length + first
        for k in range(count):
            samples[row + k] = source[at + k] if j < dimension else 1
        for k in range(count, BLOCK):
            samples[row + k] = 0


@njit
def _decay_ratios(gammas: Any, ratios: Any) -> None:
    """ratios[l, k] = R_lk = prod_{l<m<k} gamma_m for l < k; row 0 is sample "-1": Gamma_k.

    Args:
        gammas: (n,) with n <= BLOCK.
        ratios: (BLOCK + 1, BLOCK + 1), written for l <= k <= n, where row l is sample l - 1.
    """
    for l in range(gammas.size + 1):  # noqa: E741
        ratios[l, l] = 1.0
        for k in range(l, gammas.size):
            ratios[l, k + 1] = ratios[l, k] * gammas[k]


@njit
def _scale_samples(x: Any, start: int, inputs: int, e: Any) -> None:
    """Multiply the samples of the block that starts at an element of x by their factors e."""
    lanes = lanes_of(x)
    for shift in range(0, BLOCK, lanes):
        factor = load(e, shift)
        for i in range(start + shift, start + inputs * BLOCK, BLOCK):
            store(x, i, multiply(load(x, i), factor))


@register_jitable(forceinline=True)
def _chosen(active: Any, p: int, panels: int, passes: int, count: int) -> int:
    """Return the set, bit by bit, of the first ``count`` samples with slopes in panel p."""
    first = -1 if count == 64 else (1 << count) - 1
    if active is None:
        return first
    chosen = 0
    for q in range(passes):
        chosen |= active_bits(active, (q * panels + p) * BLOCK, BLOCK)
    return chosen & first


@njit
def _update(
    rows: Any, base: int, inputs: int, x: Any, x_index: int, chosen: int, shrink: Any
) -> None:
    """W <- shrink W + sum_{l in chosen} e_l S_l x_l^T in a panel; the factors are on x already."""
    if shrink != 1:
        scale_rows(rows, base, inputs, shrink)
    add_inputs(rows, base, inputs, rows, base + inputs * TILE, x, x_index, chosen)


@njit
def advance(
    panels: Any, x: Any, y: Any, first: int, count: int, rates: Any, gammas: Any, skip: int,
    squares: float, activation: Any,
) -> Any:  # fmt: skip
    """Run SGD for some steps from a block boundary.

    Args:
        panels: the network, changed in place.
        x: coordinates (d or more, n) by sample.
        y: labels (n,).
        first: sample of the first step.
        count: number of steps.
        rates: 2 s_k of the steps, (count,), of the type of the weights.
        gammas: 1 - 2 lambda s_k, (count,) float64; empty without weight decay.
        skip: number of first steps that do not enter ``squares``.
        squares: sum of (y - yhat)^2 so far.
        activation: sigma, see `evaluate`.

    Returns:
        Steps done, fewer than ``count`` if one's prediction is not finite; and the sum of squares.
    """
    g, inputs, outer = panels.g, panels.inputs, panels.outer
    number = g.dtype.type
    # Kernels get pointers: around a call with arrays their references are counted, and each takes
    # seven words.
    rows, samples, factors = pointer_to(panels.rows), pointer_to(panels.x), pointer_to(g)
    mask, sums, weights = pointer_to(panels.mask), pointer_to(panels.sums), pointer_or_none(outer)
    active, passes = pointer_or_none(panels.active), TILE // (2 * lanes_of(rows))
    number_of_panels = panels.rows.size // panels.stride
    below = inputs * TILE
    decaying = gammas.size > 0
    ratios = np.empty((BLOCK + 1, BLOCK + 1))
    e, errors = panels.errors, pointer_to(panels.errors)
    e[:] = 0.0
    error, shrink, block_shrink = number(0), number(1), number(1)
    previous = 0
    current = 0
    for start in range(0, count, STEPS):
        n = min(STEPS, count - start)
        last, current = current, inputs * BLOCK - current
        hidden = current
        _take_samples(samples, current, inputs, panels.dimension, x, first + start, n)
        gram(factors, samples, current, inputs)
        if decaying:
            hidden = 2 * inputs * BLOCK
            _decay_ratios(gammas[start : start + n], ratios)
            for l in range(n):  # noqa: E741
                for k in range(l + 1, n):
                    g[l * BLOCK + k] *= number(ratios[l + 1, k])
            for j in range(inputs):
                for k in range(n):
                    at = j * BLOCK + k
                    panels.x[hidden + at] = panels.x[current + at] * number(ratios[0, k])
        for p in range(number_of_panels):
            base = p * panels.stride
            if previous > 0:
                chosen = _chosen(active, p, number_of_panels, passes, previous)
                _update(rows, base, inputs, samples, last, chosen, block_shrink)
            combine(rows, base + below, STEPS, rows, base, inputs, samples, hidden)
        for k in range(n):
            group = k // GROUP * GROUP
            if k == group and k > 0:
                for p in range(number_of_panels):
                    base = p * panels.stride + below
                    chosen = _chosen(active, p, number_of_panels, passes, k)
                    add_history(rows, base + k * TILE, GROUP, rows, base, factors, k, chosen)
            total = predict(
                rows, panels.stride, panels.neurons, inputs + k, k - group, factors,
                group * BLOCK + k, weights, error, shrink, mask, sums, activation, active, k,
            )  # fmt: skip
            residual = y[first + start + k] - total / number(panels.neurons)
            error = rates[start + k] * residual
            if not np.isfinite(error):
                return start + k, squares
            if start + k >= skip:
                squares += np.float64(residual) * np.float64(residual)
            scale_rows(factors, k * BLOCK, BLOCK // TILE, error)
            e[k] = error
            if decaying:
                shrink = number(gammas[start + k])
        if decaying:
            for k in range(n):
                e[k] *= number(ratios[k + 1, n])
            block_shrink = number(ratios[0, n])
        _scale_samples(samples, current, inputs, errors)
        previous = n
    if previous > 0:
        for p in range(number_of_panels):
            chosen = _chosen(active, p, number_of_panels, passes, previous)
            _update(rows, p * panels.stride, inputs, samples, current, chosen, block_shrink)
        finish_outer(outer, error, shrink)
    return count, squares
