"""The output of a network on many inputs at once, by the kernels of the engine."""

from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.compiled import compiler
from meanfield.neurons import Neuron
from meanfield.sgd.activation_kernels import compiled_activation
from meanfield.sgd.forward import predict
from meanfield.sgd.memory import pointer_or_none, pointer_to
from meanfield.sgd.microkernels import BLOCK, TILE, combine
from meanfield.sgd.panels import pack

njit = compiler(__file__)

PART = 8192
"""Neurons packed at once, since a large network has no room for a copy of itself.  The sums over
so many are added up in float64."""


def network(
    theta: npt.NDArray[Any], x: npt.NDArray[Any], neuron: Neuron
) -> npt.NDArray[np.float64]:
    """Return yhat(x; theta) = (1/N) sum_i sigma_*(x; theta_i).

    Like the engine, it gives the same bits on every CPU and releases the interpreter lock.

    Args:
        theta: parameters, shape (N, D), float32 or float64: the precision of the arithmetic.
        x: inputs, shape (n, d).
        neuron: sigma_*.

    Returns:
        Outputs, shape (n,).

    Raises:
        ValueError: the shapes do not fit together.
    """
    if theta.ndim != 2 or x.ndim != 2 or theta.shape[1] != neuron.parameters(x.shape[1]):
        raise ValueError(
            f"network needs theta (N, D) and x (n, d) that fit {type(neuron).__name__}, "
            f"got shapes {theta.shape} and {x.shape}"
        )
    outputs = np.zeros(len(x))
    inputs = np.ascontiguousarray(x, dtype=theta.dtype)
    activation = compiled_activation(neuron.activation, theta.dtype)
    for start in range(0, len(theta), PART):
        _add_outputs(pack(theta[start : start + PART], neuron), inputs, activation, outputs)
    return outputs / len(theta)


@njit
def _add_outputs(panels: Any, inputs: Any, activation: Any, outputs: Any) -> None:
    """Add sum_i sigma_*(x; theta_i) for each row of ``inputs``."""
    rows, below = panels.rows, panels.inputs * TILE
    zero, one = rows.dtype.type(0), rows.dtype.type(1)
    x = panels.x[: panels.inputs * BLOCK].reshape((panels.inputs, BLOCK))
    x[panels.dimension :] = 1.0
    for start in range(0, len(inputs), BLOCK):
        count = min(BLOCK, len(inputs) - start)
        for k in range(count):
            for j in range(panels.dimension):
                x[j, k] = inputs[start + k, j]
        for base in range(0, rows.size, panels.stride):
            combine(rows, base + below, BLOCK, rows, base, panels.inputs, panels.x, 0)
        for k in range(count):
            total = predict(
                pointer_to(rows), panels.stride, panels.neurons, panels.inputs + k, 0,
                pointer_to(panels.g), 0, pointer_or_none(panels.outer), zero, one,
                pointer_to(panels.mask), pointer_to(panels.sums), activation,
            )  # fmt: skip
            outputs[start + k] += np.float64(total)
