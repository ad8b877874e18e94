"""The output of a network on many inputs at once, by the kernels of the engine."""

from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.activations import PiecewiseLinear
from meanfield.compiled import compiler
from meanfield.sgd.blocks import (
    BLOCK,
    GROUP,
    LANES,
    TILE,
    add_values,
    multiply_add,
    predict,
    tree_sum,
)
from meanfield.sgd.panels import pack, pieces_of

njit = compiler(__file__)


def network(
    theta: npt.NDArray[Any], x: npt.NDArray[Any], activation: PiecewiseLinear
) -> npt.NDArray[np.float64]:
    """Return yhat(x; theta) = (1/N) sum_i sigma(<w_i, x>) for ridge neurons.

    Like the engine, it gives the same bits on every CPU and releases the interpreter lock.

    Args:
        theta: weights, shape (N, d), float32 or float64: the precision of the arithmetic.
        x: inputs, shape (n, d).
        activation: sigma.

    Returns:
        Outputs, shape (n,).

    Raises:
        ValueError: the shapes do not fit together.
    """
    if theta.ndim != 2 or x.ndim != 2 or theta.shape[1] != x.shape[1]:
        raise ValueError(
            f"network needs theta (N, d) and x (n, d), got shapes {theta.shape} and {x.shape}"
        )
    outputs = np.empty(len(x))
    inputs = np.ascontiguousarray(x, dtype=theta.dtype)
    panels = pack(theta)
    _outputs(panels, len(theta), inputs, pieces_of(activation, theta.dtype), outputs)
    return outputs


@njit
def _outputs(panels: Any, neurons: int, inputs: Any, pieces: Any, outputs: Any) -> None:
    """Write the mean of sigma over the neurons for each row of ``inputs``."""
    count, dimension = inputs.shape
    rows = (dimension + GROUP - 1) // GROUP * GROUP
    x = np.zeros((rows, BLOCK), panels.dtype)
    sums = np.zeros((BLOCK, LANES), panels.dtype)
    values = np.empty(TILE, panels.dtype)
    factor = np.zeros(GROUP, panels.dtype)
    for start in range(0, count, BLOCK):
        width = min(BLOCK, count - start)
        for k in range(width):
            x[:dimension, k] = inputs[start + k]
        sums[:] = 0.0
        for p in range(panels.shape[0]):
            panel = panels[p]
            panel[rows * TILE :] = 0.0
            multiply_add(panel, rows, BLOCK, 0, rows, x)
            for k in range(width):
                predict(panel, rows + k, 0, factor, pieces, values)
                if (p + 1) * TILE > neurons:
                    values[neurons - p * TILE :] = 0.0
                add_values(values, sums[k])
        for k in range(width):
            outputs[start + k] = tree_sum(sums[k]) / neurons
