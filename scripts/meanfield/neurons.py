"""Neurons sigma_*(x; theta): what one hidden unit computes, its gradient and its invariants."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from meanfield.activations import Activation, ReLU, make_activation

Floats = NDArray[np.float64]

# Pre-activations formed at once by `network`; with the temporaries of the activation (the piece
# index and two gathers) this keeps the peak below 64 MB.
_CHUNK = 1_000_000


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

    def network(self, theta: NDArray[Any], x: NDArray[Any]) -> Floats:
        """Return the output (1/N) sum_i sigma_*(x; theta_i) at inputs x (n, d), shape (n,)."""
        ...

    def invariants(self, theta: NDArray[Any]) -> Floats:
        """Return the invariants of theta (..., N, D) under rotations, shape (..., N, k)."""
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
        check_shapes(theta, x, parameters="d", extra=0)
        count = len(theta)
        return _mean_output(self.activation, np.asarray(theta), np.zeros(count), np.ones(count), x)

    def invariants(self, theta: NDArray[Any]) -> Floats:
        """Return the invariants omega = ||w|| of the neurons under rotations.

        Args:
            theta: weights, shape (..., N, d).

        Returns:
            Radii in float64, shape (..., N, 1).
        """
        weights = np.asarray(theta, dtype=np.float64)
        return np.asarray(np.linalg.norm(weights, axis=-1, keepdims=True), dtype=np.float64)


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

    def network(self, theta: NDArray[Any], x: NDArray[Any]) -> Floats:
        """Return the network's output (1/N) sum_i a_i sigma(<w_i, x> + b_i).

        Args:
            theta: parameters (a, b, w), shape (N, d + 2).
            x: inputs, shape (n, d).

        Returns:
            Outputs in float64, shape (n,).

        Raises:
            ValueError: if the shapes do not fit together.
        """
        check_shapes(theta, x, parameters="d + 2", extra=2)
        units = np.asarray(theta)
        return _mean_output(self.activation, units[:, 2:], units[:, 1], units[:, 0], x)

    def invariants(self, theta: NDArray[Any]) -> Floats:
        """Return the invariants omega = (a, b, ||w||) of the neurons under rotations.

        Args:
            theta: parameters (a, b, w), shape (..., N, d + 2).

        Returns:
            Invariants in float64, shape (..., N, 3).
        """
        units = np.asarray(theta, dtype=np.float64)
        radius = np.linalg.norm(units[..., 2:], axis=-1, keepdims=True)
        return np.concatenate([units[..., :2], radius], axis=-1)


def check_shapes(
    theta: NDArray[Any], x: NDArray[Any], *, parameters: str, extra: int
) -> None:  # fmt: skip
    """Check that units and inputs fit together.

    Args:
        theta: parameters.
        x: inputs.
        parameters: how D depends on d, for the message.
        extra: D - d.

    Raises:
        ValueError: if they are not of shapes (N, d + extra) and (n, d).
    """
    shapes = np.shape(theta), np.shape(x)
    if len(shapes[0]) != 2 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1] + extra:
        raise ValueError(
            f"network needs theta of shape (N, {parameters}) and x of shape (n, d), "
            f"got {shapes[0]} and {shapes[1]}"
        )


def _mean_output(
    activation: Activation, w: NDArray[Any], b: NDArray[Any], a: NDArray[Any], x: NDArray[Any]
) -> Floats:
    """Return (1/N) sum_i a_i sigma(<w_i, x> + b_i) in float64 for the rows of x."""
    weights, offset, factor = (np.asarray(part, dtype=np.float64) for part in (w, b, a))
    inputs = np.asarray(x)
    rows = max(1, _CHUNK // max(weights.shape))
    outputs = np.empty(len(inputs))
    for start in range(0, len(inputs), rows):
        batch = inputs[start : start + rows].astype(np.float64)
        values = activation(batch @ weights.T + offset)
        outputs[start : start + rows] = (factor * values).mean(axis=1)
    return outputs


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
