"""Looking smooth neurons up: the kernel beside its reference, symmetries, and ends of the range."""

import numpy as np
import pytest

from meanfield.activations import Erf, Softplus
from meanfield.laws import AnisotropicGaussians
from meanfield.neurons import Neuron, Perceptron, Ridge
from meanfield.problem import make_problem
from meanfield.sphere_problem import SphereProblem
from meanfield.tabulated_mean import TabulatedOrbitMean

CASES: list[Neuron] = [Perceptron(Erf()), Perceptron(Softplus()), Ridge(Softplus())]


def problem_of(neuron: Neuron) -> SphereProblem:
    problem = make_problem(AnisotropicGaussians(320, 60, 0.5), neuron, 3)
    assert isinstance(problem, SphereProblem)
    assert isinstance(problem.mean, TabulatedOrbitMean)
    return problem


def atoms(problem: SphereProblem, count: int = 12) -> np.ndarray:
    omega = np.random.default_rng(2).normal(0, 2, (count, len(problem.invariant_names)))
    omega[0, -2:], omega[1, -1], omega[2, -2:], omega[3, -2:] = 0.0, 0.0, 1e-9, 1e9
    return omega


@pytest.mark.parametrize("neuron", CASES)
def test_kernel_and_plain_reference_agree(neuron: Neuron, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_of(neuron)
    omega = atoms(problem)
    if problem.biased:
        omega[4:6, 1] = 0.0, 1e3
    omega[6, -2:], omega[7, -1] = 1e200, 1e-200
    monkeypatch.setattr("meanfield.tabulated_mean._CHUNK", 50)  # several chunks
    assert isinstance(problem.mean, TabulatedOrbitMean)
    plain = problem.mean.plain(problem.take_apart(omega), problem.scales)
    found = problem.features_and_gradients(omega)
    for mine, theirs in zip(found, plain, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(problem.features(omega), found[0])


@pytest.mark.parametrize("neuron", CASES)
def test_features_extend_evenly_in_every_radius(neuron: Neuron) -> None:
    problem = problem_of(neuron)
    omega = atoms(problem)
    value, gradient = problem.features_and_gradients(omega)
    for k in range(omega.shape[1] - 2, omega.shape[1]):
        signs = np.where(np.arange(omega.shape[1]) == k, -1, 1)
        other, turned = problem.features_and_gradients(omega * signs)
        np.testing.assert_array_equal(other, value)
        np.testing.assert_array_equal(turned, gradient * signs)


@pytest.mark.parametrize("neuron", CASES[:2])
def test_the_sign_of_the_offset(neuron: Neuron) -> None:
    """The error function is odd; softplus(-t) = softplus(t) - t."""
    problem = problem_of(neuron)
    omega = atoms(problem)
    mirrored = omega * [1, -1, 1, 1]
    a, b = omega[:, :1], omega[:, 1:2]
    value, other = problem.features(omega), problem.features(mirrored)
    expected = -value if isinstance(neuron.activation, Erf) else value - a * b
    np.testing.assert_allclose(other, expected, rtol=1e-13, atol=1e-13)


def test_at_no_radius_the_neuron_is_its_activation() -> None:
    for neuron in CASES[:2]:
        b = np.linspace(-40, 40, 321)
        omega = np.stack([np.ones_like(b), b, 0 * b, 0 * b], axis=1)
        value, gradient = problem_of(neuron).features_and_gradients(omega)
        np.testing.assert_allclose(value[:, 0], neuron.activation(b), rtol=0, atol=1e-9)
        slope = neuron.activation.derivative(b)
        np.testing.assert_allclose(gradient[:, 0, 1], slope, rtol=0, atol=1e-7)
        np.testing.assert_array_equal(gradient[:, :, 2:], 0)
        # Rounding over rho would show here.
        omega[:, 2:] = 1e-13, 2e-13
        slopes = problem_of(neuron).features_and_gradients(omega)[1][:, :, 2:]
        np.testing.assert_allclose(slopes, 0, rtol=0, atol=1e-9)


def test_nan_stays_nan() -> None:
    problem = problem_of(CASES[0])
    for k in range(4):
        omega = np.full((1, 4), 0.5)
        omega[0, k] = np.nan
        assert np.isnan(problem.features(omega)).all()
        assert np.isnan(problem.features_and_gradients(omega)[0]).all()


@pytest.mark.parametrize("neuron", CASES)
def test_radii_whose_squares_overflow(neuron: Neuron) -> None:
    """E sigma(b + rho S) is that of rho = 1e100, or in proportion to rho if sigma grows."""
    problem = problem_of(neuron)
    omega = atoms(problem)[4:]
    omega[:, -2:] *= 1e100
    far = omega.copy()
    far[:, -2:] *= 1e100
    value = problem.features(omega)
    other, slope = problem.features_and_gradients(far)
    growth = 1e100 if np.isinf(neuron.activation.limits[1]) else 1.0
    np.testing.assert_allclose(other, growth * value, rtol=1e-9)
    assert np.isfinite(slope).all()
