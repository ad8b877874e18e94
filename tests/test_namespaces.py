"""Problems, functionals and the flow over other array namespaces than NumPy: the same numbers."""

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from meanfield import functionals
from meanfield.activations import GELU, Cosine, Erf, LeakyReLU, PiecewiseLinear, ReLU
from meanfield.arrays import Backend, to_backend
from meanfield.empirical import make_empirical_problem
from meanfield.flow import solve
from meanfield.host import to_host
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.measure import Measure
from meanfield.neurons import Perceptron, Ridge
from meanfield.problem import Problem, make_problem

FALLS = PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5))
WIDE, LINE = AnisotropicGaussians(40, 12, 0.5), IsotropicGaussians(40, 0.5)
LARGE = AnisotropicGaussians(320, 60, 0.5)
PROBLEMS: dict[str, Callable[[], Problem]] = {
    "sticky ridge": lambda: make_problem(LINE, Ridge(FALLS), 4),
    "ridge of one circle": lambda: make_problem(IsotropicGaussians(2, 0.5), Ridge(FALLS), 4),
    "leaky perceptron": lambda: make_problem(WIDE, Perceptron(LeakyReLU(0.3)), 3),
    "smooth perceptron": lambda: make_problem(LINE, Perceptron(GELU()), 3, dimension="infinite"),
    "smooth perceptron of two spheres": lambda: make_problem(LARGE, Perceptron(Erf()), 2),
    "waves": lambda: make_problem(WIDE, Perceptron(Cosine()), 3),
    "no table": lambda: make_problem(AnisotropicGaussians(10, 3, 0.5), Perceptron(ReLU()), 2),
    "rows": lambda: make_empirical_problem(IsotropicGaussians(3, 0.5), Perceptron(ReLU()), 20),
}


@cache
def problem_of(name: str) -> Problem:
    """Return a problem, made when a test first asks: the tables of some take seconds."""
    return PROBLEMS[name]()


def moved(value: Any, xp: ModuleType) -> Any:
    """Return a problem with all of its arrays in a namespace."""
    return to_backend(value, Backend("cupy", xp, "another device"))


def atoms(problem: Problem, count: int = 6) -> tuple[Any, Any]:
    generator = np.random.default_rng(3)
    omega = np.abs(generator.normal(size=(count, len(problem.invariant_names))))
    omega = np.sort(omega, axis=0)
    omega[0, -1] = 0.0
    return omega, np.full(count, 1 / count)


@pytest.mark.parametrize("name", PROBLEMS)
def test_functionals(name: str, xp: ModuleType) -> None:
    problem = problem_of(name)
    omega, mass = atoms(problem)
    other = moved(problem, xp)
    measure = Measure(omega, mass)
    for function in (
        functionals.network,
        functionals.risk,
        functionals.velocity,
        functionals.dissipation,
        lambda problem, measure: functionals.potential(problem, measure, measure.omega),
    ):
        found = function(other, moved(measure, xp))
        assert type(found) is type(xp.asarray(0.0))
        expected = function(problem, measure)
        np.testing.assert_allclose(to_host(found), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    "name", ["sticky ridge", "leaky perceptron", "smooth perceptron of two spheres", "rows"]
)
def test_the_flow(name: str, xp: ModuleType) -> None:
    problem = problem_of(name)
    omega, mass = atoms(problem)
    if name == "sticky ridge":
        omega[:, 0] = 0.02 * np.arange(1, 7)  # they fall onto 0, heavy as they are
    times = [0.0, 0.05, 0.1]
    found = solve(moved(problem, xp), Measure(xp.asarray(omega), xp.asarray(mass)), times)
    expected = solve(problem, Measure(omega, mass), times)
    np.testing.assert_allclose(to_host(found.omega), expected.omega, atol=1e-9)
    np.testing.assert_allclose(to_host(found.dissipation_error), expected.dissipation_error,
                               atol=1e-9)  # fmt: skip
    if name == "sticky ridge":
        assert np.all(expected.omega[-1] == 0)


@pytest.mark.parametrize("name", ["sticky ridge", "smooth perceptron", "waves"])
def test_infinite_radii(name: str, xp: ModuleType) -> None:
    problem = problem_of(name)
    omega, _ = atoms(problem)
    omega[1, -1] = np.inf
    found = moved(problem, xp).features(xp.asarray(omega))
    np.testing.assert_allclose(to_host(found), problem.features(omega), rtol=1e-9, atol=1e-10)
