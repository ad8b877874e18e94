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
sum i % TILE, in increasing i) and then halved as a tree.  BLOCK and TILE belong to that
specification.
"""

from typing import Any

import numpy as np
from numba.extending import register_jitable

from meanfield.compiled import compiler
from meanfield.sgd.activation_kernels import evaluate
from meanfield.sgd.microkernels import BLOCK, TILE, add_history, add_inputs, combine
from meanfield.sgd.vectors import (
    active_bits,
    add,
    broadcast,
    broadcast_element,
    fma,
    keep_apart,
    lanes_of,
    load,
    multiply,
    pointer_or_none,
    pointer_to,
    store,
    store_active,
    tree_sum,
)

njit = compiler(__file__)

GROUP = 8
"""Samples whose mutual history is added while their predictions are made."""


@register_jitable(forceinline=True)
def _renew(outer: Any, i: int, latest: int, value: Any, error: Any, shrink: Any) -> Any:
    """Bring a vector of output weights up to date, put by the new values, and return it."""
    a = fma(error, load(outer, latest + i), multiply(shrink, load(outer, i)))
    store(outer, i, a)
    store(outer, latest + i, value)
    return a


@njit
def _predict(
    rows: Any, stride: int, first: int, last: int, row: int, inner: int, factors: Any,
    factor_index: int, outer: Any, latest: int, error: Any, shrink: Any, mask: Any,
    mask_index: int, sums: Any, activation: Any, active: Any, active_index: int, panels: int,
) -> None:  # fmt: skip
    """Finish z of one sample in some panels, add its values to sums and leave its slopes S.

    z = rows[row] + sum_{m < inner} factors[m BLOCK] rows[row - inner + m],
    rows[row] = a sigma'(z).

    Output weights are brought up to date first: a <- shrink a + error sigma(previous z).

    Args:
        rows: pointer to the panels.
        stride: numbers of a panel.
        first: first panel.
        last: panel after the last one.
        row: row of the sample in a panel.
        inner: number of earlier samples in its group, below GROUP.
        factors: pointer to their factors R_lk G_lk e_l, BLOCK numbers apart.
        factor_index: the first of them.
        outer: None, or pointer to output weights and previous values.
        latest: where in outer the previous values start.
        error: e of the previous sample.
        shrink: gamma of the previous sample.
        mask: pointer to ones for neurons and zeros for padding.
        mask_index: where the mask of these panels starts.
        sums: pointer to TILE partial sums, changed.
        activation: sigma, see `evaluate`.
        active: None, or pointer to the bits of `Panels.active`.
        active_index: number of the sample in its block.
        panels: number of panels.
    """
    keep_apart()
    lanes = lanes_of(rows)
    e, gamma = broadcast(error), broadcast(shrink)
    f0 = broadcast_element(factors, factor_index)
    f1 = broadcast_element(factors, factor_index + BLOCK) if inner > 1 else f0
    f2 = broadcast_element(factors, factor_index + 2 * BLOCK) if inner > 2 else f0
    f3 = broadcast_element(factors, factor_index + 3 * BLOCK) if inner > 3 else f0
    f4 = broadcast_element(factors, factor_index + 4 * BLOCK) if inner > 4 else f0
    f5 = broadcast_element(factors, factor_index + 5 * BLOCK) if inner > 5 else f0
    f6 = broadcast_element(factors, factor_index + 6 * BLOCK) if inner > 6 else f0
    # Two vectors at a time, so that neither waits for the other's sum.
    for shift in range(0, TILE, 2 * lanes):
        total, other_total = load(sums, shift), load(sums, shift + lanes)
        keep, other_keep = load(mask, mask_index + shift), load(mask, mask_index + shift + lanes)
        for p in range(first, last):
            at = p * stride + row * TILE + shift
            early = at - inner * TILE
            z, other = load(rows, at), load(rows, at + lanes)
            if inner > 0:
                z = fma(f0, load(rows, early), z)
                other = fma(f0, load(rows, early + lanes), other)
            if inner > 1:
                z = fma(f1, load(rows, early + TILE), z)
                other = fma(f1, load(rows, early + TILE + lanes), other)
            if inner > 2:
                z = fma(f2, load(rows, early + 2 * TILE), z)
                other = fma(f2, load(rows, early + 2 * TILE + lanes), other)
            if inner > 3:
                z = fma(f3, load(rows, early + 3 * TILE), z)
                other = fma(f3, load(rows, early + 3 * TILE + lanes), other)
            if inner > 4:
                z = fma(f4, load(rows, early + 4 * TILE), z)
                other = fma(f4, load(rows, early + 4 * TILE + lanes), other)
            if inner > 5:
                z = fma(f5, load(rows, early + 5 * TILE), z)
                other = fma(f5, load(rows, early + 5 * TILE + lanes), other)
            if inner > 6:
                z = fma(f6, load(rows, early + 6 * TILE), z)
                other = fma(f6, load(rows, early + 6 * TILE + lanes), other)
            value, slope = evaluate(activation, z)
            other_value, other_slope = evaluate(activation, other)
            if outer is None:
                total = fma(value, keep, total)
                other_total = fma(other_value, other_keep, other_total)
            else:
                i = p * TILE + shift
                value = multiply(value, keep)
                other_value = multiply(other_value, other_keep)
                a = _renew(outer, i, latest, value, e, gamma)
                other_a = _renew(outer, i + lanes, latest, other_value, e, gamma)
                total = fma(a, value, total)
                other_total = fma(other_a, other_value, other_total)
                slope, other_slope = multiply(a, slope), multiply(other_a, other_slope)
            store(rows, at, slope)
            store(rows, at + lanes, other_slope)
            if active is not None:
                pass_start = shift // (2 * lanes) * panels
                store_active(active, (pass_start + p) * BLOCK + active_index, slope, other_slope)
        store(sums, shift, total)
        store(sums, shift + lanes, other_total)


@njit
def predict(
    rows: Any, stride: int, neurons: int, row: int, inner: int, factors: Any, factor_index: int,
    outer: Any, error: Any, shrink: Any, mask: Any, sums: Any, activation: Any, active: Any = None,
    active_index: int = 0,
) -> Any:  # fmt: skip
    """Finish z of one sample, leave its slopes, and return the sum of its values; see `_predict`.

    Args:
        rows: pointer to the panels.
        stride: numbers of a panel.
        neurons: N.
        row: row of the sample in a panel.
        inner: number of earlier samples in its group, below GROUP.
        factors: pointer to their factors.
        factor_index: the first of them.
        outer: None, or pointer to output weights and previous values.
        error: e of the previous sample.
        shrink: gamma of the previous sample.
        mask: pointer to the masks of a full panel and of the last one.
        sums: pointer to scratch, TILE numbers.
        activation: sigma, see `evaluate`.
        active: None, or pointer to the bits of `Panels.active`, which are set for the sample.
        active_index: number of the sample in its block.

    Returns:
        sum_i a_i sigma(z_i).
    """
    lanes = lanes_of(rows)
    full = neurons // TILE
    panels = (neurons + TILE - 1) // TILE
    latest = panels * TILE
    zero = broadcast(error - error)
    for q in range(0, TILE, lanes):
        store(sums, q, zero)
    _predict(
        rows, stride, 0, full, row, inner, factors, factor_index, outer, latest, error, shrink,
        mask, 0, sums, activation, active, active_index, panels,
    )  # fmt: skip
    if full * TILE < neurons:
        _predict(
            rows, stride, full, full + 1, row, inner, factors, factor_index, outer, latest, error,
            shrink, mask, TILE, sums, activation, active, active_index, panels,
        )  # fmt: skip
        for q in range(0, TILE, lanes):
            at = full * stride + row * TILE + q
            store(rows, at, multiply(load(rows, at), load(mask, TILE + q)))
    half = TILE // 2
    while half >= lanes:
        for q in range(0, half, lanes):
            store(sums, q, add(load(sums, q), load(sums, q + half)))
        half //= 2
    return tree_sum(load(sums, 0))


@njit
def finish_outer(outer: Any, error: Any, shrink: Any) -> None:
    """Bring output weights up to date after the last sample: a <- shrink a + error sigma(z)."""
    if outer is not None:
        half = outer.size // 2
        e, gamma = broadcast(error), broadcast(shrink)
        for i in range(0, half, lanes_of(outer)):
            store(outer, i, fma(e, load(outer, half + i), multiply(gamma, load(outer, i))))


@njit
def scale_rows(rows: Any, start: int, count: int, factor: Any) -> None:
    """Multiply ``count`` rows from the element ``start`` on by a factor."""
    gamma = broadcast(factor)
    for i in range(start, start + count * TILE, lanes_of(rows)):
        store(rows, i, multiply(gamma, load(rows, i)))


@njit
def _take_samples(panels: Any, start: int, x: Any, first: int, count: int) -> None:
    """Copy ``count`` samples, padded with zeros to BLOCK, to the element ``start`` of panels.x."""
    block = panels.x[start : start + panels.inputs * BLOCK].reshape((panels.inputs, BLOCK))
    for j in range(panels.dimension):
        for k in range(count):
            block[j, k] = x[j, first + k]
    for j in range(panels.dimension, panels.inputs):
        block[j, :count] = 1.0
    if count < BLOCK:
        block[:, count:] = 0.0


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
def _update(panels: Any, p: int, chosen: int, x_index: int, shrink: Any) -> None:
    """W <- shrink W + sum_{l in chosen} e_l S_l x_l^T in panel p; the factors are on x already."""
    base = p * panels.stride
    if shrink != 1:
        scale_rows(panels.rows, base, panels.inputs, shrink)
    add_inputs(
        panels.rows, base, panels.inputs, panels.rows, base + panels.inputs * TILE, panels.x,
        x_index, chosen,
    )  # fmt: skip


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
    rows, g, inputs, outer = panels.rows, panels.g, panels.inputs, panels.outer
    number = rows.dtype.type
    pointer, factors, weights = pointer_to(rows), pointer_to(g), pointer_or_none(outer)
    mask, sums = pointer_to(panels.mask), pointer_to(panels.sums)
    active, passes = pointer_or_none(panels.active), TILE // (2 * lanes_of(rows))
    number_of_panels = rows.size // panels.stride
    below = inputs * TILE
    decaying = gammas.size > 0
    ratios = np.empty((BLOCK + 1, BLOCK + 1))
    e = panels.errors
    e[:] = 0.0
    error, shrink, block_shrink = number(0), number(1), number(1)
    previous = 0
    current = 0
    for start in range(0, count, BLOCK):
        n = min(BLOCK, count - start)
        last, current = current, inputs * BLOCK - current
        hidden = current
        _take_samples(panels, current, x, first + start, n)
        combine(g, 0, BLOCK, panels.x, current, inputs, panels.x, current)
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
                _update(panels, p, chosen, last, block_shrink)
            combine(rows, base + below, BLOCK, rows, base, inputs, panels.x, hidden)
        for k in range(n):
            group = k // GROUP * GROUP
            if k == group and k > 0:
                for p in range(number_of_panels):
                    base = p * panels.stride + below
                    chosen = _chosen(active, p, number_of_panels, passes, k)
                    add_history(rows, base + k * TILE, GROUP, rows, base, g, k, chosen)
            total = predict(
                pointer, panels.stride, panels.neurons, inputs + k, k - group, factors,
                group * BLOCK + k, weights, error, shrink, mask, sums, activation, active, k,
            )  # fmt: skip
            residual = y[first + start + k] - total / number(panels.neurons)
            error = rates[start + k] * residual
            if not np.isfinite(error):
                return start + k, squares
            if start + k >= skip:
                squares += np.float64(residual) * np.float64(residual)
            scale_rows(g, k * BLOCK, 1, error)
            e[k] = error
            if decaying:
                shrink = number(gammas[start + k])
        if decaying:
            for k in range(n):
                e[k] *= number(ratios[k + 1, n])
            block_shrink = number(ratios[0, n])
        _scale_samples(panels.x, current, inputs, e)
        previous = n
    if previous > 0:
        for p in range(number_of_panels):
            chosen = _chosen(active, p, number_of_panels, passes, previous)
            _update(panels, p, chosen, current, block_shrink)
        finish_outer(outer, error, shrink)
    return count, squares
