"""Initial measures: their laws, their streams, and the bits of the Gaussian one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from meanfield.initial import (
    Gaussian,
    Initial,
    Mixture,
    Point,
    Sphere,
    Uniform,
    make_initial,
)
from meanfield.random import INITIAL, normals

LAWS = (
    Gaussian(0.8),
    Sphere(1.5),
    Uniform(-1.0, 2.0),
    Point(0.25),
    Mixture((1.0, 3.0), (Point(0.0), Sphere(2.0))),
)
NEURONS = 4000


def test_gaussian_weights() -> None:
    theta = Initial(Gaussian(0.8)).draw(3, NEURONS, 40)
    assert theta.shape == (NEURONS, 40)
    assert theta.dtype == np.float64
    assert np.sum(theta**2, axis=1).mean() == pytest.approx(0.64, abs=5 * 0.64 / np.sqrt(80_000))
    expected = normals(3, INITIAL, 0, 3, 40).astype(np.float64) * (0.8 / np.sqrt(40))
    assert np.array_equal(theta[:3], expected)


@given(
    w=st.sampled_from(LAWS),
    a=st.sampled_from(LAWS),
    b=st.sampled_from(LAWS),
    neurons=st.integers(0, 40),
    more=st.integers(0, 9),
    dimension=st.integers(1, 9),
)
def test_a_neuron_does_not_depend_on_the_width_or_the_other_parameters(
    w: Any, a: Any, b: Any, neurons: int, more: int, dimension: int
) -> None:
    theta = Initial(w, a, b).draw(5, neurons + more, dimension)
    assert theta.shape == (neurons + more, 2 + dimension)
    assert np.array_equal(theta[:neurons], Initial(w, a, b).draw(5, neurons, dimension))
    assert np.array_equal(theta[:, 2:], Initial(w).draw(5, neurons + more, dimension))
    assert np.array_equal(theta[:, :1], Initial(w, a, w).draw(5, neurons + more, dimension)[:, :1])


def test_the_sphere() -> None:
    w = Sphere(1.5).draw(3, NEURONS, 3, "w")
    assert np.linalg.norm(w, axis=1) == pytest.approx(np.full(NEURONS, 1.5), rel=1e-14)
    # Archimedes: a coordinate on the sphere in R^3 is uniform.
    for column in w.T:
        assert kstest(column, "uniform", (-1.5, 3)).pvalue > 1e-3
    signs = Sphere(1.5).draw(3, NEURONS, 1, "a")
    assert set(signs.ravel()) == {-1.5, 1.5}
    assert abs(signs.mean()) < 5 * 1.5 / np.sqrt(NEURONS)


def test_uniform_and_point() -> None:
    w = Uniform(-1.0, 2.0).draw(3, NEURONS, 2, "w")
    for column in w.T:
        assert kstest(column, "uniform", (-1, 3)).pvalue > 1e-3
    assert abs(np.corrcoef(w.T).flat[1]) < 5 / np.sqrt(NEURONS)
    assert np.array_equal(Point(-2.0).draw(3, 4, 2, "w"), np.full((4, 2), -2.0))


def test_a_mixture_has_its_components_in_proportion() -> None:
    mixture = Mixture((1.0, 3.0), (Point(7.0), Gaussian(1.0)))
    drawn = mixture.draw(3, NEURONS, 1, "b")[:, 0]
    at_point = drawn == 7
    assert at_point.mean() == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / NEURONS))
    assert kstest(drawn[~at_point], norm.cdf).pvalue > 1e-3
    assert np.array_equal(drawn[~at_point], Gaussian(1.0).draw(3, NEURONS, 1, "b")[~at_point, 0])


def test_parameters_and_kinds_of_number_are_independent() -> None:
    gaussian, uniform = Gaussian(1.0), Uniform(-1.0, 1.0)
    mixture = Mixture((1.0, 1.0), (Point(-1.0), Point(1.0)))
    columns = [
        law.draw(3, NEURONS, 1, parameter)[:, 0]
        for law in (gaussian, uniform, mixture)
        for parameter in ("w", "a", "b")
    ]
    correlations = np.corrcoef(columns) - np.eye(9)
    assert np.abs(correlations).max() < 5 / np.sqrt(NEURONS)
    assert not np.array_equal(gaussian.draw(3, 9, 1, "w"), gaussian.draw(4, 9, 1, "w"))


def test_settings() -> None:
    gaussian = {"kind": "gaussian", "scale": 0.8}
    assert make_initial(gaussian) == Initial(Gaussian(0.8))
    point, sphere = {"kind": "point", "value": 1.0}, {"kind": "sphere", "radius": 2.0}
    mixture = {"kind": "mixture", "weights": [1.0, 2.0], "components": [point, sphere]}
    uniform = {"kind": "uniform", "low": 0.0, "high": 1.0}
    product = {"kind": "product", "a": mixture, "b": uniform, "w": gaussian}
    assert make_initial(product) == Initial(
        Gaussian(0.8), Mixture((1.0, 2.0), (Point(1.0), Sphere(2.0))), Uniform(0.0, 1.0)
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "cauchy"}, "unknown initial measure 'cauchy', expected one of gaussian, sphere"),
        ({"kind": "gaussian", "radius": 1}, r"takes \['scale'\], got \['radius'\]"),
        ({"kind": "gaussian", "scale": 0}, "scale must be positive"),
        ({"kind": "sphere", "radius": np.inf}, "radius must be positive and finite"),
        ({"kind": "uniform", "low": 1, "high": 1}, "expected finite low < high, got 1, 1"),
        ({"kind": "point", "value": np.nan}, "value must be finite"),
        ({"kind": "mixture", "weights": [1]}, r"takes \['components', 'weights'\]"),
        ({"kind": "mixture", "weights": [1], "components": []}, "as many weights as components"),
        (
            {"kind": "mixture", "weights": [0], "components": [{"kind": "point", "value": 1}]},
            "weights must be positive",
        ),
        ({"kind": "product", "w": {}}, r"'product' takes \['a', 'b', 'w'\]"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_initial(settings)


def test_a_and_b_come_together() -> None:
    with pytest.raises(ValueError, match="laws of both a and b"):
        Initial(Point(1.0), Point(1.0))
