"""Data laws: quadrature against exact moments and samples, invariants, and what they refuse."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meanfield.activations import PiecewiseLinear
from meanfield.laws import (
    AnisotropicGaussians,
    DataSet,
    GaussianTeacher,
    IsotropicGaussians,
    make_law,
)
from meanfield.neurons import Ridge
from meanfield.problem import make_problem
from meanfield.python_law import PythonLaw

RAMP = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
ISOTROPIC = {"kind": "isotropic_gaussians", "dimension": 40, "delta": 0.8}
ANISOTROPIC = {"kind": "anisotropic_gaussians", "dimension": 9, "informative": 4, "delta": 0.5}
TEACHER = {
    "kind": "gaussian_teacher",
    "dimension": 3,
    "link": {"kind": "piecewise_linear", "knots": [0.5, 1.5], "values": [-2.5, 7.5]},
    "coefficients": [1.0, -0.5],
    "noise": 0.1,
}


@pytest.mark.parametrize(("dimension", "delta"), [(40, 0.8), (400, 0.2), (3, 0.0)])
def test_nodes_integrate_the_law(dimension: int, delta: float) -> None:
    law = IsotropicGaussians(dimension, delta)
    labels, weights, invariants = law.nodes(8)
    assert labels.shape == weights.shape == (16,)
    assert invariants.shape == (16, 1)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    assert weights @ labels == pytest.approx(0, abs=1e-15)
    # E |x|^2 = d (1 + delta^2), E y |x|^2 = 2 d delta
    square = invariants[:, 0] ** 2
    assert weights @ square == pytest.approx(dimension * (1 + delta**2), rel=1e-12)
    assert weights @ (labels * square) == pytest.approx(2 * dimension * delta, abs=1e-11)


def test_invariants_are_norms_in_float64() -> None:
    law = IsotropicGaussians(5, 0.5)
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    invariants = law.invariants(x)
    assert invariants.shape == (7, 1)
    assert invariants.dtype == np.float64
    np.testing.assert_allclose(invariants[:, 0] ** 2, np.sum(x.astype(float) ** 2, axis=1))
    np.testing.assert_allclose(law.scale([1, -1]), [1.5, 0.5])


def test_anisotropic_invariants_are_the_norms_of_both_parts() -> None:
    law = AnisotropicGaussians(5, 2, 0.5)
    x = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    squares = x.astype(float) ** 2
    expected = np.stack([squares[:, :2].sum(axis=1), squares[:, 2:].sum(axis=1)], axis=1)
    np.testing.assert_allclose(law.invariants(x) ** 2, expected)
    assert law.invariants(x).dtype == np.float64


def test_a_teacher_adds_up_its_links_and_the_noise() -> None:
    law = GaussianTeacher(3, RAMP, (1.0, -0.5), 0.1)
    x, noise = np.array([[1.0, 2.0, 9.0], [0.0, 1.0, 9.0]]), np.array([1.0, -2.0])
    np.testing.assert_allclose(law.label(x, noise, law.link), [2.5 - 3.75 + 0.1, -2.5 - 1.25 - 0.2])


def test_a_data_set_is_a_copy_that_nobody_changes() -> None:
    x, y = np.ones((3, 2)), np.arange(3)
    law = DataSet(x, y)
    x[:] = 7
    assert law.x.max() == 1
    assert (law.dimension, law.x.dtype, law.y.dtype) == (2, np.float32, np.float64)
    with pytest.raises(ValueError, match="read-only"):
        law.x[0] = 1


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones(3), np.ones(3), r"got \(3,\) and \(3,\)"),
        (np.ones((3, 2)), np.ones(2), r"got \(3, 2\) and \(2,\)"),
        (np.ones((0, 2)), np.ones(0), r"got \(0, 2\) and \(0,\)"),
        (np.full((1, 1), 1e39), np.ones(1), "finite numbers in float32"),
        (np.ones((1, 1)), np.array([np.nan]), "finite numbers in float32"),
    ],
)
def test_a_bad_data_set(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DataSet(x, y)


def test_settings() -> None:
    assert make_law(ISOTROPIC) == IsotropicGaussians(40, 0.8)
    assert make_law(ANISOTROPIC) == AnisotropicGaussians(9, 4, 0.5)
    assert make_law(TEACHER) == GaussianTeacher(3, RAMP, (1.0, -0.5), 0.1)


def test_settings_that_name_files(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("y,p,q\n1,2,3\n2,4,5\n")
    law = make_law(
        {"kind": "data_set", "file": str(tmp_path / "data.csv"), "inputs": "x", "label": "y"}
    )
    assert isinstance(law, DataSet)
    assert law.x.tolist() == [[2, 3], [4, 5]]
    assert law.y.tolist() == [1, 2]
    file = tmp_path / "law.py"
    file.write_text("def draw(generator, count):\n    pass\n")
    settings = {"kind": "python", "file": str(file), "function": "draw", "dimension": 4}
    assert make_law(settings) == PythonLaw(str(file), "draw", 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "cauchy"}, "unknown data law kind 'cauchy'"),
        ({**ISOTROPIC, "rank": 3}, "takes"),
        ({**ISOTROPIC, "delta": 1.0}, "delta must lie"),
        ({**ISOTROPIC, "dimension": 0}, "dimension must be"),
        ({**ANISOTROPIC, "informative": 9}, "informative must be a whole number, 1 <= "),
        ({**ANISOTROPIC, "informative": 0}, "informative must be a whole number, 1 <= "),
        ({**TEACHER, "coefficients": []}, "1 to dimension = 3 coefficients, got 0"),
        ({**TEACHER, "coefficients": [1] * 4}, "1 to dimension = 3 coefficients, got 4"),
        ({**TEACHER, "coefficients": [np.inf]}, "coefficients must be finite"),
        ({**TEACHER, "noise": -1}, "noise must be finite and >= 0"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_law(settings)


@pytest.mark.parametrize(
    "law",
    [
        GaussianTeacher(3, RAMP, (1.0,)),
        DataSet(np.ones((1, 1)), np.ones(1)),
    ],
)
def test_a_law_without_a_reduction_is_named(law: Any) -> None:
    with pytest.raises(ValueError, match=f"no reduction is known for the law {type(law).__name__}"):
        make_problem(law, Ridge(RAMP), 8)


def test_nodes_of_anisotropic_gaussians() -> None:
    """Moments of (y, s_1, s_2) are exact, and those of the limit are their limits."""
    law = AnisotropicGaussians(9, 4, 0.5)
    labels, weights, s = law.nodes(3)
    assert (len(labels), s.shape) == (18, (18, 2))
    assert weights.sum() == pytest.approx(1)
    assert weights @ labels == pytest.approx(0)
    for y, tau in ((1.0, 1.5), (-1.0, 0.5)):
        chosen = labels == y
        mass = 2 * weights[chosen]
        assert mass @ s[chosen, 0] ** 2 == pytest.approx(4 * tau**2)
        assert mass @ s[chosen, 1] ** 4 == pytest.approx(5 * 7)
        assert mass @ (s[chosen, 0] ** 2 * s[chosen, 1] ** 2) == pytest.approx(20 * tau**2)
    for each in (law, IsotropicGaussians(9, 0.5)):
        limit, high = each.limit_nodes(), replace(each, dimension=10**6)
        if isinstance(high, AnisotropicGaussians):
            high = replace(high, informative=10**5)
        near = high.nodes(1)
        np.testing.assert_array_equal(near.labels, limit.labels)
        scaled = near.invariants / np.sqrt(high.spheres)
        np.testing.assert_allclose(scaled, limit.invariants, rtol=1e-5)
