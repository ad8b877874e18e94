"""Neurons sigma_*(x; theta): what one hidden unit computes, and its gradient."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from meanfield.activations import Activation, ReLU, make_activation


class Response(NamedTuple):
    """Values sigma_*(x; theta_i), shape (N,), and their gradients in theta_i, shape (N, D)."""

    values: NDArray[Any]
    gradients: NDArray[Any]


class Neuron(Protocol):
    """A kind of hidden unit."""

    @property
    def activation(self) -> Activation:
        """The activation sigma."""
        ...

    def parameters(self, dimension: int) -> int:
        """Return D, the number of parameters of a unit with d inputs."""
        ...

    def respond(self, theta: NDArray[Any], x: NDArray[Any]) -> Response:
        """Return values and gradients of units theta (N, D) at x (d,), in the type of theta."""
        ...


@dataclass(frozen=True)
class Ridge:
    """The neuron sigma_*(x; w) = sigma(<w, x>), with theta = w in R^d.

    Args:
        activation: the activation sigma.
    """

    activation: Activation

    def parameters(self, dimension: int) -> int:
        """Return D = d."""
        return dimension

    def respond(self, theta: NDArray[Any], x: NDArray[Any]) -> Response:
        """Return values sigma(z) and gradients sigma'(z) x, z = <w, x>.

        Args:
            theta: weights, shape (N, d).
            x: one input, shape (d,).

        Returns:
            Values (N,) and gradients (N, d), in the type of ``theta``.
        """
        z = theta @ x
        return Response(self.activation(z), np.outer(self.activation.derivative(z), x))


@dataclass(frozen=True)
class Perceptron:
    """The neuron sigma_*(x; theta) = a sigma(<w, x> + b), with theta = (a, b, w) in R^(d + 2).

    Args:
        activation: the activation sigma.
    """

    activation: Activation

    def parameters(self, dimension: int) -> int:
        """Return D = d + 2."""
        return dimension + 2

    def respond(self, theta: NDArray[Any], x: NDArray[Any]) -> Response:
        """Return values a sigma(z) and gradients (sigma(z), a sigma'(z), a sigma'(z) x).

        Here z = <w, x> + b.

        Args:
            theta: parameters (a, b, w), shape (N, d + 2).
            x: one input, shape (d,).

        Returns:
            Values (N,) and gradients (N, d + 2), in the type of ``theta``.
        """
        a, b, w = theta[:, 0], theta[:, 1], theta[:, 2:]
        z = w @ x + b
        sigma, slope = self.activation(z), a * self.activation.derivative(z)
        return Response(a * sigma, np.column_stack([sigma, slope, np.outer(slope, x)]))


def make_neuron(settings: Mapping[str, Any]) -> Ridge | Perceptron:
    """Build a neuron from its settings.

    Args:
        settings: ``kind`` ("ridge", "perceptron" or "relu") and, but for "relu", ``activation``,
            the settings of the activation; "relu" is the perceptron with sigma(t) = max(t, 0).

    Returns:
        The neuron.

    Raises:
        ValueError: if the kind or an argument is unknown or missing.
    """
    kind = settings.get("kind")
    given = sorted(set(settings) - {"kind"})
    if kind not in ("ridge", "perceptron", "relu"):
        raise ValueError(f"unknown neuron kind {kind!r}, expected 'ridge', 'perceptron' or 'relu'")
    expected = [] if kind == "relu" else ["activation"]
    if given != expected:
        raise ValueError(f"neuron {kind!r} takes {expected}, got {given}")
    if kind == "relu":
        return Perceptron(ReLU())
    activation = make_activation(settings["activation"])
    return Ridge(activation) if kind == "ridge" else Perceptron(activation)
