"""Logarithm, exponential and power in float64 that give the same bits on every CPU.

NumPy and the C library choose among several implementations by the instructions that a CPU has, and
those differ in the last bit. Here are the operations + - * / alone, each rounded once.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

Floats = npt.NDArray[np.float64]

# Coefficients of fdlibm (Sun Microsystems, 1993): log(1 + f) on [sqrt(1/2), sqrt(2)), exp on
# [-log(2)/2, log(2)/2]. log 2 is split so that exponent * _LOG2_HIGH is exact.
_LOG2_HIGH = 6.93147180369123816490e-01
_LOG2_LOW = 1.90821492927058770002e-10
_INVERSE_LOG2 = 1.44269504088896338700e00
_L = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
    2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
    1.479819860511658591e-01,
)  # fmt: skip
_P = (
    1.66666666666666019037e-01, -2.77777777770155933842e-03, 6.61375632143793436117e-05,
    -1.65339022054652515390e-06, 4.13813679705723846039e-08,
)  # fmt: skip
_SQRT_HALF = 0.70710678118654752440


def log(x: ArrayLike) -> Floats:
    """Return log x of finite numbers x > 0, elementwise, to about 1 unit in the last place."""
    mantissa, exponent = np.frexp(np.asarray(x, dtype=np.float64))
    small = mantissa < _SQRT_HALF
    power = (exponent - small).astype(np.float64)
    f = np.where(small, 2.0 * mantissa, mantissa) - 1.0
    s = f / (2.0 + f)
    z = s * s
    half_square = 0.5 * f * f
    correction = s * (half_square + z * _polynomial(_L, z))
    low = correction + power * _LOG2_LOW
    value: Floats = power * _LOG2_HIGH - ((half_square - low) - f)
    return value


def exp(x: ArrayLike) -> Floats:
    """Return e^x of numbers in [-700, 700], elementwise, to about 1 unit in the last place."""
    points = np.asarray(x, dtype=np.float64)
    power = np.rint(points * _INVERSE_LOG2)
    high = points - power * _LOG2_HIGH
    low = power * _LOG2_LOW
    r = high - low
    z = r * r
    c = r - z * _polynomial(_P, z)
    value: Floats = np.ldexp(1.0 - ((low - (r * c) / (2.0 - c)) - high), power.astype(np.int32))
    return value


def power(x: ArrayLike, exponent: float) -> Floats:
    """Return x^p of finite numbers x > 0, elementwise, for |p log x| <= 700.

    The relative error is about (1 + |p log x|) 2^-53.
    """
    return exp(exponent * log(x))


def _polynomial(coefficients: tuple[float, ...], z: Any) -> Any:
    value = np.full_like(z, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * z + coefficient
    return value
