"""Activations at many points by the kernels of the engine, where their bits must be portable."""

from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.activations import Activation
from meanfield.compiled import compiler
from meanfield.sgd.activation_kernels import compiled_activation, evaluate
from meanfield.sgd.memory import aligned, lanes_of, load, store
from meanfield.sgd.vectors import BYTES

njit = compiler(__file__)


def portable_values(activation: Activation, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return sigma(t), elementwise, with the same bits on every CPU.

    NumPy and SciPy choose among several implementations of a smooth function by the instructions
    that a CPU has; these differ in the last bit.

    Args:
        activation: sigma, one of `meanfield.activations`.
        points: t, any shape.

    Returns:
        Values in float64, of the shape of ``points``.

    Raises:
        ValueError: there is no compiled form of the activation.
    """
    given = np.asarray(points, dtype=np.float64)
    lanes = BYTES // 8
    values = aligned((-(-given.size // lanes) * lanes,), np.float64)
    values[: given.size] = given.ravel()
    _apply(compiled_activation(activation, np.float64), values)
    return values[: given.size].reshape(given.shape)


@njit
def _apply(activation: Any, values: Any) -> None:
    """Replace values by sigma(values)."""
    for i in range(0, values.size, lanes_of(values)):
        value, _ = evaluate(activation, load(values, i))
        store(values, i, value)
