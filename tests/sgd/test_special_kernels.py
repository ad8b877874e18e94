"""Compiled activations against SciPy, over wide ranges and at the edges of their formulas."""

from typing import Any

import numpy as np
import pytest

from compiled_curves import PRECISIONS, SMOOTH, evaluated
from meanfield.activations import ACTIVATIONS, GELU, Cosine, Erf, LeakyReLU, PiecewiseLinear, ReLU
from meanfield.sgd.activation_kernels import compiled_activation

PIECEWISE = (ReLU(), LeakyReLU(-0.25), PiecewiseLinear((-1.0, 0.5, 1.5), (1.0, -2.0, 7.0), 2.0))


def test_every_activation_is_here():
    assert {type(activation) for activation in SMOOTH + PIECEWISE} == set(ACTIVATIONS.values())


def points(precision):
    """Dense where the formulas change, and over all orders of magnitude from 1e-30 to 100."""
    tiny = np.exp(np.linspace(np.log(1e-30), np.log(100), 4000))
    seams = [0, np.log(2) / 2, 1, np.sqrt(2), np.log(2), -np.log(np.sqrt(2) - 1), 6.5, np.pi / 4]
    near = [seam + width * np.linspace(-1, 1, 9) for seam in seams for width in (1e-3, 1e-7)]
    dense = np.linspace(-12, 12, 20_001)
    return np.concatenate([dense, tiny, -tiny, *near, *(-part for part in near)])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("activation", SMOOTH, ids=lambda a: type(a).__name__)
def test_smooth_activations_are_right_to_a_few_units_in_the_last_place(activation, precision):
    t, values, slopes = evaluated(activation, points(precision), precision)
    exact = t.astype(np.float64)
    unit = np.finfo(precision).eps
    # Relative to the result, and to what cancels in it: x Phi(x) and x phi(x) for GELU.
    for found, expected in (
        (values, activation(exact)), (slopes, activation.derivative(exact)),
    ):  # fmt: skip
        error = np.abs(found.astype(np.float64) - expected)
        assert np.all(error <= 4 * unit * np.maximum(np.abs(expected), 1))
        if not isinstance(activation, GELU):
            # SciPy's own exp(-t^2) is off by t^2 units.
            slack = 4 + 2 * exact**2 * isinstance(activation, Erf)
            assert np.all(error <= slack * unit * np.maximum(np.abs(expected), 1e-30))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("activation", PIECEWISE, ids=lambda a: type(a).__name__)
def test_piecewise_linear_activations_choose_the_piece_on_the_left(activation, precision):
    at_knots = np.asarray(activation.knots)
    t, values, slopes = evaluated(
        activation, np.concatenate([points(precision), at_knots]), precision
    )
    unit = np.finfo(precision).eps
    np.testing.assert_allclose(values, activation(t), rtol=4 * unit, atol=8 * unit)
    np.testing.assert_array_equal(slopes, activation.derivative(t))


@pytest.mark.parametrize(("precision", "largest"), [("float32", 1e5), ("float64", 1e9)])
def test_cosine_of_large_arguments(precision, largest):
    t, values, slopes = evaluated(Cosine(), np.linspace(-largest, largest, 10_000), precision)
    exact = t.astype(np.float64)
    unit = np.finfo(precision).eps
    np.testing.assert_allclose(values, np.cos(exact), rtol=0, atol=2 * unit)
    np.testing.assert_allclose(slopes, -np.sin(exact), rtol=0, atol=2 * unit)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("activation", SMOOTH, ids=lambda a: type(a).__name__)
def test_what_is_not_a_number_stays_so_and_saturation_is_exact(activation, precision):
    _, values, slopes = evaluated(activation, np.array([np.nan, -1e4, 1e4]), precision)
    assert np.isnan(values[0])
    assert np.isnan(slopes[0])
    assert np.all(np.isfinite(values[1:]))
    for limit, value in zip(activation.limits, values[1:], strict=True):
        if np.isfinite(limit):
            assert value == pytest.approx(limit, abs=1e-30)


def test_only_known_activations_compile():
    unknown: Any = "tanh"
    with pytest.raises(ValueError, match=r"no compiled activation str; known: .*'Tanh'"):
        compiled_activation(unknown, np.float32)
