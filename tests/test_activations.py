"""Activations: values, slopes, limits and their settings."""

import numpy as np
import pytest

from meanfield.activations import (
    ACTIVATIONS,
    Activation,
    LeakyReLU,
    PiecewiseLinear,
    ReLU,
    make_activation,
)

FIGURE_1 = PiecewiseLinear(knots=(0.5, 1.5), values=(-2.5, 7.5))
FIGURE_4 = PiecewiseLinear(knots=(0.0, 0.5, 1.5), values=(-2.5, -4.0, 7.5))
RELU = PiecewiseLinear(knots=(0.0,), values=(0.0,), right_slope=1.0)


@pytest.mark.parametrize("activation", [FIGURE_1, FIGURE_4])
def test_bounded_activations_interpolate_between_their_knots(activation: PiecewiseLinear) -> None:
    t = np.linspace(-3, 3, 1201)
    expected = np.interp(t, activation.knots, activation.values)
    np.testing.assert_allclose(activation(t), expected, rtol=0, atol=1e-14)


def test_outer_slopes() -> None:
    activation = PiecewiseLinear((-1.0, 2.0), (3.0, 0.0), left_slope=0.5, right_slope=4.0)
    np.testing.assert_allclose(activation([-3.0, -1.0, 0.5, 2.0, 3.0]), [2.0, 3.0, 1.5, 0.0, 4.0])
    assert activation.limits == (-np.inf, np.inf)
    assert RELU.limits == (0.0, np.inf)
    assert FIGURE_1.limits == (-2.5, 7.5)
    assert PiecewiseLinear((0.0,), (1.0,), -2.0, -3.0).limits == (np.inf, -np.inf)


def test_pieces_are_the_function() -> None:
    for activation in (FIGURE_1, FIGURE_4, RELU):
        knots = np.asarray(activation.knots)
        assert activation.slopes.shape == activation.intercepts.shape == (len(knots) + 1,)
        np.testing.assert_allclose(activation.jumps, np.diff(activation.slopes))
        # Continuity: the pieces on both sides of a knot agree there.
        left = activation.slopes[:-1] * knots + activation.intercepts[:-1]
        right = activation.slopes[1:] * knots + activation.intercepts[1:]
        np.testing.assert_allclose(left, right, atol=1e-14)


def test_derivative_at_a_knot_is_that_of_the_left_piece() -> None:
    np.testing.assert_array_equal(
        FIGURE_1.derivative([0.5, np.nextafter(0.5, 1), 1.5, np.nextafter(1.5, 2)]), [0, 10, 10, 0]
    )


def test_derivative_by_finite_differences() -> None:
    t = np.linspace(-2, 3, 40) + 0.003
    numerical = (FIGURE_4(t + 1e-6) - FIGURE_4(t - 1e-6)) / 2e-6
    np.testing.assert_allclose(FIGURE_4.derivative(t), numerical, atol=1e-8)


def test_the_floating_type_is_kept() -> None:
    assert FIGURE_1(np.array([0.7], dtype=np.float32)).dtype == np.float32
    assert FIGURE_1.derivative(np.array([0.7], dtype=np.float32)).dtype == np.float32
    assert FIGURE_1([1]).dtype == np.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"knots": (), "values": ()}, "at least one"),
        ({"knots": (0.0, 1.0), "values": (0.0,)}, "as many values"),
        ({"knots": (1.0, 1.0), "values": (0.0, 1.0)}, "increase"),
        ({"knots": (0.0,), "values": (np.nan,)}, "finite"),
        ({"knots": (0.0,), "values": (0.0,), "left_slope": np.inf}, "finite"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PiecewiseLinear(**arguments)  # type: ignore[arg-type]


def test_settings() -> None:
    settings = {"kind": "piecewise_linear", "knots": [0.5, 1.5], "values": [-2.5, 7.5]}
    assert make_activation(settings) == FIGURE_1
    assert hash(make_activation(settings)) == hash(FIGURE_1)
    with pytest.raises(ValueError, match="unknown activation kind 'tan', expected one of"):
        make_activation({"kind": "tan"})
    with pytest.raises(ValueError, match=r"unknown: \['slope'\]"):
        make_activation({**settings, "slope": 1})
    with pytest.raises(ValueError, match=r"missing: \['values'\]"):
        make_activation({"kind": "piecewise_linear", "knots": [0]})


SETTINGS: dict[str, dict[str, object]] = {
    **{kind: {"kind": kind} for kind in ACTIVATIONS},
    "piecewise_linear": {"kind": "piecewise_linear", "knots": [-1.0, 2.0], "values": [3.0, 0.0]},
    "leaky_relu": {"kind": "leaky_relu", "slope": 0.1},
}


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_activation_fits_its_derivative_and_limits(kind: str) -> None:
    activation: Activation = make_activation(SETTINGS[kind])
    t = np.linspace(-9.0, 9.0, 361) + 0.003
    numerical = (activation(t + 1e-6) - activation(t - 1e-6)) / 2e-6
    np.testing.assert_allclose(activation.derivative(t), numerical, atol=2e-9)
    for points in (t, t.astype(np.float32)):
        assert activation(points).dtype == activation.derivative(points).dtype == points.dtype
    assert activation([1]).dtype == np.float64
    for limit, far in zip(activation.limits, activation([-40.0, 40.0]), strict=True):
        if np.isfinite(limit):
            assert far == pytest.approx(limit, abs=1e-12)
        elif np.isinf(limit):
            assert abs(far) > 1
            assert np.sign(far) == np.sign(limit)
    assert hash(activation) == hash(make_activation(SETTINGS[kind]))


def test_the_relus_are_piecewise_linear() -> None:
    t = np.linspace(-2.0, 2.0, 41)
    np.testing.assert_array_equal(ReLU()(t), np.maximum(t, 0))
    np.testing.assert_array_equal(LeakyReLU(0.25)(t), np.where(t > 0, t, 0.25 * t))
    assert ReLU().derivative([0.0]) == [0.0]
    assert LeakyReLU(0.25).derivative([0.0]) == [0.25]
    with pytest.raises(ValueError, match="finite"):
        LeakyReLU(np.inf)
    with pytest.raises(ValueError, match=r"takes \['slope'\]; unknown: \['knots'\]"):
        make_activation({"kind": "leaky_relu", "slope": 1, "knots": (0,)})
