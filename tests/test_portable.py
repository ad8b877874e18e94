"""Portable functions against the library's, and against bits that must never change."""

import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from meanfield.portable import exp, log, power

POSITIVE = st.floats(1e-300, 1e300)


@given(st.lists(POSITIVE, min_size=1, max_size=20))
def test_logarithm(x: list[float]) -> None:
    np.testing.assert_allclose(log(x), np.log(x), rtol=4e-16, atol=1e-300)


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=20))
def test_exponential(x: list[float]) -> None:
    np.testing.assert_allclose(exp(x), np.exp(x), rtol=4e-16)


@given(st.floats(1e-12, 1e12), st.floats(-5, 5))
def test_power(x: float, p: float) -> None:
    allowed = (2 + abs(p * np.log(x))) * 2**-52
    np.testing.assert_allclose(power(x, p), x**p, rtol=allowed)


def test_exact_values() -> None:
    assert log([1.0]) == 0
    assert exp([0.0]) == 1
    np.testing.assert_array_equal(power([1.0, 3.0], 0.0), [1, 1])
    np.testing.assert_array_equal(log([2.0, 0.5]), [np.log(2), -np.log(2)])


def test_the_bits_are_those_of_every_cpu() -> None:
    x = np.linspace(1e-3, 40, 10_001)
    bits = hashlib.sha256(b"".join(f(x).tobytes() for f in (log, exp))).hexdigest()
    assert bits == "d4c240d08afe5aec3edeb955c94d898ba7e4fc52cf262ae93e11cd2a5f3abe9b"
