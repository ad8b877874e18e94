"""The functionals of a measure: network, risk, potential, velocity and dissipation.

Written once over the array namespace of the problem and the measure. Every one costs O(J Q) for J
atoms and Q nodes: the interaction kernel U between atoms has rank Q and is never formed.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from meanfield.measure import Measure
from meanfield.problem import Problem


class Field(NamedTuple):
    """The network's output at the nodes, the risk, and the velocity and dissipation of the flow.

    Args:
        network: f_q, shape (Q,).
        risk: R(rho).
        velocity: d omega / d tau, shape (J, k); at a sticky origin its limit from the right, also
            where that points inward, so that atoms there stay.
        dissipation: -dR/d tau, to which atoms that stay contribute nothing.
    """

    network: Any
    risk: Any
    velocity: Any
    dissipation: Any


def network(problem: Problem, measure: Measure) -> Any:
    """Return the output f_q = sum_j p_j phi(omega_j; s_q) at the nodes, shape (Q,)."""
    return measure.mass @ problem.features(measure.omega)


def risk(problem: Problem, measure: Measure) -> Any:
    """Return the risk R(rho) = sum_q pi_q (y_q - f_q)^2.

    Source: Mei, Montanari and Nguyen (2018), R(rho) = R# + 2 int V d rho + int int U d rho d rho.
    """
    residual = problem.labels - network(problem, measure)
    return problem.weights @ (residual * residual)


def potential(problem: Problem, measure: Measure, omega: Any) -> Any:
    """Return the potential Psi(omega; rho) = -sum_q pi_q (y_q - f_q) phi(omega; s_q).

    It is half the first variation of the risk: Psi = V + int U(., omega') d rho(omega').

    Args:
        problem: the problem.
        measure: rho.
        omega: points of evaluation, shape (n, k).

    Returns:
        Psi at the points, shape (n,).

    Source: Mei, Montanari and Nguyen (2018), the potential of the distributional dynamics.
    """
    force = problem.weights * (problem.labels - network(problem, measure))
    return -(problem.features(omega) @ force)


def velocity(problem: Problem, measure: Measure) -> Any:
    """Return the velocity d omega / d tau = -2 grad Psi of the atoms, shape (J, k).

    It is 0 for atoms that a sticky origin holds.
    """
    speed = field(problem, measure.omega, measure.mass).velocity
    return _moving(problem, measure.omega, speed)


def dissipation(problem: Problem, measure: Measure) -> Any:
    """Return the dissipation -dR/d tau = 4 int |grad Psi|^2 d rho."""
    return field(problem, measure.omega, measure.mass).dissipation


def field(problem: Problem, omega: Any, mass: Any) -> Field:
    """Everything that a step of the flow needs, from one evaluation of the features.

    d omega_j / d tau = 2 sum_q pi_q (y_q - f_q) grad phi(omega_j; s_q).

    Args:
        problem: the problem.
        omega: atoms, shape (J, k).
        mass: masses, shape (J,).

    Returns:
        Network, risk, velocity and dissipation.

    Source: Mei, Montanari and Nguyen (2018), distributional dynamics with xi = 1.
    """
    xp = array_namespace(omega, mass)
    features, pull_back = _linearize(problem, omega)
    output = mass @ features
    residual = problem.labels - output
    force = problem.weights * residual
    speed = 2 * pull_back(force)
    moving = _moving(problem, omega, speed)
    return Field(
        network=output,
        risk=force @ residual,
        velocity=speed,
        # |d omega / d tau|^2 = 4 |grad Psi|^2
        dissipation=mass @ xp.sum(moving * moving, axis=1),
    )


def _moving(problem: Problem, omega: Any, velocity: Any) -> Any:
    """Return the velocity with that of atoms on a sticky origin, if it points inward, set to 0."""
    if not problem.sticky_origin:
        return velocity
    xp = array_namespace(omega)
    return xp.where((omega <= 0) & (velocity < 0), 0.0, velocity)


def _linearize(problem: Problem, omega: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return phi (J, Q), and the map of a force (Q,) to sum_q force_q grad phi_q, shape (J, k).

    A problem whose gradients are too large to be formed has such a map of its own.
    """
    if hasattr(problem, "linearize"):
        features, pull_back = problem.linearize(omega)
        return features, pull_back
    features, gradients = problem.features_and_gradients(omega)
    xp = array_namespace(omega)

    def pull(force: Any) -> Any:
        # One coordinate at a time: no copy of the gradients, in whatever order they lie.
        return xp.stack([gradients[:, :, i] @ force for i in range(omega.shape[1])], axis=-1)

    return features, pull
