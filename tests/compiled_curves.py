"""Compiled activations evaluated at many points: what their tests share."""

from typing import Any

import numba

from meanfield.activations import GELU, Cosine, Erf, Sigmoid, Softplus, Tanh
from meanfield.sgd.activation_kernels import compiled_activation, evaluate
from meanfield.sgd.memory import aligned, lanes_of, load, store

SMOOTH = (Tanh(), Erf(), Sigmoid(), Softplus(), GELU(), Cosine())
PRECISIONS = ("float32", "float64")


@numba.njit(error_model="numpy")
def _apply(activation: Any, t: Any, values: Any, slopes: Any) -> None:
    for i in range(0, t.size, lanes_of(t)):
        value, slope = evaluate(activation, load(t, i))
        store(values, i, value)
        store(slopes, i, slope)


def evaluated(activation: Any, points: Any, precision: str) -> Any:
    """Points rounded to a precision, and the compiled values and slopes there."""
    t = aligned((-(-len(points) // 16) * 16,), precision)
    t[: len(points)] = points
    values, slopes = aligned(t.shape, precision), aligned(t.shape, precision)
    _apply(compiled_activation(activation, precision), t, values, slopes)
    return tuple(part[: len(points)] for part in (t, values, slopes))
