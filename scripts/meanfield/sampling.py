"""Samples of a data law and initial weights, regenerated from a seed at any step."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from meanfield.random import (
    INITIAL,
    LABEL,
    SAMPLE,
    TEST_LABEL,
    TEST_SAMPLE,
    labels,
    normals,
)

_LABEL_STREAMS = {SAMPLE: LABEL, TEST_SAMPLE: TEST_LABEL}


class IsotropicLaw(Protocol):
    """What sampling needs of the law y = +-1, x | y ~ N(0, (1 + y delta)^2 I_d)."""

    @property
    def dimension(self) -> int:
        """Dimension d of the inputs."""
        ...

    @property
    def delta(self) -> float:
        """Half the difference of the two standard deviations."""
        ...


class Samples(NamedTuple):
    """Inputs x (n, d) and labels y (n,) = +-1."""

    x: npt.NDArray[Any]
    y: npt.NDArray[np.float64]


def sample_isotropic(
    seed: int,
    first_step: int,
    count: int,
    stream: int,
    *,
    dimension: int,
    delta: float,
    dtype: npt.DTypeLike = np.float32,
) -> Samples:
    """Draw samples of consecutive steps: x = (1 + y delta) g, g standard normal, y = +-1 fair.

    g is drawn in float32 whatever `dtype`; the product is formed in `dtype`.  SGD at `stream`
    SAMPLE sees exactly these numbers.

    Args:
        seed: integer in [0, 2^64).
        first_step: first step, at least 0.
        count: number of samples, at least 0.
        stream: SAMPLE or TEST_SAMPLE; the labels come from the stream that belongs to it.
        dimension: d.
        delta: half the difference of the two standard deviations.
        dtype: float32 or float64.

    Returns:
        Samples with x of shape (count, dimension) in `dtype` and y float64 (count,).

    Raises:
        ValueError: the stream holds no samples, or an argument is out of range.

    Source: Mei, Montanari & Nguyen (2018), the isotropic Gaussians example.
    """
    if stream not in _LABEL_STREAMS:
        raise ValueError(
            f"stream must be SAMPLE ({SAMPLE}) or TEST_SAMPLE ({TEST_SAMPLE}), got {stream!r}"
        )
    y = labels(seed, _LABEL_STREAMS[stream], first_step, count)
    scale = (1.0 + y * delta).astype(dtype)
    x = normals(seed, stream, first_step, count, dimension).astype(dtype, copy=False)
    return Samples(scale[:, None] * x, y)


def initial_gaussian(
    seed: int, neurons: int, dimension: int, scale: float
) -> npt.NDArray[np.float64]:
    """Draw initial weights w_i ~ N(0, scale^2 / d I_d); neuron i is step i of its stream.

    Args:
        seed: integer in [0, 2^64).
        neurons: N.
        dimension: d.
        scale: kappa, so that ||w_i|| is about kappa.

    Returns:
        float64 array (neurons, dimension).

    Raises:
        ValueError: an argument is out of range.
    """
    draws = normals(seed, INITIAL, 0, neurons, dimension).astype(np.float64)
    return (scale / np.sqrt(dimension)) * draws
