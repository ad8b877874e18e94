"""Neurons sigma_*(x; theta): what one hidden unit computes, and its invariants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meanfield.activations import PiecewiseLinear, make_activation

Floats = NDArray[np.float64]

# Pre-activations formed at once by `network`; with the temporaries of the activation (the piece
# index and two gathers) this keeps the peak below 64 MB.
_CHUNK = 1_000_000


@dataclass(frozen=True)
class Ridge:
    """The neuron sigma_*(x; w) = sigma(<w, x>), with theta = w in R^d.

    Args:
        activation: the activation sigma.
    """

    activation: PiecewiseLinear

    def network(self, theta: NDArray[Any], x: NDArray[Any]) -> Floats:
        """Return the network's output yhat(x; theta) = (1/N) sum_i sigma(<w_i, x>).

        Args:
            theta: weights, shape (N, d).
            x: inputs, shape (n, d).

        Returns:
            Outputs in float64, shape (n,).

        Raises:
            ValueError: if the shapes do not fit together.
        """
        weights = np.asarray(theta, dtype=np.float64)
        inputs = np.asarray(x)
        if weights.ndim != 2 or inputs.ndim != 2 or weights.shape[1] != inputs.shape[1]:
            raise ValueError(
                "network needs theta of shape (N, d) and x of shape (n, d), "
                f"got {weights.shape} and {inputs.shape}"
            )
        rows = max(1, _CHUNK // max(weights.shape))
        outputs = np.empty(len(inputs))
        for start in range(0, len(inputs), rows):
            batch = inputs[start : start + rows].astype(np.float64)
            outputs[start : start + rows] = self.activation(batch @ weights.T).mean(axis=1)
        return outputs

    def invariants(self, theta: NDArray[Any]) -> Floats:
        """Return the invariants omega = ||w|| of the neurons under rotations.

        Args:
            theta: weights, shape (..., N, d).

        Returns:
            Radii in float64, shape (..., N, 1).
        """
        weights = np.asarray(theta, dtype=np.float64)
        return np.asarray(np.linalg.norm(weights, axis=-1, keepdims=True), dtype=np.float64)


def make_neuron(settings: Mapping[str, Any]) -> Ridge:
    """Build a neuron from its settings.

    Args:
        settings: ``kind`` ("ridge") and ``activation``, the settings of the activation.

    Returns:
        The neuron.

    Raises:
        ValueError: if the kind or an argument is unknown or missing.
    """
    if settings.get("kind") != "ridge":
        raise ValueError(f"unknown neuron kind {settings.get('kind')!r}, expected 'ridge'")
    if set(settings) != {"kind", "activation"}:
        raise ValueError(f"neuron 'ridge' takes ['activation'], got {sorted(settings)}")
    return Ridge(activation=make_activation(settings["activation"]))
