"""Neurons: their output and its gradient."""

import numpy as np
import pytest

from meanfield.activations import PiecewiseLinear, ReLU, Tanh
from meanfield.neurons import Perceptron, Ridge, make_neuron
from plain_network import network

RIDGE = Ridge(PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)))


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
        return float(network(neuron, units, x[np.newaxis])[0])

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
