"""Problems: labels, weights and mean features of a data law seen through a kind of neuron.

The mean feature phi(omega; s) is the average of sigma_*(x; theta) over the neurons theta with
invariants omega, as a function of the invariants s of x. With nodes (s_q, y_q) of weight pi_q,
the risk, the potential and the velocity of any measure follow from phi(omega_j; s_q) alone.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from array_api_compat import array_namespace

from meanfield.activations import Pieces
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Ridge
from meanfield.special import SphericalMean, TabulatedMean, tabulate


class Problem(Protocol):
    """What the mean-field equations know of a data law and a neuron."""

    @property
    def labels(self) -> Any:
        """Labels y_q, shape (Q,)."""

    @property
    def weights(self) -> Any:
        """Weights pi_q that sum to 1, shape (Q,)."""

    @property
    def invariant_names(self) -> tuple[str, ...]:
        """Names of the k coordinates of omega."""

    @property
    def sticky_origin(self) -> bool:
        """Whether the velocity jumps at omega = 0, so that particles may be held there."""

    def features(self, omega: Any) -> Any:
        """phi(omega_j; s_q), shape (J, Q), for omega of shape (J, k)."""

    def features_and_gradients(self, omega: Any) -> tuple[Any, Any]:
        """phi, shape (J, Q), and its gradients in omega, shape (J, Q, k)."""

    def features_at(self, omega: Any, s: Any) -> Any:
        """phi(omega_j; s_i), shape (J, n), for data invariants s of shape (n, m)."""


@dataclass(frozen=True, eq=False)
class IsotropicRidge:
    """Isotropic Gaussian data and ridge neurons: omega = r = ||w||, phi(r; s) = g(r s).

    r = inf is a point of the problem: phi(inf; s) = (sigma(-inf) + sigma(inf)) / 2.

    Args:
        labels: y_q, shape (Q,).
        weights: pi_q, shape (Q,).
        norms: s_q = ||x||, shape (Q,).
        mean: the tabulated g.
    """

    labels: Any
    weights: Any
    norms: Any
    mean: TabulatedMean

    @property
    def invariant_names(self) -> tuple[str, ...]:
        """Names of the coordinates of omega: the radius."""
        return ("r",)

    @property
    def sticky_origin(self) -> bool:
        """Whether sigma has a knot at 0, which makes the velocity jump at r = 0."""
        return 0.0 in self.mean.mean.activation.knots

    def features(self, omega: Any) -> Any:
        """phi(r_j; s_q) from the table, shape (J, Q), for omega of shape (J, 1)."""
        return self.features_at(omega, self.norms[:, None])

    def features_and_gradients(self, omega: Any) -> tuple[Any, Any]:
        """phi(r_j; s_q), shape (J, Q), and d phi / d r, shape (J, Q, 1), from the table."""
        xp = array_namespace(omega)
        radius, norms = omega[:, 0], self.norms[:, None]
        value, slope = self.mean.value_and_slope(norms * abs(radius))
        # phi extends evenly to r < 0, where a stage of an integrator may step for a moment.
        sign = xp.where(radius < 0, -1.0, 1.0)
        return value.T, (slope * norms * sign).T[:, :, None]

    def features_at(self, omega: Any, s: Any) -> Any:
        """phi(r_j; s_i) from the table, shape (J, n), for omega (J, 1) and s (n, 1)."""
        if omega.shape[1:] != (1,) or s.shape[1:] != (1,):
            raise ValueError(f"expected omega (J, 1) and s (n, 1), got {omega.shape}, {s.shape}")
        # Formed as (n, J): the loops over the many atoms are then the inner ones.
        return self.mean.value(s * abs(omega[:, 0])).T


def has_reduction(law: Any, neuron: Any) -> bool:
    """Return whether `make_problem` knows a reduction of the combination."""
    return (
        isinstance(law, IsotropicGaussians)
        and isinstance(neuron, Ridge)
        and isinstance(neuron.activation, Pieces)
    )


def make_problem(law: Any, neuron: Any, nodes: int) -> Problem:
    """Reduce a data law and a neuron to a problem.

    Args:
        law: the data law.
        neuron: the neuron.
        nodes: quadrature nodes for each label and invariant of the law.

    Returns:
        The problem, its arrays in NumPy float64.

    Raises:
        ValueError: if no reduction of the combination is known.
    """
    if has_reduction(law, neuron):
        labels, weights, invariants = law.nodes(nodes)
        mean = tabulate(SphericalMean(neuron.activation, law.dimension))
        return IsotropicRidge(labels, weights, invariants[:, 0], mean)
    activation = type(neuron.activation).__name__ if hasattr(neuron, "activation") else "none"
    raise ValueError(
        f"no reduction is known for the law {type(law).__name__} with the neuron "
        f"{type(neuron).__name__} and the activation {activation}; known: IsotropicGaussians with "
        "Ridge and a piecewise linear activation"
    )
