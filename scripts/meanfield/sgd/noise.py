"""Compiled noisy SGD, step by step: drawing the noise takes the time, blocks would gain nothing.

theta_i <- gamma_k theta_i + 2 s_k (y_k - yhat_k) grad sigma_*(x_k; theta_i)
               + sqrt(4 s_k / beta) g_ik
"""

from typing import Any

import numpy as np

from meanfield.compiled import compiler, use_widest_vectors
from meanfield.random import NOISE, four_normals, philox
from meanfield.sgd.blocks import scale_rows
from meanfield.sgd.forward import finish_outer, predict
from meanfield.sgd.memory import pointer_or_none, pointer_to
from meanfield.sgd.microkernels import BLOCK, TILE, add_inputs, combine

njit = compiler(__file__)

_NOISE = np.uint64(NOISE)
_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@njit
def _fill_noise(out: Any, first: Any, k0: Any, k1: Any, step: Any) -> None:
    """Draw the noise of a step, coordinate 4 (first + m) + q to out[q, m]."""
    use_widest_vectors()
    low, high = step & _MASK, step >> _SHIFT
    for m in range(out.shape[1]):
        words = philox(first + np.uint64(m), low, high, _NOISE, k0, k1)
        out[0, m], out[1, m], out[2, m], out[3, m] = four_normals(*words)


@njit
def _add_noise(panels: Any, noise: Any, scale: Any, k0: Any, k1: Any, step: Any) -> None:
    """Add scale g to theta, where g_i,c is coordinate i D + c of the noise of the step."""
    rows, first = panels.rows, 0 if panels.outer is None else 2
    parameters = panels.dimension + first
    calls = noise.shape[1]
    for p in range(rows.size // panels.stride):
        _fill_noise(noise, np.uint64(p * calls), k0, k1, step)
        base, count = p * panels.stride, min(TILE, panels.neurons - p * TILE)
        _move_outer(panels.outer, p * TILE, count, noise, parameters, scale)
        if first > 0:  # the offset is the weight of the last input
            _move(rows, base + panels.dimension * TILE, count, noise, 1, parameters, scale)
        for j in range(panels.dimension):
            _move(rows, base + j * TILE, count, noise, first + j, parameters, scale)


@njit
def _move(
    out: Any, start: int, count: int, noise: Any, first: int, parameters: int, scale: Any
) -> None:
    """Add to one parameter of ``count`` neurons, of index ``first`` in the first one's, its noise.

    Neurons lie one after the other in ``out``, ``parameters`` apart in the noise.
    """
    for q in range(count):
        at = first + q * parameters
        out[start + q] += scale * noise[at & 3, at >> 2]


@njit
def _move_outer(
    outer: Any, start: int, count: int, noise: Any, parameters: int, scale: Any
) -> None:
    """Add the noise of output weights, where there are any."""
    if outer is not None:
        _move(outer, start, count, noise, 0, parameters, scale)


@njit
def advance_noisy(
    panels: Any, x: Any, y: Any, first: int, count: int, rates: Any, gammas: Any, skip: int,
    squares: float, activation: Any, scales: Any, k0: Any, k1: Any, step: Any,
) -> Any:  # fmt: skip
    """Run noisy SGD for some steps, see `blocks.advance` for what is not said here.

    Args:
        panels: the network, changed in place.
        x: coordinates by sample.
        y: labels.
        first: sample of the first step.
        count: number of steps.
        rates: 2 s_k.
        gammas: 1 - 2 lambda s_k, empty without weight decay.
        skip: number of first steps that do not enter ``squares``.
        squares: sum of (y - yhat)^2 so far.
        activation: sigma.
        scales: sqrt(4 s_k / beta), (count,), of the type of the weights.
        k0: first word of the seed.
        k1: second word of the seed.
        step: index of the first step, uint64.

    Returns:
        Steps done, and the sum of squares.
    """
    rows, inputs = panels.rows, panels.inputs
    number = rows.dtype.type
    number_of_panels = rows.size // panels.stride
    below = inputs * TILE
    extra = 0 if panels.outer is None else 2
    noise = np.empty((4, TILE * (panels.dimension + extra) // 4), np.float32)
    zero, one = number(0), number(1)
    for k in range(count):
        for j in range(inputs):
            panels.x[j * BLOCK] = x[j, first + k] if j < panels.dimension else one
        for p in range(number_of_panels):
            base = p * panels.stride
            combine(rows, base + below, 1, rows, base, inputs, panels.x, 0)
        total = predict(
            pointer_to(rows), panels.stride, panels.neurons, inputs, 0, pointer_to(panels.g), 0,
            pointer_or_none(panels.outer), zero, one, pointer_to(panels.mask),
            pointer_to(panels.sums), activation,
        )  # fmt: skip
        residual = y[first + k] - total / number(panels.neurons)
        error = rates[k] * residual
        if not np.isfinite(error):
            return k, squares
        if k >= skip:
            squares += np.float64(residual) * np.float64(residual)
        shrink = number(gammas[k]) if gammas.size > 0 else one
        for j in range(inputs):
            panels.x[j * BLOCK] *= error
        for p in range(number_of_panels):
            base = p * panels.stride
            if shrink != one:
                scale_rows(rows, base, inputs, shrink)
            add_inputs(rows, base, inputs, rows, base + below, panels.x, 0, 1)
        finish_outer(panels.outer, error, shrink)
        _add_noise(panels, noise, scales[k], k0, k1, step + np.uint64(k))
    return count, squares
