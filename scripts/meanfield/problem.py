"""Problems: labels, weights and mean features of a data law seen through a kind of neuron.

The mean feature phi(omega; s) is the average of sigma_*(x; theta) over the neurons theta with
invariants omega, as a function of the invariants s of x. With nodes (s_q, y_q) of weight pi_q,
the risk, the potential and the velocity of any measure follow from phi(omega_j; s_q) alone.
"""

from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np

from meanfield.activations import Cosine, Pieces
from meanfield.bent_mean import BentMean
from meanfield.cosine_mean import CosineMean, tabulate_wave
from meanfield.invariants import invariant_names
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.neurons import Perceptron, Ridge
from meanfield.overshoot_table import TabulatedOvershoot, tabulate_overshoot
from meanfield.ridge_problem import IsotropicRidge
from meanfield.smooth_mean import SmoothMean, SmoothSphericalMean
from meanfield.smooth_table import tabulate_mean
from meanfield.special import RadialMean, SphericalMean, tabulate
from meanfield.sphere_problem import SphereProblem
from meanfield.units import OrbitMean


class Problem(Protocol):
    """What the mean-field equations know of a data law and a neuron.

    Features and gradients broadcast over leading axes of omega and of the problem's own arrays:
    those of problems side by side (see `stack`).
    """

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
        """phi(omega_j; s_q), shape (..., J, Q), for omega of shape (..., J, k)."""

    def features_and_gradients(self, omega: Any) -> tuple[Any, Any]:
        """phi, shape (..., J, Q), and its gradients in omega, shape (..., J, Q, k)."""

    def features_at(self, omega: Any, s: Any) -> Any:
        """phi(omega_j; s_i), shape (J, n), for data invariants s of shape (n, m)."""


Dimension = Literal["finite", "infinite"]


def has_reduction(law: Any, neuron: Any) -> bool:
    """Return whether `make_problem` knows a reduction of the combination.

    On a line (d = 1, or d = 2 and s_0 = 1) there is none: the sphere is two points, and features
    have kinks wherever sigma has.
    """
    return (
        isinstance(law, IsotropicGaussians | AnisotropicGaussians)
        and isinstance(neuron, Ridge | Perceptron)
        and max(law.spheres) >= 2
    )


def is_quick(problem: Problem) -> bool:
    """Return whether features are cheap enough for thousands of neurons: a few microseconds each.

    All are but those of smooth neurons, cosines aside, on spheres so low that T has no table over
    (w, x): they are integrals over exact values, or over a table in angles.
    """
    mean = problem.mean if isinstance(problem, SphereProblem) else None
    return not (
        isinstance(mean, SmoothMean) and not isinstance(mean.mean_overshoot, TabulatedOvershoot)
    )


def make_problem(law: Any, neuron: Any, nodes: int, *, dimension: Dimension = "finite") -> Problem:
    """Reduce a data law and a neuron to a problem.

    Args:
        law: the data law.
        neuron: the neuron.
        nodes: quadrature nodes for each label and invariant of the law.
        dimension: "finite", the law as it is, or "infinite", its limit as d tends to infinity at
            fixed radii (and fixed s_0 / d): there the law has one node a label, and `features_at`
            takes s_c / sqrt(n_c), n_c the dimension of the part.

    Returns:
        The problem, its arrays in NumPy float64.

    Raises:
        ValueError: if no reduction of the combination is known, or an argument is out of range.
    """
    if dimension not in ("finite", "infinite"):
        raise ValueError(f"dimension must be 'finite' or 'infinite', got {dimension!r}")
    if not has_reduction(law, neuron):
        activation = type(neuron.activation).__name__ if hasattr(neuron, "activation") else "none"
        raise ValueError(
            f"no reduction is known for the law {type(law).__name__} with the neuron "
            f"{type(neuron).__name__} and the activation {activation}; known: IsotropicGaussians "
            "and AnisotropicGaussians, with more than one dimension in a part, with Ridge and "
            "Perceptron, whatever the activation; any other law takes the empirical problem of "
            "its rows, with all parameters of a neuron"
        )
    finite = dimension == "finite"
    labels, weights, invariants = law.nodes(nodes) if finite else law.limit_nodes()
    spheres = tuple(float(n) if finite else np.inf for n in law.spheres)
    biased = isinstance(neuron, Perceptron)
    if finite and len(spheres) == 1 and not biased:
        radial = _radial_mean(neuron.activation, law.dimension)
        if radial is not None:
            return IsotropicRidge(labels, weights, invariants[:, 0], tabulate(radial))
    units = np.sqrt(spheres) if finite else np.ones(len(spheres))
    return SphereProblem(
        labels=labels,
        weights=weights,
        scales=invariants / units,
        units=units,
        biased=biased,
        invariant_names=invariant_names(law, neuron),
        mean=_orbit_mean(neuron.activation, spheres, biased),
    )


@lru_cache(maxsize=4)  # up to 61 MB each
def _orbit_mean(activation: Any, spheres: tuple[float, ...], biased: bool) -> OrbitMean:
    """Return the orbit mean of a neuron on a product of spheres."""
    if isinstance(activation, Cosine):
        return CosineMean(tuple(tabulate_wave(each) for each in spheres))
    if isinstance(activation, Pieces):
        return BentMean(activation, tabulate_overshoot(spheres))
    return tabulate_mean(activation, spheres, biased=biased)


@lru_cache(maxsize=16)
def _radial_mean(activation: Any, dimension: int) -> RadialMean | None:
    """Return the function g(r s) of ridges on one sphere, of which a table is the fastest.

    The last ones are kept: smooth means are equal only if they are the same, and a table of g is
    shared by equal ones alone (`special.tabulate`).
    """
    if isinstance(activation, Cosine):
        return None
    if isinstance(activation, Pieces):
        return SphericalMean(activation, dimension)
    exact = SmoothMean(activation, tabulate_overshoot((float(dimension),)))
    return SmoothSphericalMean(exact, dimension)
