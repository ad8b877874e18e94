"""The functionals of a measure against each other and against the kernel U that they never form."""

import numpy as np
import pytest

from meanfield import functionals
from meanfield.activations import PiecewiseLinear
from meanfield.laws import IsotropicGaussians
from meanfield.measure import Measure, gaussian_radii
from meanfield.neurons import Ridge
from meanfield.problem import Problem, make_problem
from meanfield.special import SphericalMean

RAMP = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
RIDGE = Ridge(RAMP)
PROBLEM = make_problem(IsotropicGaussians(40, 0.8), RIDGE, 24)
MEASURE = gaussian_radii(40, 0.8, 60).measure


def sphere_risk(problem: Problem, radius: float) -> float:
    return float(functionals.risk(problem, Measure(np.array([[radius]]), np.ones(1))))


def test_risk_is_the_quadratic_form_of_v_and_u() -> None:
    features = PROBLEM.features(MEASURE.omega)
    v = -features @ (PROBLEM.weights * PROBLEM.labels)
    u = features * PROBLEM.weights @ features.T
    expected = 1 + 2 * MEASURE.mass @ v + MEASURE.mass @ u @ MEASURE.mass
    assert functionals.risk(PROBLEM, MEASURE) == pytest.approx(expected, rel=1e-13)
    np.testing.assert_allclose(
        functionals.potential(PROBLEM, MEASURE, MEASURE.omega), v + u @ MEASURE.mass, atol=1e-13
    )


def test_risk_against_samples() -> None:
    """R(delta_r) is the risk of infinitely many neurons spread evenly over the sphere of radius r.

    Here the closed form of the mean feature is evaluated at sampled data, so that the labels, the
    scales and the quadrature of the law are tested against its definition.
    """
    law = IsotropicGaussians(40, 0.8)
    generator = np.random.default_rng(3)
    labels = np.where(generator.random(40_000) < 0.5, 1.0, -1.0)
    x = generator.normal(size=(40_000, 40)) * law.scale(labels)[:, np.newaxis]
    for radius in (0.5, 2.0):
        output = PROBLEM.features_at(np.array([[radius]]), law.invariants(x))[0]
        losses = (labels - output) ** 2
        error = losses.std() / np.sqrt(len(losses))
        assert abs(losses.mean() - sphere_risk(PROBLEM, radius)) < 4 * error


@pytest.mark.parametrize(("nodes", "bound"), [(8, 2e-7), (24, 2e-13)])
def test_quadrature_error_of_the_sphere_risk(nodes: int, bound: float) -> None:
    law = IsotropicGaussians(40, 0.8)
    for radius in (0.8, 2.0, 3.5):
        risks = []
        for count in (nodes, 64):
            labels, weights, s = law.nodes(count)
            output = SphericalMean(RAMP, 40)(radius * s[:, 0])
            risks.append(weights @ (labels - output) ** 2)
        assert abs(risks[0] - risks[1]) < bound


def test_velocity_is_the_gradient_of_the_potential() -> None:
    step = 1e-5
    up = functionals.potential(PROBLEM, MEASURE, MEASURE.omega + step)
    down = functionals.potential(PROBLEM, MEASURE, MEASURE.omega - step)
    velocity = functionals.velocity(PROBLEM, MEASURE)
    assert velocity.shape == (60, 1)
    np.testing.assert_allclose(velocity[:, 0], -(up - down) / step, atol=1e-6)


def test_velocity_is_the_gradient_of_the_risk() -> None:
    """The gradient of R(rho) in omega_j is -p_j velocity_j."""
    step = 1e-5
    velocity = functionals.velocity(PROBLEM, MEASURE)[:, 0]
    for atom in (0, 20, 59):
        moved = []
        for sign in (1, -1):
            omega = MEASURE.omega.copy()
            omega[atom] += sign * step
            moved.append(functionals.risk(PROBLEM, Measure(omega, MEASURE.mass)))
        gradient = (moved[0] - moved[1]) / (2 * step)
        assert gradient == pytest.approx(-MEASURE.mass[atom] * velocity[atom], abs=1e-8)


def test_dissipation_is_the_decrease_of_the_risk() -> None:
    velocity = functionals.velocity(PROBLEM, MEASURE)
    step = 1e-6
    ahead = functionals.risk(PROBLEM, Measure(MEASURE.omega + step * velocity, MEASURE.mass))
    behind = functionals.risk(PROBLEM, Measure(MEASURE.omega - step * velocity, MEASURE.mass))
    dissipation = functionals.dissipation(PROBLEM, MEASURE)
    assert dissipation == pytest.approx((behind - ahead) / (2 * step), rel=1e-6)


def test_the_field_holds_all_of_it() -> None:
    field = functionals.field(PROBLEM, MEASURE.omega, MEASURE.mass)
    np.testing.assert_array_equal(field.network, functionals.network(PROBLEM, MEASURE))
    assert field.risk == pytest.approx(functionals.risk(PROBLEM, MEASURE), rel=1e-14)
