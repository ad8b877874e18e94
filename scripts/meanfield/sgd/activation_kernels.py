"""Activations as compiled code sees them: sigma and sigma' of a vector, chosen by type."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import NativeValue, models, overload, register_model, typeof_impl, unbox

from meanfield.activations import GELU, Activation, Cosine, Erf, Pieces, Sigmoid, Softplus, Tanh
from meanfield.sgd import special_kernels
from meanfield.sgd.vectors import broadcast, fma, if_greater

_SMOOTH: dict[type[Any], Any] = {
    Tanh: special_kernels.tanh,
    Erf: special_kernels.erf,
    Sigmoid: special_kernels.sigmoid,
    Softplus: special_kernels.softplus,
    GELU: special_kernels.gelu,
    Cosine: special_kernels.cosine,
}


class Lines(NamedTuple):
    """A piecewise linear activation: its first piece, then (knot, slope, intercept) of the others.

    They are nested tuples, so that the compiler knows their number.
    """

    slope: Any
    intercept: Any
    later: tuple[Any, ...]


class _SmoothType(types.Opaque):
    """The type of a smooth activation, which has no parameters; a value of it says nothing."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind
        super().__init__(name=f"smooth({kind.__name__})")


register_model(_SmoothType)(models.OpaqueModel)


def _type_of_smooth(value: Any, context: Any) -> _SmoothType:
    return _SmoothType(type(value))


for _kind in _SMOOTH:
    typeof_impl.register(_kind)(_type_of_smooth)


@unbox(_SmoothType)
def _unbox_smooth(kind: Any, value: Any, context: Any) -> NativeValue:
    return NativeValue(context.context.get_dummy_value())


def compiled_activation(activation: Activation, dtype: npt.DTypeLike) -> Any:
    """Return an activation in the form that `evaluate` takes.

    Args:
        activation: one of meanfield.activations.
        dtype: type of the lanes, float32 or float64.

    Returns:
        A value for compiled code.

    Raises:
        ValueError: there is no compiled form of the activation.
    """
    if isinstance(activation, Pieces):
        slopes, intercepts, knots = (
            np.asarray(part, dtype=dtype)
            for part in (activation.slopes, activation.intercepts, activation.knots)
        )
        later = tuple(zip(knots, slopes[1:], intercepts[1:], strict=True))
        return Lines(slopes[0], intercepts[0], later)
    if type(activation) in _SMOOTH:
        return activation
    known = ["piecewise linear ones", *(kind.__name__ for kind in _SMOOTH)]
    raise ValueError(f"no compiled activation {type(activation).__name__}; known: {known}")


def evaluate(activation: Any, z: Any) -> Any:
    """Return the vectors sigma(z) and sigma'(z); at a knot, sigma' is the slope on its left.

    Args:
        activation: from `compiled_activation`.
        z: vector.
    """
    raise NotImplementedError("only for compiled code")


@overload(evaluate, jit_options={"forceinline": True})
def _evaluate(activation: Any, z: Any) -> Any:
    if isinstance(activation, _SmoothType):
        kernel = _SMOOTH[activation.kind]

        def smooth(activation: Any, z: Any) -> Any:
            return kernel(z)

        return smooth
    return _evaluate_lines


def _evaluate_lines(activation: Any, z: Any) -> Any:
    # By selection, without branches.
    slope = broadcast(activation.slope)
    intercept = broadcast(activation.intercept)
    for knot, next_slope, next_intercept in activation.later:
        bound = broadcast(knot)
        slope = if_greater(z, bound, broadcast(next_slope), slope)
        intercept = if_greater(z, bound, broadcast(next_intercept), intercept)
    return fma(slope, z, intercept), slope
