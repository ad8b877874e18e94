"""Problems without symmetry: the nodes are rows of data, omega is theta itself, phi = sigma_*.

Every data set is such a problem, and so is a sample of any law. One evaluation costs O(J Q d), in
matrix products.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from meanfield.host import on_host
from meanfield.laws import DataSet, Law
from meanfield.neurons import Neuron, Perceptron, Ridge
from meanfield.random import TEST_SAMPLE
from meanfield.sampling import sample
from meanfield.units import Units

NODE_SEED = 1
"""Key of the rows drawn where no other is given: not that of the test set."""


@dataclass(frozen=True, eq=False)
class EmpiricalProblem:
    """Rows of data, each of weight 1 / Q, and neurons a sigma(<w, x> + b) as they are.

    All arrays may have a leading axis: that of problems side by side (see `stack`).

    Args:
        x: rows, shape (Q, d).
        labels: y_q, shape (Q,).
        weights: 1 / Q each, shape (Q,).
        neuron: a ridge, omega = w, or a perceptron, omega = (a, b, w).
    """

    x: Any
    labels: Any
    weights: Any
    neuron: Ridge | Perceptron

    @property
    def invariant_names(self) -> tuple[str, ...]:
        """Names of the coordinates of omega: all parameters of a neuron."""
        weights = tuple(f"w{i + 1}" for i in range(self.x.shape[-1]))
        return weights if isinstance(self.neuron, Ridge) else ("a", "b", *weights)

    @property
    def sticky_origin(self) -> bool:
        """No: with a knot at 0 the velocity jumps wherever <w, x> = 0, at w = 0 as elsewhere."""
        return False

    def features(self, omega: Any) -> Any:
        """phi(theta_j; x_q), shape (J, Q), for omega of shape (J, D)."""
        return self.features_at(omega, self.x)

    def features_at(self, omega: Any, s: Any) -> Any:
        """phi(theta_j; x_i), shape (J, n), for inputs s of shape (n, d)."""
        if s.ndim < 2 or s.shape[-1] != self.x.shape[-1]:
            raise ValueError(f"expected s of shape (n, {self.x.shape[-1]}), got {s.shape}")
        units = self._take_apart(omega)
        z = _products(units, s)
        return units.amplitude[..., None] * self._on_host(self.neuron.activation, z)

    def features_and_gradients(self, omega: Any) -> tuple[Any, Any]:
        """phi(theta_j; x_q), shape (J, Q), and its gradients, shape (J, Q, D): of size J Q D."""
        xp = array_namespace(omega)
        value, slope, units = self._respond(omega)
        inner = slope[..., None] * self.x[..., None, :, :]
        if units.biased:
            inner = xp.concat([value[..., None], slope[..., None], inner], axis=-1)
        return units.amplitude[..., None] * value, inner

    def linearize(self, omega: Any) -> tuple[Any, Callable[[Any], Any]]:
        """Return phi (J, Q), and the map of a force (Q,) to sum_q force_q grad phi_q, (J, D).

        The gradients themselves, of size J Q D, are not formed.
        """
        xp = array_namespace(omega)
        value, slope, units = self._respond(omega)

        def pull_back(force: Any) -> Any:
            pulled = (slope * force[..., None, :]) @ self.x
            if not units.biased:
                return pulled
            column = force[..., None]
            return xp.concat([value @ column, slope @ column, pulled], axis=-1)

        return units.amplitude[..., None] * value, pull_back

    def _respond(self, omega: Any) -> tuple[Any, Any, Units]:
        """Return sigma (J, Q), a sigma' (J, Q) and the parts of the neurons."""
        units = self._take_apart(omega)
        z = _products(units, self.x)
        slope = units.amplitude[..., None] * self._on_host(self.neuron.activation.derivative, z)
        return self._on_host(self.neuron.activation, z), slope, units

    def _on_host(self, function: Callable[[Any], Any], z: Any) -> Any:
        kind = type(self.neuron.activation).__name__
        return on_host(f"{kind} and its derivative at rows of data", function, z)

    def _take_apart(self, omega: Any) -> Units:
        if omega.ndim < 2 or omega.shape[-1] != len(self.invariant_names):
            raise ValueError(
                f"expected omega of shape (J, {len(self.invariant_names)}), got {omega.shape}"
            )
        if isinstance(self.neuron, Perceptron):
            return Units(omega[..., 0], omega[..., 1], omega[..., 2:], True)
        xp = array_namespace(omega)
        return Units(xp.ones_like(omega[..., 0]), xp.zeros_like(omega[..., 0]), omega, False)


def _products(units: Units, x: Any) -> Any:
    """Return z = <w_j, x_i> + b_j, shape (..., J, n)."""
    return units.radii @ array_namespace(x).matrix_transpose(x) + units.offset[..., None]


def make_empirical_problem(
    law: Law, neuron: Neuron, rows: int, *, seed: int = NODE_SEED
) -> EmpiricalProblem:
    """Return the problem of rows of data.

    Args:
        law: the data law; of a data set all rows are taken.
        neuron: the neuron.
        rows: number of rows drawn from any other law, >= 1.
        seed: key of the draw.

    Returns:
        The problem, its arrays in NumPy float64.

    Raises:
        ValueError: if the neuron is of an unknown kind, or rows is below 1.
    """
    if not isinstance(neuron, Ridge | Perceptron):
        raise ValueError(
            f"an empirical problem takes a Ridge or a Perceptron, got {type(neuron).__name__}"
        )
    if isinstance(law, DataSet):
        x, y = law.x, law.y
    elif rows < 1:
        raise ValueError(f"an empirical problem needs rows >= 1, got {rows!r}")
    else:
        x, y = sample(law, seed, 0, rows, TEST_SAMPLE)
    count = len(y)
    return EmpiricalProblem(
        x=np.asarray(x, dtype=np.float64),
        labels=np.asarray(y, dtype=np.float64),
        weights=np.full(count, 1 / count),
        neuron=neuron,
    )
