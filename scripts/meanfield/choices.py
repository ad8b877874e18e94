"""Counter-based uniform numbers: random words, numbers of (0, 1) and indices below a bound.

They are addressed as the normals of `meanfield.random`, by (seed, stream, replica, step,
coordinate), so a stream that serves one kind of number must not serve another.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from meanfield.compiled import compiler
from meanfield.random import calls_of_steps, philox

njit = compiler(__file__)

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def words(
    seed: int, stream: int, first_step: int, count: int, dimension: int, replica: int = 0
) -> npt.NDArray[np.uint64]:
    """Draw uniform 32-bit words; coordinate i of a step is word i % 4 of the call i // 4.

    Args:
        seed: integer in [0, 2^64).
        stream: one of the streams of `meanfield.random`.
        first_step: first step, in [0, 2^63).
        count: number of steps.
        dimension: words per step.
        replica: replica, in [0, 2^24).

    Returns:
        uint64 array (count, dimension) of values below 2^32.

    Raises:
        ValueError: the seed is out of range.
    """
    values = np.empty((count, dimension), dtype=np.uint64)
    for rows, drawn in calls_of_steps(seed, stream, first_step, count, dimension, replica):
        values[rows] = np.stack(drawn, axis=-1).reshape(rows.stop - rows.start, -1)[:, :dimension]
    return values


def uniforms(
    seed: int, stream: int, first_step: int, count: int, dimension: int, replica: int = 0
) -> npt.NDArray[np.float64]:
    """Draw numbers uniform on (0, 1), u = (word + 1/2) 2^-32: the arguments of `words`.

    Returns:
        float64 array (count, dimension); neither 0 nor 1 occurs.

    Raises:
        ValueError: the seed is out of range.
    """
    # In place: the largest start has little room beside itself.
    drawn = words(seed, stream, first_step, count, dimension, replica).astype(np.float64)
    drawn += 0.5
    drawn *= 2.0**-32
    return drawn


def indices(
    seed: int, stream: int, first_step: int, count: int, bound: int, replica: int = 0
) -> npt.NDArray[np.int64]:
    """Draw one index a step, uniform on {0, ..., bound - 1}: floor(word bound / 2^32), word 0.

    No index is likelier than another by more than the factor 1 + bound / 2^32.

    Args:
        seed: integer in [0, 2^64).
        stream: one of the streams of `meanfield.random`.
        first_step: first step, in [0, 2^63).
        count: number of steps.
        bound: number of choices, in [1, 2^32).
        replica: replica, in [0, 2^24).

    Returns:
        int64 array (count,).

    Raises:
        ValueError: the seed or the bound is out of range.
    """
    if not 1 <= bound < 2**32:
        raise ValueError(f"the number of choices must lie in [1, 2^32), got {bound!r}")
    drawn = words(seed, stream, first_step, count, 1, replica)[:, 0]
    return ((drawn * np.uint64(bound)) >> _SHIFT).astype(np.int64)


@njit
def fill_indices(out: Any, bound: Any, k0: Any, k1: Any, last: Any, step: Any) -> None:
    """Draw `indices` in compiled code: out[k] = index of step `step` + k.

    Args:
        out: integer array (n,).
        bound: number of choices, uint64.
        k0: first key word, uint64 below 2^32.
        k1: second key word.
        last: stream + 256 * replica, uint64.
        step: first step, uint64.
    """
    for k in range(out.shape[0]):
        at = step + np.uint64(k)
        word, _, _, _ = philox(np.uint64(0), at & _MASK, at >> _SHIFT, last, k0, k1)
        out[k] = (word * bound) >> _SHIFT
