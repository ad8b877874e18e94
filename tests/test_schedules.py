"""Schedules: integrals and inverses in closed form, and the step sizes of SGD."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from meanfield.schedules import Constant, Piecewise, Power, Schedule, make_schedule, step_sizes

EXPONENTS = st.one_of(st.floats(0, 4), st.sampled_from([0.0, 0.25, 1.0, 1 - 1e-9, 1 + 1e-9, 2.0]))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    kind = draw(st.sampled_from(["constant", "power", "singular", "piecewise"]))
    positive = st.floats(0.1, 10)
    if kind == "constant":
        return Constant(draw(positive))
    if kind == "power":
        return Power(draw(positive), draw(st.floats(1e-3, 10)), draw(EXPONENTS))
    if kind == "singular":
        return Power(draw(positive), 0.0, draw(st.floats(0.01, 0.8)))
    times = [0.0, *np.cumsum(draw(st.lists(positive, max_size=4)))]
    return Piecewise(tuple(times), tuple(draw(positive) for _ in times))


@given(schedules(), st.floats(0, 30), st.floats(1e-3, 3))
def test_tau_is_the_integral_of_xi(schedule: Schedule, t: float, width: float) -> None:
    if schedule.singular:
        t += 0.01  # closer to the singularity the numerical integral is the one that errs
    breaks = [b for b in getattr(schedule, "times", ()) if t < b < t + width]
    integral, error = quad(
        lambda u: float(schedule(u)), t, t + width, points=breaks or None, limit=200
    )
    difference = schedule.integral(t + width) - schedule.integral(t)
    scale = float(schedule.integral(t + width))
    assert difference == pytest.approx(integral, rel=1e-7, abs=1e-10 + 1e-12 * scale + 10 * error)
    assert schedule.integral(0.0) == 0


@given(schedules(), st.lists(st.floats(1e-6, 30), min_size=1, max_size=9))
def test_the_inverse_inverts(schedule: Schedule, t: list[float]) -> None:
    tau = schedule.integral(t)
    assert np.all(tau > 0)
    # An error of 1e-15 in tau is one of 1e-15 tau / xi in t.
    allowed = 1e-14 * np.asarray(t) + 1e-14 * tau / schedule(t)
    assert np.all(np.abs(schedule.inverse(tau) - t) <= allowed)
    assert schedule.inverse(0.0) == 0


def test_a_bounded_tau_is_never_passed() -> None:
    schedule = Power(c=2.0, t0=0.5, p=3.0)
    top = 2.0 * 0.5**-2 / 2
    assert schedule.integral(1e12) == pytest.approx(top)
    assert schedule.inverse([1.001 * top, np.inf]).tolist() == [np.inf, np.inf]


def test_a_piece_begins_at_its_time() -> None:
    schedule = Piecewise((0, 1, 3), (2, 1, 0.5))
    assert schedule([0, 0.5, 1, 2.9, 3, 100]).tolist() == [2, 2, 1, 1, 0.5, 0.5]
    assert schedule.integral([0, 1, 3, 5]).tolist() == [0, 2, 4, 5]
    assert schedule.inverse([0, 2, 4, 5]).tolist() == [0, 1, 3, 5]


@given(schedules(), st.integers(0, 2**50), st.integers(0, 40), st.integers(0, 40))
def test_step_sizes(schedule: Schedule, first: int, count: int, more: int) -> None:
    epsilon = 1e-4
    sizes = step_sizes(schedule, epsilon, first, count + more)
    k = first + np.arange(count + more) + schedule.singular
    np.testing.assert_allclose(sizes, epsilon * schedule(k * epsilon), rtol=1e-12)
    assert np.array_equal(sizes[count:], step_sizes(schedule, epsilon, first + count, more))


def test_a_constant_schedule_leaves_the_step_alone() -> None:
    assert step_sizes(Constant(), 1e-6, 5, 3).tolist() == [1e-6] * 3


def test_a_singular_schedule_begins_a_step_later() -> None:
    schedule = Power(c=1.0, t0=0.0, p=0.25)
    assert schedule.singular
    assert schedule(0.0) == np.inf
    sizes = step_sizes(schedule, 2e-4, 0, 2)
    np.testing.assert_allclose(sizes, 2e-4 * np.array([2e-4, 4e-4]) ** -0.25, rtol=1e-14)
    assert not Power(1.0, 0.0, 0.0).singular
    assert Power(3.0, 0.0, 0.0)(0.0) == 3


def test_settings() -> None:
    assert make_schedule({"kind": "constant", "value": 2.0}) == Constant(2.0)
    power = {"kind": "power", "c": 1.0, "t0": 0.0, "p": 0.25}
    assert make_schedule(power) == Power(1.0, 0.0, 0.25)
    pieces = {"kind": "piecewise", "times": [0, 1], "values": [2, 1]}
    assert make_schedule(pieces) == Piecewise((0.0, 1.0), (2.0, 1.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "linear"}, "unknown schedule kind 'linear', expected one of constant, power"),
        ({"kind": "constant"}, r"takes \['value'\], got \[\]"),
        ({"kind": "constant", "value": 0.0}, "value must be positive"),
        ({"kind": "power", "c": np.inf, "t0": 1, "p": 1}, "c must be positive and finite"),
        ({"kind": "power", "c": 1, "t0": -1, "p": 1}, "t0 must be 0 or at least 1e-100"),
        ({"kind": "power", "c": 1, "t0": 1, "p": -1}, "p must be finite and >= 0"),
        ({"kind": "power", "c": 1, "t0": 0, "p": 1}, "p must be below 1 where t0 = 0"),
        ({"kind": "power", "c": 1, "t0": 1e-90, "p": 9}, "out of range, got t0 = 1e-90, p = 9"),
        ({"kind": "piecewise", "times": [], "values": []}, "as many values as times"),
        ({"kind": "piecewise", "times": [0, 1], "values": [1]}, "as many values as times"),
        ({"kind": "piecewise", "times": [1, 2], "values": [1, 1]}, "times must start at 0"),
        ({"kind": "piecewise", "times": [0, 2, 1], "values": [1, 1, 1]}, "increase strictly"),
        ({"kind": "piecewise", "times": [0, 2], "values": [1, 0]}, "values must be positive"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_schedule(settings)


@pytest.mark.parametrize("method", ["__call__", "integral", "inverse"])
@pytest.mark.parametrize("schedule", [Constant(), Power(1, 1, 1), Piecewise((0,), (1,))])
def test_negative_times_are_refused(schedule: Schedule, method: str) -> None:
    for wrong in (-1e-9, np.nan):
        with pytest.raises(ValueError, match=r"must be >= 0, got .*(nan|1e-09)"):
            getattr(schedule, method)([0.0, wrong])
