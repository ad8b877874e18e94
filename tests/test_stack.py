"""Problems side by side: one field for all, and what may not stand there."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from meanfield.activations import GELU, Cosine, LeakyReLU, PiecewiseLinear, ReLU
from meanfield.empirical import make_empirical_problem
from meanfield.functionals import field
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.neurons import Perceptron, Ridge
from meanfield.problem import Problem, make_problem
from meanfield.stack import MisfitError, stack
from toy_problems import Cone, Linear

RAMP, FALLS = (
    PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)),
    PiecewiseLinear((0.0, 0.5), (1.0, -2.0), 0.3, 1.0),
)
DELTAS = (0.2, 0.5, 0.8)


def isotropic(neuron: Any, nodes: int = 4, **more: Any) -> list[Problem]:
    return [make_problem(IsotropicGaussians(30, delta), neuron, nodes, **more) for delta in DELTAS]


def anisotropic(neuron: Any, nodes: int = 3) -> list[Problem]:
    laws = [AnisotropicGaussians(30, 10, delta) for delta in DELTAS]
    return [make_problem(law, neuron, nodes) for law in laws]


SWEEPS: dict[str, Callable[[], list[Problem]]] = {
    "ridge": lambda: isotropic(Ridge(RAMP)),
    "ridge that grows": lambda: isotropic(Ridge(FALLS)),
    "ridge of two radii": lambda: anisotropic(Ridge(RAMP)),
    "perceptron": lambda: anisotropic(Perceptron(LeakyReLU(0.3))),
    "smooth perceptron": lambda: isotropic(Perceptron(GELU()), dimension="infinite"),
    "smooth perceptron of two radii": lambda: anisotropic(Perceptron(GELU()), 2),
    "waves": lambda: anisotropic(Perceptron(Cosine())),
    "rows": lambda: [
        make_empirical_problem(IsotropicGaussians(3, delta), Perceptron(ReLU()), 20)
        for delta in DELTAS
    ],
    "cone": lambda: [Cone(labels=np.array([1.0, delta])) for delta in DELTAS],
}


@cache
def sweep_of(name: str) -> list[Problem]:
    """Return the problems of a sweep, made when a test first asks."""
    return SWEEPS[name]()


def atoms(problem: Problem, count: int = 7) -> tuple[Any, Any]:
    """Return different atoms and masses (P, J) for each member."""
    generator = np.random.default_rng(3)
    shape = len(DELTAS), count, len(problem.invariant_names)
    omega = np.sort(np.abs(generator.normal(size=shape)), axis=1)
    omega[0, 0, -1] = 0.0
    mass = generator.random(size=shape[:2])
    return omega, mass / mass.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", SWEEPS)
def test_the_field_of_all_is_that_of_each(name: str) -> None:
    problems = sweep_of(name)
    omega, mass = atoms(problems[0])
    found = stack(problems)
    for row, problem in enumerate(problems):
        expected = field(problem, omega[row], mass[row])
        for mine, theirs in zip(found.field(omega, mass), expected, strict=True):
            np.testing.assert_array_equal(mine[row], theirs)
        # As on a device, where all are one problem.
        for mine, theirs in zip(field(found.together, omega, mass), expected, strict=True):
            np.testing.assert_allclose(mine[row], theirs, rtol=1e-9, atol=1e-11)


def test_features_of_all_at_an_infinite_radius() -> None:
    problems = sweep_of("perceptron")
    omega, _ = atoms(problems[0])
    omega[1, 2, -1] = np.inf
    with np.errstate(invalid="ignore"):
        found = stack(problems).together.features(omega)
        for row, problem in enumerate(problems):
            np.testing.assert_allclose(found[row], problem.features(omega[row]), rtol=1e-9)


def test_some_are_taken() -> None:
    problems = sweep_of("ridge")
    assert stack(problems).take([2, 0]).problems == (problems[2], problems[0])


def test_equal_copies_share_a_mean() -> None:
    """Each of several problems that were moved to a device one by one has tables of its own."""
    first, second = sweep_of("ridge")[:2]
    mean: Any = second.mean  # type: ignore[attr-defined]
    table = mean.coefficients.copy()
    copied = replace(second, mean=replace(mean, coefficients=table))  # type: ignore[type-var]
    assert stack([first, copied]).problems[1] is copied
    table[0, 3] += 1e-9
    with pytest.raises(ValueError, match="problem 2 differs from problem 1: another mean"):
        stack([first, copied])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (isotropic(Ridge(RAMP), 5)[1], r"labels has shape \(10,\), not \(8,\)"),
        (isotropic(Ridge(FALLS))[1], "another mean"),
        (make_problem(IsotropicGaussians(31, 0.5), Ridge(RAMP), 4), "another mean"),
        (isotropic(Perceptron(RAMP))[1], "its class is SphereProblem, not IsotropicRidge"),
        (Linear(), "its class is Linear, not IsotropicRidge"),
    ],
)
def test_problems_that_differ_in_more_are_refused(other: Problem, message: str) -> None:
    first = sweep_of("ridge")[0]
    with pytest.raises(MisfitError, match=f"problem 3 differs from problem 1: {message}") as found:
        stack([first, first, other])
    assert found.value.place == 2


def test_neurons_of_rows_must_be_the_same() -> None:
    first = sweep_of("rows")[0]
    other = make_empirical_problem(IsotropicGaussians(3, 0.5), Perceptron(LeakyReLU(0.1)), 20)
    with pytest.raises(ValueError, match="another neuron"):
        stack([first, other])
