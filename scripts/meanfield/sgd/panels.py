"""How the kernels hold a network: neurons contiguous, in panels of TILE that fit the cache.

A panel is a run of rows of TILE numbers, one a neuron: first the weights w_1 ... w_d and, for
neurons that have one, the offset b; then BLOCK rows for the pre-activations of a block, which
become the slopes sigma'.  Output weights a, where there are any, lie apart.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.activations import Pieces
from meanfield.neurons import Neuron, Perceptron
from meanfield.sgd.memory import aligned
from meanfield.sgd.microkernels import BLOCK, TILE
from meanfield.sgd.vectors import BYTES


class Panels(NamedTuple):
    """A network in panels, and scratch for a block.

    Attributes:
        rows: all panels, flat.
        stride: numbers of a panel.
        neurons: N; later neurons of the last panel are padding and stay zero.
        dimension: d.
        inputs: rows of weights of a panel, d or d + 1.
        outer: None, or (2 * padded N,) output weights a and then the last values sigma(z).
        mask: (2 * TILE,) ones, and then 1 for neurons and 0 for padding of the last panel.
        x: (3 * inputs * BLOCK,) coordinates by sample: of two blocks, and scaled ones.
        g: (BLOCK * BLOCK,) inner products of the samples of a block.
        sums: (TILE,) partial sums over neurons.
        errors: (BLOCK,) factors e of the samples of a block.
        active: (passes * panels * BLOCK,) uint16, for each pass over the panels, panel and sample
            the bits of the lanes whose slope is not 0; None if sigma is nowhere flat.
    """

    rows: npt.NDArray[Any]
    stride: int
    neurons: int
    dimension: int
    inputs: int
    outer: npt.NDArray[Any] | None
    mask: npt.NDArray[Any]
    x: npt.NDArray[Any]
    g: npt.NDArray[Any]
    sums: npt.NDArray[Any]
    errors: npt.NDArray[Any]
    active: npt.NDArray[np.uint16] | None


def pack(theta: npt.NDArray[Any], neuron: Neuron) -> Panels:
    """Return a network theta (N, D) as panels; padding is zero."""
    weighted = isinstance(neuron, Perceptron)
    dtype, neurons = theta.dtype, len(theta)
    weights = theta[:, 2:] if weighted else theta
    dimension = weights.shape[1]
    inputs = dimension + weighted
    # Panels so long that the same rows of consecutive ones fall into different sets of the cache.
    length = inputs + BLOCK + (8 - inputs - BLOCK) % 32
    count = -(-neurons // TILE)
    rows = aligned((count, length, TILE), dtype)
    # Panel by panel: a network of the largest size has no room for a second copy of itself.
    for p in range(count):
        units = weights[p * TILE : (p + 1) * TILE]
        rows[p, :dimension, : len(units)] = units.T
        if weighted:
            rows[p, dimension, : len(units)] = theta[p * TILE : (p + 1) * TILE, 1]
    outer = None
    if weighted:
        outer = aligned((2 * count * TILE,), dtype)
        outer[:neurons] = theta[:, 0]
    mask = aligned((2 * TILE,), dtype)
    mask[: TILE + 1 + (neurons - 1) % TILE] = 1
    activation = neuron.activation
    flat = isinstance(activation, Pieces) and 0 in activation.slopes
    passes = -(-TILE * dtype.itemsize // (2 * BYTES))
    return Panels(
        rows=rows.reshape(-1),
        stride=length * TILE,
        neurons=neurons,
        dimension=dimension,
        inputs=inputs,
        outer=outer,
        mask=mask,
        x=aligned((3 * inputs * BLOCK,), dtype),
        g=aligned((BLOCK * BLOCK,), dtype),
        sums=aligned((TILE,), dtype),
        errors=aligned((BLOCK,), dtype),
        active=aligned((passes * count * BLOCK,), np.uint16) if flat else None,
    )


def unpack(panels: Panels) -> npt.NDArray[Any]:
    """Return the parameters theta (N, D) of a network in panels, as a new array."""
    extra = 0 if panels.outer is None else 2
    theta = np.empty((panels.neurons, extra + panels.dimension), panels.rows.dtype)
    for p, rows in enumerate(panels.rows.reshape(-1, panels.stride // TILE, TILE)):
        units = theta[p * TILE : (p + 1) * TILE]
        units[:, extra:] = rows[: panels.dimension, : len(units)].T
        if panels.outer is not None:
            units[:, 0] = panels.outer[p * TILE : p * TILE + len(units)]
            units[:, 1] = rows[panels.dimension, : len(units)]
    return theta


def copy(panels: Panels) -> Panels:
    """Return a copy of a network in panels; scratch is shared."""
    rows = aligned(panels.rows.shape, panels.rows.dtype)
    rows[:] = panels.rows
    outer = None
    if panels.outer is not None:
        outer = aligned(panels.outer.shape, panels.outer.dtype)
        outer[:] = panels.outer
    return panels._replace(rows=rows, outer=outer)
