"""The CUDA kernels of SGD: their text, and the macros that make a variant of one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from meanfield.activations import Activation, Erf, Pieces, Tanh
from meanfield.random import LABEL, NOISE, SAMPLE

# The digest of a stage's code finds the files by the names below.
_FOLDER = Path(__file__).with_name("kernels")
_RESIDENT = ("random.cu", "activation.cu", "reduction.cu", "resident.cu")
_RECURRENCE = ("random.cu", "activation.cu", "reduction.cu", "recurrence.cu")
_PRODUCTS = ("random.cu", "products.cu")
_GRAM = ("gram.cu",)

BATCH = 16
"""Samples that the resident kernel draws at once."""
COPY_THREADS = 256
"""Threads of a block in the kernels around the matrix products."""
_GRAM_THREADS = 64
_MEMORY_THREADS = 1024
_REGISTERS = 2**16
_STREAMS = {
    "STREAM_SAMPLE": f"{SAMPLE}u",
    "STREAM_LABEL": f"{LABEL}u",
    "STREAM_NOISE": f"{NOISE}u",
}


class Shape(NamedTuple):
    """Threads of a block, and the neurons that each holds in registers (0: none)."""

    threads: int
    neurons: int


class Variant(NamedTuple):
    """A kernel to be compiled.

    Attributes:
        function: name of the kernel.
        files: whose texts, one after the other, are the source.
        macros: to be defined.
        threads: threads of a block.
    """

    function: str
    files: tuple[str, ...]
    macros: tuple[tuple[str, str], ...]
    threads: int

    def source(self) -> str:
        """Return the text to be compiled."""
        return "\n".join((_FOLDER / file).read_text(encoding="utf-8") for file in self.files)

    def options(self) -> tuple[str, ...]:
        """Return the options of the compiler.

        CuPy adds -ftz=true, after which no other word on this counts: float32 numbers below 1.2e-38
        become 0. Samples and activations have the same bits all the same: they meet none.
        """
        return ("-std=c++17", *(f"-D{name}={value}" for name, value in self.macros))


class Kind(NamedTuple):
    """What of a run its kernels are compiled for.

    Attributes:
        activation: sigma.
        weighted: whether theta = (a, b, w), not w.
        dimension: d.
        decaying: whether there is weight decay.
        noisy: whether there is noise.
        drawn: whether the kernels draw the samples; else they are given to them.
    """

    activation: Activation
    weighted: bool
    dimension: int
    decaying: bool
    noisy: bool
    drawn: bool

    @property
    def parameters(self) -> int:
        """Length D of theta_i."""
        return self.dimension + 2 * self.weighted

    @property
    def inputs(self) -> int:
        """The dimension, rounded up to a multiple of 4."""
        return -(-self.dimension // 4) * 4


def resident_shape(neurons: int, kind: Kind) -> Shape | None:
    """Return how the resident kernel holds a network, or None if the registers do not suffice.

    Of the shapes that fit, the one whose steps issue in the fewest cycles: four warps at a time,
    two instructions a weight, and some a neuron and a step.

    Args:
        neurons: N.
        kind: what is compiled.
    """
    best, fewest = None, np.inf
    for each in range(1, 33):
        threads = _whole_warps(-(-neurons // each))
        needed = each * (kind.inputs + 2 + 2 * kind.weighted) + _OVERHEAD
        needed += (8 + kind.inputs // 8) * kind.noisy
        if threads > 512 or needed > _registers_of(threads):
            continue
        cost = 2 * kind.inputs + (0 if isinstance(kind.activation, Pieces) else 40) + 30
        cycles = -(-threads // 128) * (each * cost + kind.inputs + 100)
        if cycles < fewest:
            best, fewest = Shape(threads, each), cycles
    return best


def recurrence_shape(neurons: int, kind: Kind, block: int) -> Shape:
    """Return how the recurrence of the blocked form holds its pre-activations.

    Args:
        neurons: N.
        kind: what is compiled.
        block: samples of a block.
    """
    for each in range(1, 9):
        threads = _whole_warps(-(-neurons // each))
        needed = each * (block + 3 + kind.weighted) + _OVERHEAD + 12
        if threads <= 512 and needed <= _registers_of(threads):
            return Shape(threads, each)
    return Shape(_MEMORY_THREADS, 0)


_OVERHEAD = 60
"""Registers that a thread needs beside its weights or pre-activations."""


def _registers_of(threads: int) -> int:
    """Return the registers that a thread may have: blocks get them for four warps at a time."""
    return min(255, _REGISTERS // (-(-threads // 128) * 128) // 8 * 8)


def _whole_warps(threads: int) -> int:
    return -(-threads // 32) * 32


def resident(kind: Kind, shape: Shape) -> Variant:
    """Return the kernel that keeps the weights in registers."""
    macros = {
        "THREADS": shape.threads,
        "NEURONS": shape.neurons,
        "DIMENSION": kind.dimension,
        "BATCH": BATCH,
        "PERCEPTRON": int(kind.weighted),
        "DECAYING": int(kind.decaying),
        "NOISY": int(kind.noisy),
        "DRAWN": int(kind.drawn),
    }
    return _variant("resident", _RESIDENT, macros | activation_macros(kind.activation))


def recurrence(kind: Kind, shape: Shape, block: int) -> Variant:
    """Return the kernel of the recurrence inside a block of samples."""
    macros = {
        "THREADS": shape.threads,
        "NEURONS": max(shape.neurons, 1),
        "PARAMETERS": kind.parameters,
        "BLOCK": block,
        "PERCEPTRON": int(kind.weighted),
        "DECAYING": int(kind.decaying),
        "IN_REGISTERS": int(shape.neurons > 0),
    }
    return _variant("recurrence", _RECURRENCE, macros | activation_macros(kind.activation))


def product_kernel(function: str, kind: Kind, block: int) -> Variant:
    """Return a kernel around the matrix products, "draw" or "decay_and_noise"."""
    macros = {
        "THREADS": COPY_THREADS,
        "DIMENSION": kind.dimension,
        "PARAMETERS": kind.parameters,
        "BLOCK": block,
        "PERCEPTRON": int(kind.weighted),
        "NOISY": int(kind.noisy),
    }
    return _variant(function, _PRODUCTS, macros)


def gram(kind: Kind, block: int) -> Variant:
    """Return the kernel that multiplies the samples of a block with one another."""
    macros = {"THREADS": _GRAM_THREADS, "PARAMETERS": kind.parameters, "BLOCK": block}
    return _variant("gram", _GRAM, macros)


def activation_macros(activation: Activation) -> dict[str, str]:
    """Return the macros that choose an activation.

    Raises:
        ValueError: there is no CUDA form of the activation.
    """
    if isinstance(activation, Pieces):
        parts = (activation.slopes, activation.intercepts, activation.knots)
        numbers = [",".join(_literal(number) for number in part) for part in parts]
        return {
            "ACTIVATION_PIECES": "1",
            "PIECES": str(len(activation.slopes)),
            "SLOPES": numbers[0],
            "INTERCEPTS": numbers[1],
            "KNOTS": numbers[2],
        }
    if isinstance(activation, Tanh):
        return {"ACTIVATION_TANH": "1"}
    if isinstance(activation, Erf):
        return {"ACTIVATION_ERF": "1"}
    raise ValueError(
        "on a GPU the activation must be piecewise linear, tanh or erf, got "
        f"{type(activation).__name__}: set backend: cpu"
    )


def _variant(function: str, files: tuple[str, ...], macros: Mapping[str, Any]) -> Variant:
    texts = {name: str(value) for name, value in macros.items()} | _STREAMS
    return Variant(function, files, tuple(sorted(texts.items())), int(macros["THREADS"]))


def _literal(number: float) -> str:
    with np.errstate(over="ignore"):
        rounded = float(np.float32(number))
    if not np.isfinite(rounded):
        raise ValueError(f"the activation must be finite in float32, got {number!r}")
    return f"{rounded.hex()}f"
