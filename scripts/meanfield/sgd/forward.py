"""The pass over all neurons that finishes one sample's pre-activations and makes its prediction.

It is where a block of SGD is sequential: the prediction for a sample enters the pre-activations of
the next ones.  Notation as in `blocks`.
"""

from typing import Any

from numba.extending import register_jitable

from meanfield.compiled import compiler, keep_apart
from meanfield.sgd.activation_kernels import evaluate
from meanfield.sgd.memory import broadcast_element, lanes_of, load, store, store_active
from meanfield.sgd.microkernels import BLOCK, TILE
from meanfield.sgd.vectors import add, broadcast, fma, multiply, tree_sum

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
