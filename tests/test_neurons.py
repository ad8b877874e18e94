"""Neurons: the network's output, its gradient, its memory and its invariants."""

import tracemalloc

import numpy as np
import pytest

from meanfield.activations import PiecewiseLinear, ReLU, Tanh
from meanfield.neurons import Perceptron, Ridge, make_neuron

RIDGE = Ridge(PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)))


def test_network_is_the_mean_over_neurons() -> None:
    generator = np.random.default_rng(1)
    theta, x = generator.normal(size=(30, 4)), generator.normal(size=(9, 4))
    expected = [np.mean([RIDGE.activation(w @ point) for w in theta]) for point in x]
    np.testing.assert_allclose(RIDGE.network(theta, x), expected, rtol=1e-13)


def test_network_is_float64_and_bounded_in_memory() -> None:
    generator = np.random.default_rng(2)
    theta = generator.normal(size=(1000, 3)).astype(np.float32)
    x = generator.normal(size=(10_000, 3)).astype(np.float32)
    tracemalloc.start()
    output = RIDGE.network(theta, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert output.dtype == np.float64
    assert peak < 64e6
    np.testing.assert_allclose(output[::999], RIDGE.network(theta, x[::999]), rtol=1e-13)


def test_network_rejects_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4\) and \(2, 5\)"):
        RIDGE.network(np.zeros((3, 4)), np.zeros((2, 5)))


def test_invariants_are_radii() -> None:
    theta = np.random.default_rng(3).normal(size=(2, 5, 4)).astype(np.float32)
    omega = RIDGE.invariants(theta)
    assert omega.shape == (2, 5, 1)
    assert omega.dtype == np.float64
    np.testing.assert_allclose(omega[..., 0], np.sqrt(np.sum(theta.astype(float) ** 2, axis=-1)))


def test_settings() -> None:
    activation = {"kind": "piecewise_linear", "knots": [0.5, 1.5], "values": [-2.5, 7.5]}
    assert make_neuron({"kind": "ridge", "activation": activation}) == RIDGE
    with pytest.raises(ValueError, match="unknown neuron kind 'cubic'"):
        make_neuron({"kind": "cubic"})
    with pytest.raises(ValueError, match="takes"):
        make_neuron({"kind": "ridge"})
    with pytest.raises(ValueError, match="takes"):
        make_neuron({"kind": "relu", "activation": activation})
    assert make_neuron({"kind": "perceptron", "activation": {"kind": "tanh"}}) == Perceptron(Tanh())
    assert make_neuron({"kind": "relu"}) == Perceptron(ReLU())


@pytest.mark.parametrize("neuron", [RIDGE, Perceptron(Tanh()), Perceptron(ReLU())])
def test_responses_are_the_network_and_its_gradient(neuron: Ridge | Perceptron) -> None:
    generator = np.random.default_rng(4)
    theta, x = generator.normal(size=(6, neuron.parameters(4))), generator.normal(size=4)

    def output(units: np.ndarray) -> float:
        return float(neuron.network(units, x[np.newaxis])[0])

    values, gradients = neuron.respond(theta, x)
    assert values.mean() == pytest.approx(output(theta), rel=1e-13)
    numerical = np.zeros_like(theta)
    for index in np.ndindex(*theta.shape):
        shift = np.zeros_like(theta)
        shift[index] = 1e-6
        numerical[index] = (output(theta + shift) - output(theta - shift)) / 2e-6
    np.testing.assert_allclose(gradients / len(theta), numerical, atol=1e-8)
    single = neuron.respond(theta.astype(np.float32), x.astype(np.float32))
    assert single.values.dtype == single.gradients.dtype == np.float32


def test_perceptrons_are_rotated_to_their_radius_only() -> None:
    theta = np.random.default_rng(5).normal(size=(2, 5, 6))
    omega = Perceptron(ReLU()).invariants(theta)
    assert omega.shape == (2, 5, 3)
    np.testing.assert_array_equal(omega[..., :2], theta[..., :2])
    np.testing.assert_allclose(omega[..., 2], np.linalg.norm(theta[..., 2:], axis=-1))
    with pytest.raises(ValueError, match=r"\(N, d \+ 2\).*\(3, 4\) and \(2, 4\)"):
        Perceptron(ReLU()).network(np.zeros((3, 4)), np.zeros((2, 4)))
