"""Tails, moments and densities of a sphere's first coordinate against integration."""

import numpy as np
import pytest
from scipy.integrate import quad

from meanfield.sphere import scaled_density, scaled_moment, scaled_tail


@pytest.mark.parametrize("dimension", [2, 3, 5, 40, 320, np.inf])
def test_tail_and_moment_are_integrals_of_the_density(dimension: float) -> None:
    end = min(np.sqrt(dimension), 9.0)
    # v = end sin(angle) takes the density's singular ends away.
    for cut in (-0.9, -0.2, 0.0, 0.4, 0.8):
        tail, moment = (
            quad(
                lambda a, p=power: (end * np.sin(a)) ** p
                * float(scaled_density(np.array([end * np.sin(a)]), dimension)[0])
                * end * np.cos(a),
                np.arcsin(cut), np.pi / 2 - 1e-9, epsabs=1e-13, points=[0.0],
            )[0]
            for power in (0, 1)
        )  # fmt: skip
        v = np.array([cut * end])
        assert scaled_tail(v, dimension)[0] == pytest.approx(tail, abs=1e-8)
        assert scaled_moment(v, dimension)[0] == pytest.approx(moment, abs=1e-8)


def test_the_limit_of_high_dimension_is_normal() -> None:
    """The difference falls as 1 / d."""
    v = np.linspace(-3, 3, 13)
    for function in (scaled_tail, scaled_moment, scaled_density):
        errors = [np.max(np.abs(function(v, d) - function(v, np.inf))) for d in (1_000, 10_000)]
        assert errors[0] / errors[1] == pytest.approx(10, rel=0.02)


def test_outside_of_the_sphere() -> None:
    v = np.array([-5.0, 5.0])
    np.testing.assert_array_equal(scaled_tail(v, 9), [1, 0])
    np.testing.assert_array_equal(scaled_moment(v, 9), [0, 0])
    np.testing.assert_array_equal(scaled_density(v, 9), [0, 0])
