"""Smooth activations and their derivatives on vectors, from + - x / and fma alone.

No library function of the platform is called, so the bits are the same on every CPU.  The
polynomials are near-minimax (Chebyshev interpolants, computed with 50 digits); their error and that
of the range reductions stay at a few units in the last place.  What is not a number stays so.
"""

from typing import Any

import numpy as np
from numba.extending import register_jitable

from meanfield.sgd.vectors import (
    SHIFTER,
    absolute,
    add,
    copy_sign,
    divide,
    fma,
    if_bit_0,
    if_bit_1,
    if_greater,
    make_constant,
    make_polynomial,
    multiply,
    subtract,
    times_power,
)


def _make_number(value: float) -> Any:
    return make_constant(value, value)


_zero, _half, _one, _two, _four = map(_make_number, (0.0, 0.5, 1.0, 2.0, 4.0))
_minus_half, _minus_two = map(_make_number, (-0.5, -2.0))
_shifter = make_constant(SHIFTER[32], SHIFTER[64])

# exp: r = y - k log 2 with log 2 in two parts; (exp r - 1 - r) / r^2 for |r| <= log(2) / 2.
_lowest_exponent = make_constant(-87.0, -708.0)
_inverse_log_2 = _make_number(1 / np.log(2.0))
_minus_log_2_high = make_constant(-0.6931471824645996, -0.6931471805599453)
_minus_log_2_low = make_constant(1.9046542121259336e-09, -2.3190468138462996e-17)
_exponential = make_polynomial(
    (0.0001989198131397769, 0.0013934541928270264, 0.008333310024225292, 0.04166645680967788,
     0.16666666682534356, 0.5),
    (2.0915442297780116e-09, 2.5106274733573296e-08, 2.75572718102198e-07, 2.755725283351691e-06,
     2.4801587327007187e-05, 0.00019841269876864356, 0.0013888888888883327, 0.008333333333325544,
     0.04166666666666667, 0.1666666666666667, 0.5),
)  # fmt: skip

# log(1 + f) = 2 artanh(s), s = f / (2 + f): (2 artanh(s) / s - 2) / s^2 in powers of s^2.
_log_2_high = make_constant(0.6931471824645996, 0.6931471805599453)
_log_2_low = make_constant(-1.9046542121259336e-09, 2.3190468138462996e-17)
_root_2_less_1 = _make_number(np.sqrt(2.0) - 1)
_logarithm = make_polynomial(
    (0.2333096405177204, 0.2855080255327671, 0.4000012200081688, 0.6666666655430018),
    (0.1308723619665962, 0.13268714792348096, 0.15386241881938595, 0.18181795600060793,
     0.22222222392089008, 0.28571428570801954, 0.4000000000000088, 0.6666666666666666),
)  # fmt: skip

# erf(a) / a - 1 in powers of a^2 for a <= 1; erfc(a) exp(a^2) in powers of (a - K) / (a + K),
# K = 5/2, for 1 <= a <= 13/2.  Beyond, erfc(a) < 4e-20 and only its order of magnitude is kept.
_erf_small = make_polynomial(
    (7.875875062685488e-05, -0.000801686428716587, 0.005189087423433974, -0.026854212010626412,
     0.11283594715160218, -0.37612626666720334, 0.12837916584835093),
    (5.957176147748911e-11, -1.1372848856791674e-09, 1.4659775274047436e-08,
     -1.6350312701054695e-07, 1.6461000484121368e-06, -1.4925595266831182e-05,
     0.0001205533111164271, -0.000854832698083379, 0.0052239776248180145, -0.026866170645076792,
     0.11283791670954879, -0.3761263890318375, 0.1283791670955126),
)  # fmt: skip
_erfc_scaled = make_polynomial(
    (0.00020597973430909334, 0.0008229517887976576, -0.0026375544166569813, -0.003986231451864524,
     0.0399221427482776, -0.1250334459907729, 0.25171320407311326, -0.3717367283214924,
     0.21080636401599537),
    (-1.5378557586750568e-06, -2.2184902789178133e-06, 7.470874188505511e-06,
     1.858887587419425e-05, -3.4169207030107777e-05, -0.00012887318025156945,
     0.00022837924373990615, 0.0008759151224158962, -0.0026423659116682325, -0.003993701152157716,
     0.03992253907442305, -0.1250330523790807, 0.25171319321745855, -0.371736733948972,
     0.21080636406114356),
)  # fmt: skip
_erfc_center = _make_number(2.5)
_erfc_end = _make_number(6.5)
_gauss_end = _make_number(40.0)
_two_over_root_pi = _make_number(2 / np.sqrt(np.pi))
_density_at_0 = _make_number(1 / np.sqrt(2 * np.pi))
_root_half = _make_number(np.sqrt(0.5))

# Cosine and sine: r = x - k pi/2 with pi/2 in three parts; (sin r - r) / r^3 and
# (cos r - 1 + r^2 / 2) / r^4 in powers of r^2, for |r| <= pi/4.
_two_over_pi = _make_number(2 / np.pi)
_minus_quarter_high = make_constant(-1.5707963705062866, -1.5707963267948966)
_minus_quarter_middle = make_constant(4.371138828673793e-08, -6.123233995736766e-17)
_minus_quarter_low = make_constant(1.7151245100058819e-15, 1.4973849048591698e-33)
_sine = make_polynomial(
    (2.724378140946123e-06, -0.00019840038872556747, 0.008333331785217696, -0.1666666666362283),
    (-7.585486485235938e-13, 1.6058510875319195e-10, -2.505210610025599e-08,
     2.7557319218954762e-06, -0.00019841269841264567, 0.008333333333333331, -0.16666666666666666),
)  # fmt: skip
_cosine = make_polynomial(
    (2.4542871110870263e-05, -0.0013888279330556918, 0.04166666453632113),
    (-1.1380868171449914e-11, 2.0876121534608454e-09, -2.7557317151858866e-07,
     2.480158729853226e-05, -0.0013888888888887241, 0.041666666666666664),
)  # fmt: skip


@register_jitable(forceinline=True)
def _negate(v: Any) -> Any:
    return subtract(_zero(v), v)


@register_jitable(forceinline=True)
def _at_most(v: Any, bound: Any) -> Any:
    return if_greater(v, bound, bound, v)


@register_jitable(forceinline=True)
def _power_parts(y: Any) -> Any:
    """Return p and q with exp(y) = q + q p, q a power of two, for y <= 0 (see `_exponential`)."""
    lowest = _lowest_exponent(y)
    y = if_greater(lowest, y, lowest, y)
    shifter = fma(y, _inverse_log_2(y), _shifter(y))
    k = subtract(shifter, _shifter(y))
    r = fma(k, _minus_log_2_low(y), fma(k, _minus_log_2_high(y), y))
    return fma(multiply(r, r), _exponential(r), r), times_power(_one(y), shifter)


@register_jitable(forceinline=True)
def _exp(y: Any) -> Any:
    p, q = _power_parts(y)
    return fma(q, p, q)


@register_jitable(forceinline=True)
def tanh(x: Any) -> Any:
    """Return tanh x = -m / (2 + m), m = exp(-2 |x|) - 1, and 1 - tanh^2 = 4 (1 + m) / (2 + m)^2."""
    p, q = _power_parts(multiply(_minus_two(x), absolute(x)))
    m = fma(q, p, subtract(q, _one(x)))
    ratio = divide(_one(x), add(_two(x), m))
    value = copy_sign(multiply(m, ratio), x)
    return value, multiply(multiply(_four(x), fma(q, p, q)), multiply(ratio, ratio))


@register_jitable(forceinline=True)
def _sigmoid_parts(x: Any) -> Any:
    """Return exp(-|x|), the sigmoid of x, and its derivative."""
    small = _exp(_negate(absolute(x)))
    ratio = divide(_one(x), add(_one(x), small))
    value = if_greater(x, _zero(x), ratio, multiply(small, ratio))
    return small, value, multiply(small, multiply(ratio, ratio))


@register_jitable(forceinline=True)
def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)) and its derivative."""
    _, value, slope = _sigmoid_parts(x)
    return value, slope


@register_jitable(forceinline=True)
def softplus(x: Any) -> Any:
    """Return log(1 + exp x) = max(x, 0) + log(1 + exp(-|x|)) and its derivative."""
    small, slope, _ = _sigmoid_parts(x)
    bound = _root_2_less_1(x)
    f = if_greater(small, bound, multiply(_half(x), subtract(small, _one(x))), small)
    high = if_greater(small, bound, _log_2_high(x), _zero(x))
    low = if_greater(small, bound, _log_2_low(x), _zero(x))
    s = divide(f, add(_two(x), f))
    z = multiply(s, s)
    square = multiply(_half(x), multiply(f, f))
    tail = fma(s, add(square, multiply(z, _logarithm(z))), low)
    logarithm = subtract(high, subtract(subtract(square, tail), f))
    return add(if_greater(x, _zero(x), x, _zero(x)), logarithm), slope


@register_jitable(forceinline=True)
def _erf_parts(a: Any, gauss: Any) -> Any:
    """Return erf(a) for a <= 1 and erfc(a) for a >= 1, where gauss = exp(-a^2), a >= 0."""
    z = multiply(a, a)
    small = fma(a, _erf_small(z), a)
    b = _at_most(a, _erfc_end(a))
    t = divide(subtract(b, _erfc_center(a)), add(b, _erfc_center(a)))
    return small, multiply(gauss, _erfc_scaled(t))


@register_jitable(forceinline=True)
def _gauss(a: Any, factor: Any) -> Any:
    """Return exp(factor a^2), factor < 0, without the rounding of a^2, which exp would magnify."""
    a = _at_most(a, _gauss_end(a))
    square = multiply(a, a)
    rest = multiply(factor, fma(a, a, _negate(square)))
    power = _exp(multiply(factor, square))
    return fma(power, rest, power)


@register_jitable(forceinline=True)
def erf(x: Any) -> Any:
    """Return erf x and its derivative."""
    a = absolute(x)
    gauss = _gauss(a, _negate(_one(x)))
    small, rest = _erf_parts(a, gauss)
    value = if_greater(a, _one(x), subtract(_one(x), rest), small)
    return copy_sign(value, x), multiply(_two_over_root_pi(x), gauss)


@register_jitable(forceinline=True)
def gelu(x: Any) -> Any:
    """Return x Phi(x) and its derivative Phi(x) + x phi(x)."""
    a = absolute(x)
    gauss = _gauss(a, _minus_half(x))
    u = multiply(a, _root_half(x))
    small, rest = _erf_parts(u, gauss)
    tail = if_greater(u, _one(x), multiply(_half(x), rest), fma(_minus_half(x), small, _half(x)))
    distribution = if_greater(x, _zero(x), subtract(_one(x), tail), tail)
    slope = fma(x, multiply(_density_at_0(x), gauss), distribution)
    return multiply(x, distribution), slope


@register_jitable(forceinline=True)
def cosine(x: Any) -> Any:
    """Return cos x and -sin x, for |x| below 10^6 (float32) or 10^14 (float64)."""
    shifter = fma(x, _two_over_pi(x), _shifter(x))
    k = subtract(shifter, _shifter(x))
    r = fma(k, _minus_quarter_middle(x), fma(k, _minus_quarter_high(x), x))
    r = fma(k, _minus_quarter_low(x), r)
    z = multiply(r, r)
    s = fma(multiply(r, z), _sine(z), r)
    c = fma(multiply(z, z), _cosine(z), fma(_minus_half(x), z, _one(x)))
    # Quarter turns map (cos, -sin) to (c, -s), (-s, -c), (-c, s), (s, c).
    even, odd = if_bit_0(shifter, s, c), if_bit_0(shifter, c, s)
    value = if_bit_1(
        shifter,
        if_bit_0(shifter, even, _negate(even)),
        if_bit_0(shifter, _negate(even), even),
    )
    return value, if_bit_1(shifter, odd, _negate(odd))
