"""How the kernels hold a network: neurons contiguous, in panels that fit the cache."""

from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.activations import PiecewiseLinear
from meanfield.sgd.blocks import BLOCK, GROUP, TILE


def pack(theta: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return weights (N, d) as panels (P, (D + BLOCK) * TILE); padding is zero."""
    neurons, dimension = theta.shape
    rows = -(-dimension // GROUP) * GROUP
    count = -(-neurons // TILE)
    padded = np.zeros((count * TILE, rows), dtype=theta.dtype)
    padded[:neurons, :dimension] = theta
    panels = np.zeros((count, rows + BLOCK, TILE), dtype=theta.dtype)
    panels[:, :rows] = padded.reshape(count, TILE, rows).transpose(0, 2, 1)
    return panels.reshape(count, -1)


def unpack(panels: npt.NDArray[Any], neurons: int, dimension: int) -> npt.NDArray[Any]:
    """Return the weights (N, d) of panels, as a new array."""
    weights = panels.reshape(len(panels), -1, TILE)[:, :dimension].transpose(0, 2, 1)
    return np.ascontiguousarray(weights.reshape(-1, dimension)[:neurons])


def pieces_of(activation: PiecewiseLinear, dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """Return slopes, intercepts and knots as nested tuples, whose length the compiler knows."""
    slopes = activation.slopes.astype(dtype)
    intercepts = activation.intercepts.astype(dtype)
    knots = np.asarray(activation.knots, dtype=dtype)
    later = tuple(zip(knots, slopes[1:], intercepts[1:], strict=True))
    return (slopes[0], intercepts[0]), later
