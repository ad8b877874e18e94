"""Problems: mean features against Monte Carlo, their gradients, and unknown combinations."""

from typing import Any

import numpy as np
import pytest

from meanfield.activations import Cosine, PiecewiseLinear, Softplus, Tanh
from meanfield.laws import AnisotropicGaussians, IsotropicGaussians
from meanfield.neurons import Perceptron, Ridge
from meanfield.problem import has_reduction, is_quick, make_problem
from meanfield.ridge_problem import IsotropicRidge
from meanfield.special import SphericalMean

FIGURE_1 = PiecewiseLinear((0.5, 1.5), (-2.5, 7.5))
PROBLEM = make_problem(IsotropicGaussians(40, 0.8), Ridge(FIGURE_1), 12)
OMEGA = np.array([[0.06], [0.4], [0.8], [1.7], [4.0]])


def test_shapes() -> None:
    features, gradients = PROBLEM.features_and_gradients(OMEGA)
    assert PROBLEM.labels.shape == PROBLEM.weights.shape == (24,)
    assert features.shape == PROBLEM.features(OMEGA).shape == (5, 24)
    assert gradients.shape == (5, 24, 1)
    assert PROBLEM.invariant_names == ("r",)
    np.testing.assert_array_equal(features, PROBLEM.features(OMEGA))


def test_features_are_averages_over_the_orbit_of_a_neuron() -> None:
    generator = np.random.default_rng(5)
    directions = generator.normal(size=(20_000, 40))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    x = generator.normal(size=40) * 1.8
    s = np.array([[np.linalg.norm(x)]])
    exact = PROBLEM.features_at(OMEGA, s)[:, 0]
    for radius, mean in zip(OMEGA[1:, 0], exact[1:], strict=True):
        samples = FIGURE_1(radius * directions @ x)
        assert abs(samples.mean() - mean) < 4 * samples.std() / np.sqrt(len(samples))


def test_table_and_closed_form_agree() -> None:
    law = IsotropicGaussians(40, 0.8)
    s = law.nodes(12).invariants
    np.testing.assert_allclose(
        PROBLEM.features(OMEGA), SphericalMean(FIGURE_1, 40)(OMEGA * s[:, 0]), rtol=0, atol=1e-10
    )


def test_gradients_by_finite_differences() -> None:
    step = 1e-5
    numerical = (PROBLEM.features(OMEGA + step) - PROBLEM.features(OMEGA - step)) / (2 * step)
    gradients = PROBLEM.features_and_gradients(OMEGA)[1][:, :, 0]
    np.testing.assert_allclose(gradients, numerical, rtol=1e-6, atol=1e-6)


def test_features_extend_evenly_and_to_infinity() -> None:
    value, gradient = PROBLEM.features_and_gradients(OMEGA)
    mirrored, mirrored_gradient = PROBLEM.features_and_gradients(-OMEGA)
    np.testing.assert_array_equal(mirrored, value)
    np.testing.assert_array_equal(mirrored_gradient, -gradient)
    infinite, flat = PROBLEM.features_and_gradients(np.array([[np.inf]]))
    np.testing.assert_allclose(infinite, 2.5, rtol=1e-13)
    np.testing.assert_array_equal(flat, 0)


def test_sticky_origin() -> None:
    sticky = Ridge(PiecewiseLinear((0.0, 0.5, 1.5), (-2.5, -4.0, 7.5)))
    assert make_problem(IsotropicGaussians(40, 0.8), sticky, 4).sticky_origin
    assert not PROBLEM.sticky_origin


def test_only_integrals_of_integrals_are_slow() -> None:
    for law, quick in (
        (IsotropicGaussians(3, 0.5), True),
        (IsotropicGaussians(4, 0.5), False),
        (AnisotropicGaussians(20, 4, 0.5), False),
        (AnisotropicGaussians(100, 40, 0.5), True),
    ):
        assert is_quick(make_problem(law, Perceptron(FIGURE_1), 2))
        assert is_quick(make_problem(law, Perceptron(Tanh()), 2)) == quick
        assert is_quick(make_problem(law, Perceptron(Cosine()), 2))


def test_unknown_combinations_are_named() -> None:
    with pytest.raises(
        ValueError,
        match="the law str with the neuron Ridge and the activation PiecewiseLinear; known",
    ):
        make_problem("anisotropic", Ridge(FIGURE_1), 4)
    for law in (IsotropicGaussians(1, 0.5), AnisotropicGaussians(2, 1, 0.5)):
        assert not has_reduction(law, Ridge(FIGURE_1))
        with pytest.raises(ValueError, match="more than one dimension in a part"):
            make_problem(law, Ridge(FIGURE_1), 4)
    with pytest.raises(ValueError, match="'finite' or 'infinite', got 'high'"):
        make_problem(IsotropicGaussians(4, 0.5), Ridge(FIGURE_1), 4, dimension="high")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected omega"):
        PROBLEM.features_at(np.zeros((2, 2)), np.zeros((3, 1)))


@pytest.mark.parametrize("activation", [FIGURE_1, Tanh(), Softplus()])
def test_problems_that_differ_in_the_widths_of_the_data_share_a_table(activation: Any) -> None:
    one, other = (
        make_problem(IsotropicGaussians(9, delta), Ridge(activation), 4) for delta in (0.2, 0.7)
    )
    assert isinstance(one, IsotropicRidge)
    assert isinstance(other, IsotropicRidge)
    assert one.mean is other.mean
