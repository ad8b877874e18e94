"""Samples of a data law, regenerated from a seed at any step."""

from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.choices import indices
from meanfield.laws import AnisotropicGaussians, DataSet, GaussianTeacher, IsotropicGaussians
from meanfield.python_law import BLOCK, Block, PythonLaw
from meanfield.random import (
    LABEL,
    SAMPLE,
    TEST_LABEL,
    TEST_SAMPLE,
    labels,
    normals,
)
from meanfield.sgd.pointwise import portable_values

_LABEL_STREAMS = {SAMPLE: LABEL, TEST_SAMPLE: TEST_LABEL}


class Samples(NamedTuple):
    """Inputs x (n, d) and labels y (n,)."""

    x: npt.NDArray[Any]
    y: npt.NDArray[np.float64]


@singledispatch
def sample(
    law: Any, seed: int, first_step: int, count: int, stream: int, dtype: npt.DTypeLike = np.float32
) -> Samples:
    """Draw the samples of consecutive steps from a data law.

    A sample depends on (law, seed, stream, step) alone. Inputs are drawn in float32 whatever
    `dtype`; what is done to them is done in `dtype`. SGD at `stream` SAMPLE sees exactly these
    numbers.

    Args:
        law: one of the laws of `meanfield.laws`.
        seed: integer in [0, 2^64).
        first_step: first step, at least 0.
        count: number of samples, at least 0.
        stream: SAMPLE or TEST_SAMPLE; the labels come from the stream that belongs to it.
        dtype: float32 or float64.

    Returns:
        Samples with x of shape (count, d) in `dtype` and y float64 (count,).

    Raises:
        ValueError: the stream holds no samples, or an argument is out of range.
        TypeError: no way is known to draw from the law.
    """
    raise TypeError(f"cannot draw samples from a {type(law).__name__}")


@sample.register
def _isotropic(
    law: IsotropicGaussians, seed: int, first_step: int, count: int, stream: int,
    dtype: npt.DTypeLike = np.float32,
) -> Samples:  # fmt: skip
    """Draw x = (1 + y Delta) g, g standard normal, and y = +-1, fair."""
    y = labels(seed, label_stream(stream), first_step, count)
    x = normals(seed, stream, first_step, count, law.dimension).astype(dtype, copy=False)
    return Samples(law.scale(y).astype(dtype)[:, None] * x, y)


@sample.register
def _anisotropic(
    law: AnisotropicGaussians, seed: int, first_step: int, count: int, stream: int,
    dtype: npt.DTypeLike = np.float32,
) -> Samples:  # fmt: skip
    """Draw x = (1 + y Delta) g in the first s_0 coordinates, g in the others; y = +-1, fair."""
    y = labels(seed, label_stream(stream), first_step, count)
    x = normals(seed, stream, first_step, count, law.dimension).astype(dtype, copy=False)
    x[:, : law.informative] *= law.scale(y).astype(dtype)[:, None]
    return Samples(x, y)


@sample.register
def _teacher(
    law: GaussianTeacher, seed: int, first_step: int, count: int, stream: int,
    dtype: npt.DTypeLike = np.float32,
) -> Samples:  # fmt: skip
    """Draw x = g; the noise of y is the first normal of the step in the stream of labels."""
    noise = normals(seed, label_stream(stream), first_step, count, 1)[:, 0]
    x = normals(seed, stream, first_step, count, law.dimension)
    return Samples(x.astype(dtype, copy=False), teacher_labels(law, x, noise))


def teacher_labels(
    law: GaussianTeacher, x: npt.NDArray[Any], noise: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Return the labels of a teacher, by compiled code: the same bits on every CPU.

    Args:
        law: the teacher.
        x: the first J coordinates, or more, of inputs, shape (n, J) or wider.
        noise: standard normals, shape (n,).

    Returns:
        Labels, shape (n,).
    """
    return law.label(x, noise, partial(portable_values, law.link))


@sample.register
def _data_set(
    law: DataSet, seed: int, first_step: int, count: int, stream: int,
    dtype: npt.DTypeLike = np.float32,
) -> Samples:  # fmt: skip
    """Draw rows of the data set; their indices come from the stream of samples."""
    label_stream(stream)
    rows = indices(seed, stream, first_step, count, len(law.x))
    return Samples(law.x[rows].astype(dtype, copy=False), law.y[rows])


@sample.register
def _python(
    law: PythonLaw, seed: int, first_step: int, count: int, stream: int,
    dtype: npt.DTypeLike = np.float32,
) -> Samples:  # fmt: skip
    """Call the function for every block that the steps meet."""
    return python_samples(law.block, law.dimension, seed, first_step, count, stream, dtype)


def python_samples(
    draw: Callable[[int, int, int], Block], dimension: int, seed: int, first_step: int, count: int,
    stream: int, dtype: npt.DTypeLike = np.float32,
) -> Samples:  # fmt: skip
    """Cut samples from blocks of a Python law: `sample`, with a way to draw that may remember.

    Args:
        draw: `PythonLaw.block`, draw(seed, stream, number), or the same with a memory.
        dimension: d.
        seed: see `sample`, as the others.
        first_step: first step.
        count: number of samples.
        stream: SAMPLE or TEST_SAMPLE.
        dtype: float32 or float64.

    Returns:
        The samples.

    Raises:
        ValueError: the stream holds no samples, or the function draws what it must not.
    """
    label_stream(stream)
    x = np.empty((count, dimension), dtype=dtype)
    y = np.empty(count)
    done = 0
    while done < count:
        number, skipped = divmod(first_step + done, BLOCK)
        block = draw(seed, stream, number)
        taken = min(BLOCK - skipped, count - done)
        x[done : done + taken] = block.x[skipped : skipped + taken]
        y[done : done + taken] = block.y[skipped : skipped + taken]
        done += taken
    return Samples(x, y)


def label_stream(stream: int) -> int:
    """Return the stream from which the labels of a stream of samples come.

    Raises:
        ValueError: the stream holds no samples.
    """
    if stream not in _LABEL_STREAMS:
        raise ValueError(
            f"stream must be SAMPLE ({SAMPLE}) or TEST_SAMPLE ({TEST_SAMPLE}), got {stream!r}"
        )
    return _LABEL_STREAMS[stream]
