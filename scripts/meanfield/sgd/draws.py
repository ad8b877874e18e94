"""The compiled twins of `meanfield.sampling`: the same samples, block by block, for the kernels.

    fill(x, y, constants, k0, k1, first_step)

writes the B samples of the steps first_step ... first_step + B - 1: input j of sample k to x[j, k]
and its label to y[k]. x has d rows, rounded up to a multiple of 4, the surplus ones zeroed; B is a
multiple of 4 that divides 2^32, and first_step a multiple of B, uint64. k0 and k1 are the words of
the seed; `constants` come from the `Draw`.

Laws that compiled code cannot draw from are drawn beforehand, in chunks of many blocks: their
`Draw` has a function `host`, and fill copies. A last block that the chunk does not cover whole is
filled up with zeros.
"""

from collections.abc import Callable
from functools import lru_cache, singledispatch
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from meanfield.choices import fill_indices
from meanfield.compiled import compiler
from meanfield.laws import AnisotropicGaussians, DataSet, GaussianTeacher, IsotropicGaussians
from meanfield.python_law import PythonLaw
from meanfield.random import LABEL, SAMPLE, fill_labels, fill_normals, split_seed
from meanfield.sampling import python_samples, teacher_labels

njit = compiler(__file__)

_SAMPLE = np.uint64(SAMPLE)
_LABEL = np.uint64(LABEL)

Host = Callable[[int, int, int], tuple[Any, ...]]


class Draw(NamedTuple):
    """How compiled code draws from a law.

    Attributes:
        fill: compiled function, see above.
        constants: its constants; of the right types but void where `host` makes them.
        host: None, or host(seed, first_step, count) -> the constants for those steps.
    """

    fill: Any
    constants: tuple[Any, ...]
    host: Host | None = None


@singledispatch
def compiled_draw(law: Any, dtype: npt.DTypeLike) -> Draw:
    """Return how compiled code draws from a law, with the bits of `sampling.sample` at SAMPLE.

    Args:
        law: one of the laws of `meanfield.laws`.
        dtype: float32 or float64, the type of x and y.

    Returns:
        The compiled function and its constants.

    Raises:
        TypeError: no way is known to draw from the law.
    """
    raise TypeError(f"cannot draw samples from a {type(law).__name__}")


@compiled_draw.register
def _isotropic(law: IsotropicGaussians, dtype: npt.DTypeLike) -> Draw:
    return Draw(fill_gaussians, (np.int64(law.dimension), *_scales(law, dtype)))


@compiled_draw.register
def _anisotropic(law: AnisotropicGaussians, dtype: npt.DTypeLike) -> Draw:
    constants = np.int64(law.dimension), np.int64(law.informative), *_scales(law, dtype)
    return Draw(fill_anisotropic, constants)


@compiled_draw.register
def _teacher(law: GaussianTeacher, dtype: npt.DTypeLike) -> Draw:
    # The link may be any activation, so the labels are made here, from the few inputs that matter.
    rows = _rounded_up(len(law.coefficients))

    def host(seed: int, first_step: int, count: int) -> tuple[Any, ...]:
        x = np.empty((rows, count), dtype=np.float32)
        noise = np.empty((4, count), dtype=np.float32)
        _normals(x, seed, _SAMPLE, first_step)
        _normals(noise, seed, _LABEL, first_step)
        labels = teacher_labels(law, x.T, noise[0]).astype(dtype)
        return np.int64(law.dimension), labels, np.uint64(first_step)

    return Draw(fill_teacher, host(0, 0, 0), host)


@compiled_draw.register
def _data_set(law: DataSet, dtype: npt.DTypeLike) -> Draw:
    return Draw(fill_rows, (law.x, law.y.astype(dtype)))


@compiled_draw.register
def _python(law: PythonLaw, dtype: npt.DTypeLike) -> Draw:
    # Chunks are shorter than the law's blocks: the last block is kept, so that each is drawn once.
    # A run has its own Draw, and with it its own cache.
    block = lru_cache(maxsize=1)(law.block)

    def host(seed: int, first_step: int, count: int) -> tuple[Any, ...]:
        x, y = python_samples(block, law.dimension, seed, first_step, count, SAMPLE)
        return x, y.astype(dtype), np.uint64(first_step)

    return Draw(fill_chunk, host(0, 0, 0), host)


def _scales(law: IsotropicGaussians | AnisotropicGaussians, dtype: npt.DTypeLike) -> list[Any]:
    return list(law.scale([1.0, -1.0]).astype(dtype))


def _rounded_up(dimension: int) -> int:
    return -(-dimension // 4) * 4


def _normals(out: npt.NDArray[np.float32], seed: int, stream: np.uint64, first_step: int) -> None:
    """Fill (4 m, n) normals of any steps; `fill_normals` alone wants no carry between words."""
    k0, k1 = split_seed(seed)
    done = 0
    while done < out.shape[1]:
        room = 2**32 - (first_step + done) % 2**32
        part = out[:, done : done + room]
        fill_normals(part, k0, k1, stream, np.uint64(first_step + done))
        done += part.shape[1]


@njit
def fill_gaussians(x: Any, y: Any, constants: Any, k0: Any, k1: Any, first_step: Any) -> None:
    """Isotropic Gaussians: constants (d, 1 + Delta, 1 - Delta)."""
    dimension, wide, narrow = constants
    fill_normals(x, k0, k1, _SAMPLE, first_step)
    fill_labels(y, k0, k1, _LABEL, first_step)
    for j in range(dimension):
        for k in range(x.shape[1]):
            x[j, k] *= wide if y[k] > 0 else narrow
    x[dimension:] = 0.0


@njit
def fill_anisotropic(x: Any, y: Any, constants: Any, k0: Any, k1: Any, first_step: Any) -> None:
    """Anisotropic Gaussians: constants (d, s_0, 1 + Delta, 1 - Delta)."""
    dimension, informative, wide, narrow = constants
    fill_normals(x, k0, k1, _SAMPLE, first_step)
    fill_labels(y, k0, k1, _LABEL, first_step)
    for j in range(informative):
        for k in range(x.shape[1]):
            x[j, k] *= wide if y[k] > 0 else narrow
    x[dimension:] = 0.0


@njit
def fill_teacher(x: Any, y: Any, constants: Any, k0: Any, k1: Any, first_step: Any) -> None:
    """Gaussian teacher: constants (d, labels of a chunk, its first step)."""
    dimension, labels, start = constants
    fill_normals(x, k0, k1, _SAMPLE, first_step)
    x[dimension:] = 0.0
    offset = np.int64(first_step - start)
    count = min(y.shape[0], labels.shape[0] - offset)
    for k in range(count):
        y[k] = labels[offset + k]
    y[count:] = 0.0


@njit
def fill_rows(x: Any, y: Any, constants: Any, k0: Any, k1: Any, first_step: Any) -> None:
    """Rows of a data set, drawn with replacement: constants (inputs (n, d), labels (n,))."""
    inputs, labels = constants
    rows = np.empty(x.shape[1], np.int64)
    fill_indices(rows, np.uint64(inputs.shape[0]), k0, k1, _SAMPLE, first_step)
    for k in range(rows.shape[0]):
        row = inputs[rows[k]]
        for j in range(row.shape[0]):
            x[j, k] = row[j]
        y[k] = labels[rows[k]]
    x[inputs.shape[1] :] = 0.0


@njit
def fill_chunk(x: Any, y: Any, constants: Any, k0: Any, k1: Any, first_step: Any) -> None:
    """Copy samples drawn beforehand: constants (inputs (n, d), labels (n,), their first step)."""
    inputs, labels, start = constants
    offset = np.int64(first_step - start)
    count = min(y.shape[0], labels.shape[0] - offset)
    for k in range(count):
        row = inputs[offset + k]
        for j in range(row.shape[0]):
            x[j, k] = row[j]
        y[k] = labels[offset + k]
    x[inputs.shape[1] :] = 0.0
    x[:, count:] = 0.0
    y[count:] = 0.0
