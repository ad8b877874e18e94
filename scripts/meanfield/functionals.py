"""The functionals of a measure: network, risk, potential, velocity and dissipation.

Written once over the array namespace of the problem and the measure. Every one costs O(J Q) for J
atoms and Q nodes: the interaction kernel U between atoms has rank Q and is never formed. `field`
takes several problems and measures at once, side by side along leading axes (see `stack`).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from meanfield.measure import Measure
from meanfield.problem import Problem


class Field(NamedTuple):
    """The network's output at the nodes, the risk, and the velocity of the flow.

    Args:
        network: f_q, shape (..., Q).
        risk: R(rho), shape (...).
        velocity: d omega / d tau, shape (..., J, k); at a sticky origin its limit from the right,
            also where that points inward, so that atoms there stay.
    """

    network: Any
    risk: Any
    velocity: Any


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
    return moving(problem, measure.omega, speed)


def dissipation(problem: Problem, measure: Measure) -> Any:
    """Return the dissipation -dR/d tau = 4 int |grad Psi|^2 d rho."""
    return dissipated(measure.mass, velocity(problem, measure))


def field(problem: Problem, omega: Any, mass: Any) -> Field:
    """Everything that a step of the flow needs, from one evaluation of the features.

    d omega_j / d tau = 2 sum_q pi_q (y_q - f_q) grad phi(omega_j; s_q).

    Args:
        problem: the problem.
        omega: atoms, shape (..., J, k).
        mass: masses, shape (..., J).

    Returns:
        Network, risk and velocity.

    Source: Mei, Montanari and Nguyen (2018), distributional dynamics with xi = 1.
    """
    features, pull_back = _linearize(problem, omega)
    output = (mass[..., None, :] @ features)[..., 0, :]
    residual = problem.labels - output
    force = problem.weights * residual
    risk = (force[..., None, :] @ residual[..., None])[..., 0, 0]
    return Field(network=output, risk=risk, velocity=2 * pull_back(force))


def moving(problem: Problem, omega: Any, velocity: Any) -> Any:
    """Return the velocity with that of atoms on a sticky origin, if it points inward, set to 0."""
    if not problem.sticky_origin:
        return velocity
    xp = array_namespace(omega)
    return xp.where((omega <= 0) & (velocity < 0), 0.0, velocity)


def dissipated(mass: Any, velocity: Any) -> Any:
    """Return the risk lost a unit of time by atoms that move so: sum_j p_j |d omega_j / d tau|^2.

    |d omega / d tau|^2 = 4 |grad Psi|^2.

    Args:
        mass: masses, shape (..., J).
        velocity: velocities of the atoms, shape (..., J, k).
    """
    return array_namespace(mass).sum(mass[..., None, :] @ (velocity * velocity), axis=(-2, -1))


def _linearize(problem: Problem, omega: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return phi, and the map of a force (..., Q) to sum_q force_q grad phi_q, shape (..., J, k).

    A problem whose gradients are too large to be formed has such a map of its own.
    """
    if hasattr(problem, "linearize"):
        features, pull_back = problem.linearize(omega)
        return features, pull_back
    features, gradients = problem.features_and_gradients(omega)

    def pull(force: Any) -> Any:
        # One coordinate at a time: no copy of the gradients, in whatever order they lie.
        pulled = [gradients[..., i] @ force[..., None] for i in range(omega.shape[-1])]
        return pulled[0] if len(pulled) == 1 else array_namespace(omega).concat(pulled, axis=-1)

    return features, pull
