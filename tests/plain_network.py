"""The output of a network in plain NumPy: what tests hold the compiled one to."""

from typing import Any

import numpy as np

from meanfield.neurons import Perceptron, Ridge


def network(neuron: Ridge | Perceptron, theta: Any, x: Any) -> Any:
    """Return (1/N) sum_i sigma_*(x; theta_i) in float64 at inputs x (n, d), shape (n,)."""
    units, inputs = np.asarray(theta, dtype=np.float64), np.asarray(x, dtype=np.float64)
    if isinstance(neuron, Ridge):
        return neuron.activation(inputs @ units.T).mean(axis=1)
    values = neuron.activation(inputs @ units[:, 2:].T + units[:, 1])
    return (units[:, 0] * values).mean(axis=1)
