"""Counter-based random numbers: Philox4x32-10 words, Gaussian coordinates and fair labels.

A number is a pure function of (seed, stream, replica, step, coordinate), so any step can be drawn
again without its predecessors and runs with different settings share their noise.  The functions
marked `register_jitable` are one text with two executions: called on NumPy arrays they are the
plain version, called from compiled code they work on scalars.  They use integers and the float32
operations + - * and sqrt, each rounded once, so both executions give the same bits everywhere.
Every integer result is put back into int32, since compiled code else goes on in 64 bits, which
halves the vectors.

    key     = (seed mod 2^32, seed div 2^32)
    counter = (coordinate div 4, step mod 2^32, step div 2^32, stream + 256 * replica)
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from meanfield.compiled import compiler, use_widest_vectors

njit = compiler(__file__)

# Streams: what a number is used for.  Their values are part of every result.
INITIAL = 0
SAMPLE = 1
LABEL = 2
TEST_SAMPLE = 3
TEST_LABEL = 4
NOISE = 5

LARGEST_SEED = 2**64 - 1

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_HALF = np.uint64(1 << 31)

_ONE = np.float32(1.0)
_TWO = np.float32(2.0)
_POINT_FIVE = np.float32(0.5)
_ULP = np.float32(2.0**-24)
_TURN = np.float32(2.0 * np.pi * 2.0**-24)
_EIGHT = np.uint64(8)
_UNIT = np.uint64(1)
_SQRT_HALF_BITS = np.int32(0x3F3504F3)
_MANTISSA_BITS = np.int32(23)
_EIGHTH_TURN = np.int32(1 << 21)
_QUARTER_BITS = np.int32(22)

# Minimax coefficients of the Cephes library (Moshier): log(1 + f) on [sqrt(1/2), sqrt(2)), sine and
# cosine on [-pi/4, pi/4].  log 2 is split so that exponent * _LOG2_HIGH is exact.
_LOG2_HIGH = np.float32(0.693359375)
_LOG2_LOW = np.float32(-2.12194440e-4)
_L8 = np.float32(7.0376836292e-2)
_L7 = np.float32(-1.1514610310e-1)
_L6 = np.float32(1.1676998740e-1)
_L5 = np.float32(-1.2420140846e-1)
_L4 = np.float32(1.4249322787e-1)
_L3 = np.float32(-1.6668057665e-1)
_L2 = np.float32(2.0000714765e-1)
_L1 = np.float32(-2.4999993993e-1)
_L0 = np.float32(3.3333331174e-1)
_S2 = np.float32(-1.9515295891e-4)
_S1 = np.float32(8.3321608736e-3)
_S0 = np.float32(-1.6666654611e-1)
_C2 = np.float32(2.443315711809948e-5)
_C1 = np.float32(-1.388731625493765e-3)
_C0 = np.float32(4.166664568298827e-2)


@register_jitable(forceinline=True)
def _round(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    p0 = c0 * _MULTIPLIER_0
    p1 = c2 * _MULTIPLIER_1
    return (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _MASK, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _MASK


@register_jitable(forceinline=True)
def _key(word: Any, weyl: Any, index: Any) -> Any:
    return (word + weyl * np.uint64(index)) & _MASK


@register_jitable(forceinline=True)
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Apply the ten rounds of Philox4x32.

    Args:
        c0: first counter word, uint64 below 2^32 (the four are arrays of one shape, or scalars).
        c1: second counter word.
        c2: third counter word.
        c3: fourth counter word.
        k0: first key word, uint64 below 2^32.
        k1: second key word.

    Returns:
        Four words, uint64 below 2^32, of the shape of the counter.

    Source: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
    """
    # Written out, not a loop: the compiler vectorizes over counters only without an inner loop.
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, _key(k0, _WEYL_0, 1), _key(k1, _WEYL_1, 1))
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, _key(k0, _WEYL_0, 2), _key(k1, _WEYL_1, 2))
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, _key(k0, _WEYL_0, 3), _key(k1, _WEYL_1, 3))
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, _key(k0, _WEYL_0, 4), _key(k1, _WEYL_1, 4))
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, _key(k0, _WEYL_0, 5), _key(k1, _WEYL_1, 5))
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, _key(k0, _WEYL_0, 6), _key(k1, _WEYL_1, 6))
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, _key(k0, _WEYL_0, 7), _key(k1, _WEYL_1, 7))
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, _key(k0, _WEYL_0, 8), _key(k1, _WEYL_1, 8))
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, _key(k0, _WEYL_0, 9), _key(k1, _WEYL_1, 9))
    return c0, c1, c2, c3


@register_jitable(forceinline=True)
def radius(word: Any) -> Any:
    """Return the Box-Muller radius sqrt(-2 log u), u = (word div 256 + 1) 2^-24 in (0, 1].

    Words from 0xFFFFFF00 on give u = 1 and radius 0; word 0 gives the largest radius, 5.768.

    Args:
        word: uint64 below 2^32.

    Returns:
        float32 in [0, 5.768].
    """
    u = np.float32(np.int32((word >> _EIGHT) + _UNIT)) * _ULP
    bits = np.float32(u).view(np.int32)
    exponent = np.int32(np.int32(bits - _SQRT_HALF_BITS) >> _MANTISSA_BITS)
    mantissa = np.int32(bits - (exponent << _MANTISSA_BITS)).view(np.float32)
    power = np.float32(exponent)
    f = mantissa - _ONE
    z = f * f
    series = ((((_L8 * f + _L7) * f + _L6) * f + _L5) * f + _L4) * f + _L3
    series = ((series * f + _L2) * f + _L1) * f + _L0
    small = series * f * z + power * _LOG2_LOW - _POINT_FIVE * z
    log = (small + f) + power * _LOG2_HIGH
    # 0 - x rather than -x: u = 1 gives +0, not -0.
    return np.sqrt(np.float32(0.0) - _TWO * log)


@register_jitable(forceinline=True)
def direction(word: Any) -> Any:
    """Return cosine and sine of the angle 2 pi u, u = (word div 256 + 1) 2^-24 in (0, 1].

    The angle is reduced to [-pi/4, pi/4] in integers, so the reduction is exact.

    Args:
        word: uint64 below 2^32.

    Returns:
        (cosine, sine), float32.
    """
    n = np.int32((word >> _EIGHT) + _UNIT)
    quarter = np.int32(np.int32(n + _EIGHTH_TURN) >> _QUARTER_BITS)
    a = np.float32(np.int32(n - np.int32(quarter << _QUARTER_BITS))) * _TURN
    z = a * a
    sine = ((_S2 * z + _S1) * z + _S0) * z * a + a
    cosine = ((_C2 * z + _C1) * z + _C0) * z * z - _POINT_FIVE * z + _ONE
    # Quarter turns map (cos, sin) to (c, s), (-s, c), (-c, -s), (s, -c).  The choice is written as
    # an exact product with 0 and 1, which vectorizes and means the same for arrays and scalars.
    odd = np.float32(np.int32(quarter & 1))
    even = _ONE - odd
    cosine_sign = np.float32(np.int32(1 - ((quarter + 1) & 2)))
    sine_sign = np.float32(np.int32(1 - (quarter & 2)))
    return cosine_sign * (even * cosine + odd * sine), sine_sign * (even * sine + odd * cosine)


@register_jitable(forceinline=True)
def four_normals(w0: Any, w1: Any, w2: Any, w3: Any) -> Any:
    """Map four words to four standard normals (Box-Muller).

    (w0, w1, w2, w3) -> (R(w0) cos(w1), R(w0) sin(w1), R(w2) cos(w3), R(w2) sin(w3)).

    Args:
        w0: first word, uint64 below 2^32.
        w1: second word.
        w2: third word.
        w3: fourth word.

    Returns:
        Four float32 values, |value| <= 5.768.
    """
    r0 = radius(w0)
    r1 = radius(w2)
    a0, b0 = direction(w1)
    a1, b1 = direction(w3)
    return r0 * a0, r0 * b0, r1 * a1, r1 * b1


def split_seed(seed: int) -> tuple[np.uint64, np.uint64]:
    """Return the key words (seed mod 2^32, seed div 2^32).

    Args:
        seed: integer in [0, 2^64).

    Returns:
        Two uint64 words below 2^32.

    Raises:
        ValueError: the seed is out of range.
    """
    if not 0 <= int(seed) <= LARGEST_SEED:
        raise ValueError(f"seed must be an integer in [0, 2^64), got {seed!r}")
    return np.uint64(int(seed) & 0xFFFFFFFF), np.uint64(int(seed) >> 32)


def calls_of_steps(
    seed: int, stream: int, first_step: int, count: int, dimension: int, replica: int = 0
) -> Iterator[tuple[slice, Any]]:
    """Yield the calls of the generator for consecutive steps: the arguments of `normals`.

    In pieces that stay in cache: the words take many times the room of what is made of them.

    Yields:
        Rows of the piece, and its four words, each uint64 (rows, calls), where call i of a step
        serves its coordinates 4 i, ..., 4 i + 3.
    """
    k0, k1 = split_seed(seed)
    calls = -(-dimension // 4)
    coordinate = np.arange(calls, dtype=np.uint64)[None, :]
    last = np.uint64(stream + 256 * replica)
    chunk = max(1, 2**14 // max(1, calls))
    for start in range(0, count, chunk):
        rows = slice(start, min(start + chunk, count))
        steps = np.uint64(first_step + start) + np.arange(rows.stop - start, dtype=np.uint64)
        low, high = (steps & _MASK)[:, None], (steps >> _SHIFT)[:, None]
        zeros = np.zeros((len(steps), calls), dtype=np.uint64)
        yield rows, philox(zeros + coordinate, zeros + low, zeros + high, zeros + last, k0, k1)


def normals(
    seed: int, stream: int, first_step: int, count: int, dimension: int, replica: int = 0
) -> npt.NDArray[np.float32]:
    """Draw the standard normals of `count` consecutive steps.

    Args:
        seed: integer in [0, 2^64).
        stream: one of the streams of this module.
        first_step: first step, in [0, 2^63).
        count: number of steps.
        dimension: coordinates per step; coordinate i is entry i % 4 of the call i // 4.
        replica: replica, in [0, 2^24).

    Returns:
        float32 array (count, dimension).

    Raises:
        ValueError: the seed is out of range.
    """
    values = np.empty((count, dimension), dtype=np.float32)
    for rows, words in calls_of_steps(seed, stream, first_step, count, dimension, replica):
        quadruples = np.stack(four_normals(*words), axis=-1)
        values[rows] = quadruples.reshape(len(quadruples), -1)[:, :dimension]
    return values


def labels(
    seed: int, stream: int, first_step: int, count: int, replica: int = 0
) -> npt.NDArray[np.float64]:
    """Draw fair labels +1 and -1, one word a step: word k % 4 of the call with counter step k // 4.

    The label is +1 if the word is below 2^31.

    Args:
        seed: integer in [0, 2^64).
        stream: one of the streams of this module.
        first_step: first step k, in [0, 2^63).
        count: number of steps.
        replica: replica, in [0, 2^24).

    Returns:
        float64 array (count,).

    Raises:
        ValueError: the seed is out of range.
    """
    k0, k1 = split_seed(seed)
    first_call = first_step // 4
    calls = -(-(first_step + count) // 4) - first_call
    steps = np.uint64(first_call) + np.arange(calls, dtype=np.uint64)
    zeros = np.zeros_like(steps)
    words = philox(zeros, steps & _MASK, steps >> _SHIFT, zeros + np.uint64(stream + 256 * replica),
                   k0, k1)  # fmt: skip
    flat = np.stack(words, axis=-1).reshape(-1)[first_step - 4 * first_call :][:count]
    return np.where(flat < _HALF, 1.0, -1.0)


@njit
def fill_normals(out: Any, k0: Any, k1: Any, last: Any, step: Any) -> None:
    """Draw `normals` in compiled code: out[i, k] = coordinate i of step `step` + k.

    Args:
        out: (4 m, n) array, float32 or float64; values are drawn in float32 either way.
        k0: first key word, uint64 below 2^32.
        k1: second key word.
        last: stream + 256 * replica, uint64.
        step: first step, uint64; step mod 2^32 + n must not exceed 2^32.
    """
    use_widest_vectors()
    low = step & _MASK
    high = step >> _SHIFT
    # Masks change no word here: they tell the compiler that products of 32 bits will do.
    k0, k1, last = k0 & _MASK, k1 & _MASK, last & _MASK
    for block in range(out.shape[0] // 4):
        rows = out[4 * block : 4 * block + 4]
        for k in range(out.shape[1]):
            counter = (low + np.uint64(k)) & _MASK
            w0, w1, w2, w3 = philox(np.uint64(block), counter, high, last, k0, k1)
            rows[0, k], rows[1, k], rows[2, k], rows[3, k] = four_normals(w0, w1, w2, w3)


@njit
def fill_labels(out: Any, k0: Any, k1: Any, last: Any, step: Any) -> None:
    """Draw `labels` in compiled code: out[k] = label of step `step` + k, +1 or -1.

    Args:
        out: (4 m,) array, float32 or float64.
        k0: first key word, uint64 below 2^32.
        k1: second key word.
        last: stream + 256 * replica, uint64.
        step: first step, uint64, a multiple of 4.
    """
    for call in range(out.shape[0] // 4):
        counter = (step >> np.uint64(2)) + np.uint64(call)
        words = philox(np.uint64(0), counter & _MASK, counter >> _SHIFT, last, k0, k1)
        for index in range(4):
            out[4 * call + index] = 1.0 if words[index] < _HALF else -1.0
