"""Empirical problems: features and gradients against the neurons', and the reduced problem."""

import numpy as np
import pytest

import plain_network
from meanfield.activations import ReLU, Tanh
from meanfield.empirical import make_empirical_problem
from meanfield.functionals import field, network, risk
from meanfield.laws import DataSet, IsotropicGaussians
from meanfield.measure import Measure
from meanfield.neurons import Perceptron, Ridge
from meanfield.problem import make_problem
from meanfield.width import width_coefficients
from sample_laws import laws

GENERATOR = np.random.default_rng(0)
DATA = DataSet(GENERATOR.normal(size=(30, 4)), GENERATOR.normal(size=30))
NEURONS = [Ridge(Tanh()), Perceptron(Tanh()), Perceptron(ReLU())]


@pytest.mark.parametrize("neuron", NEURONS)
def test_features_and_gradients_are_those_of_the_neurons(neuron: Ridge | Perceptron) -> None:
    problem = make_empirical_problem(DATA, neuron, 0)
    theta = np.random.default_rng(1).normal(size=(6, neuron.parameters(4)))
    assert len(problem.invariant_names) == theta.shape[1]
    features, gradients = problem.features_and_gradients(theta)
    for q, x in enumerate(problem.x):
        values, slopes = neuron.respond(theta, x)
        np.testing.assert_allclose(features[:, q], values, rtol=1e-12)
        np.testing.assert_allclose(gradients[:, q], slopes, rtol=1e-12, atol=1e-15)
    measure = Measure(theta, np.full(6, 1 / 6))
    np.testing.assert_allclose(
        network(problem, measure), plain_network.network(neuron, theta, problem.x), rtol=1e-12
    )
    expected = np.mean((DATA.y - plain_network.network(neuron, theta, problem.x)) ** 2)
    assert risk(problem, measure) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("neuron", NEURONS)
def test_the_map_of_forces_is_the_sum_of_gradients(neuron: Ridge | Perceptron) -> None:
    problem = make_empirical_problem(DATA, neuron, 0)
    theta = np.random.default_rng(2).normal(size=(6, neuron.parameters(4)))
    features, pull_back = problem.linearize(theta)
    exact, gradients = problem.features_and_gradients(theta)
    force = np.random.default_rng(3).normal(size=30)
    np.testing.assert_allclose(features, exact, rtol=1e-14)
    np.testing.assert_allclose(
        pull_back(force), np.einsum("jqk,q->jk", gradients, force), rtol=1e-12, atol=1e-14
    )


def test_the_velocity_is_the_gradient_of_the_risk() -> None:
    problem = make_empirical_problem(DATA, Perceptron(Tanh()), 0)
    theta, mass = np.random.default_rng(4).normal(size=(3, 6)), np.array([0.2, 0.3, 0.5])
    velocity, step = field(problem, theta, mass).velocity, 1e-6
    for j, k in ((0, 0), (1, 1), (2, 5)):
        shift = np.zeros_like(theta)
        shift[j, k] = step
        up, down = (risk(problem, Measure(theta + sign * shift, mass)) for sign in (1, -1))
        assert -(up - down) / (2 * step) == pytest.approx(mass[j] * velocity[j, k], rel=1e-6)


def test_rows_of_any_law() -> None:
    for law in laws():
        problem = make_empirical_problem(law, Perceptron(ReLU()), 50)
        rows = 13 if isinstance(law, DataSet) else 50
        assert problem.x.shape == (rows, law.dimension)
        assert problem.weights.sum() == pytest.approx(1)
        other = make_empirical_problem(law, Perceptron(ReLU()), 50, seed=2)
        assert isinstance(law, DataSet) == np.array_equal(other.x, problem.x)


def test_many_rows_and_neurons_tend_to_the_reduced_problem() -> None:
    """The risk of neurons spread over a sphere, within 4 standard errors over draws of the rows."""
    law, neuron = IsotropicGaussians(5, 0.5), Ridge(ReLU())
    reduced, generator = make_problem(law, neuron, 16), np.random.default_rng(5)
    sphere, risks = Measure(np.array([[0.9]]), np.ones(1)), []
    for seed in range(12):
        directions = generator.normal(size=(300, 5))
        theta = 0.9 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
        problem = make_empirical_problem(law, neuron, 2000, seed=seed)
        risks.append(float(risk(problem, Measure(theta, np.full(300, 1 / 300)))))
    expected = risk(reduced, sphere) + width_coefficients(reduced, sphere, law, neuron).total / 300
    error = np.std(risks, ddof=1) / np.sqrt(len(risks))
    assert abs(np.mean(risks) - expected) < 4 * error
    assert error < 0.02 * expected


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="rows >= 1, got 0"):
        make_empirical_problem(IsotropicGaussians(3, 0.1), Ridge(ReLU()), 0)
    problem = make_empirical_problem(DATA, Ridge(ReLU()), 0)
    with pytest.raises(ValueError, match=r"expected omega of shape \(J, 4\)"):
        problem.features(np.zeros((2, 5)))
    with pytest.raises(ValueError, match=r"expected s of shape \(n, 4\)"):
        problem.features_at(np.zeros((2, 4)), np.zeros((2, 3)))
