"""W_1 and KS against exact cases and scipy, and the floor of independent draws."""

import numpy as np
import pytest
from scipy.stats import chi, kstest, wasserstein_distance

from meanfield.measure import gaussian_radii
from meanfield.metrics import Quantiles, distances, iid_floor

LEVELS = np.array([0.1, 0.3, 0.6, 0.9])
UNIFORM = Quantiles(LEVELS, 2 * LEVELS)  # uniform on (0, 2), reproduced exactly
MEASURE, RADII_LEVELS = gaussian_radii(40, 0.8, 200)
GAUSSIAN = Quantiles(RADII_LEVELS, MEASURE.omega[:, 0])


def gaussian_sets(sets: int, count: int) -> np.ndarray:
    weights = np.random.default_rng(4).normal(size=(sets, count, 40))
    return np.asarray(0.8 * np.linalg.norm(weights, axis=-1) / np.sqrt(40))


def test_a_linear_quantile_function_is_reproduced() -> None:
    u = np.linspace(0, 1, 21)
    np.testing.assert_allclose(UNIFORM(u), 2 * u, atol=1e-14)
    np.testing.assert_allclose(UNIFORM.integral(u), u**2, atol=1e-14)
    below, at = UNIFORM.distribution([-1.0, 0.0, 0.5, 2.0, 3.0])
    np.testing.assert_allclose(below, [0, 0, 0.25, 1, 1], atol=1e-14)
    np.testing.assert_allclose(at, [0, 0, 0.25, 1, 1], atol=1e-14)


def test_exact_cases() -> None:
    # One point x against the uniform law on (0, 2): E|X - x| = (x^2 + (2 - x)^2) / 4.
    found = distances(np.array([[0.0], [0.5], [1.0], [2.0], [3.0]]), UNIFORM)
    np.testing.assert_allclose(found.wasserstein, [1, 0.625, 0.5, 1, 2], atol=1e-14)
    np.testing.assert_allclose(found.kolmogorov, [1, 0.75, 0.5, 1, 1], atol=1e-14)
    # The N midpoints are the best N points: W_1 = 1 / (2 N), KS = 1 / (2 N) on a length of 2.
    best = distances(np.array([1.75, 0.25, 0.75, 1.25]), UNIFORM)
    assert best.wasserstein == pytest.approx(1 / 8)
    assert best.kolmogorov == pytest.approx(1 / 8)


def test_a_shift_of_quantiles_is_the_distance() -> None:
    u = (np.arange(50) + 0.5) / 50
    far = Quantiles(u, u + 7)
    assert distances(u, far).wasserstein == pytest.approx(7, rel=1e-12)
    assert distances(u, far).kolmogorov == 1


def test_against_scipy() -> None:
    sets = gaussian_sets(3, 800)
    found = distances(sets, GAUSSIAN)
    fine = GAUSSIAN((np.arange(400_000) + 0.5) / 400_000)
    for radii, wasserstein, kolmogorov in zip(sets, *found, strict=True):
        assert wasserstein == pytest.approx(wasserstein_distance(radii, fine), rel=1e-5)
        law = chi(40, scale=0.8 / np.sqrt(40))
        assert kolmogorov == pytest.approx(kstest(radii, law.cdf).statistic, abs=1e-6)


def test_inverse_of_the_quantile_function() -> None:
    u = np.linspace(0, 1, 301)
    below, at = GAUSSIAN.distribution(GAUSSIAN(u))
    np.testing.assert_allclose(below, u, atol=1e-12)
    np.testing.assert_allclose(at, u, atol=1e-12)


def test_levels_that_share_a_radius_are_a_jump_of_the_law() -> None:
    atom = Quantiles(np.array([0.2, 0.4, 0.6, 0.8]), np.array([1.0, 2.0, 2.0, 3.0]))
    below, at = atom.distribution(2.0)
    assert (below, at) == (pytest.approx(0.4), pytest.approx(0.6))
    assert distances(np.array([2.0, 2.0]), atom).kolmogorov == pytest.approx(0.4)


def test_tails_stay_nonnegative_and_ordered() -> None:
    steep = Quantiles(np.array([0.3, 0.4, 0.7]), np.array([0.1, 1.0, 5.0]))
    values = steep(np.linspace(0, 1, 101))
    assert values[0] == 0
    assert np.all(np.diff(values) >= 0)


def test_noise_of_particles_that_have_met_is_leveled() -> None:
    assert Quantiles(LEVELS, np.array([1.0, 1.0 - 1e-9, 2.0, 3.0])).radii[1] == 1.0


def test_floor_is_the_distance_of_independent_draws() -> None:
    direct = distances(gaussian_sets(200, 200), GAUSSIAN)
    floor = iid_floor(GAUSSIAN, 200, np.random.default_rng(8))
    assert floor.wasserstein.shape == floor.kolmogorov.shape == (200,)
    for ours, theirs in zip(floor, direct, strict=True):
        spread = np.hypot(ours.std(), theirs.std()) / np.sqrt(200)
        assert abs(ours.mean() - theirs.mean()) < 4 * spread
    again = iid_floor(GAUSSIAN, 200, np.random.default_rng(8))
    np.testing.assert_array_equal(again.wasserstein, floor.wasserstein)


def test_floor_falls_as_the_root_of_the_width() -> None:
    generator = np.random.default_rng(9)
    means = [iid_floor(GAUSSIAN, n, generator).wasserstein.mean() for n in (100, 1600)]
    assert means[0] / means[1] == pytest.approx(4, rel=0.15)


def test_density_conserves_mass_and_is_that_of_the_law() -> None:
    edges = np.linspace(0, 4, 201)
    density = GAUSSIAN.density(edges)
    assert density @ np.diff(edges) == pytest.approx(1, abs=1e-5)
    exact = np.diff(chi(40, scale=0.8 / np.sqrt(40)).cdf(edges)) / np.diff(edges)
    np.testing.assert_allclose(density, exact, atol=2e-3 * exact.max())


@pytest.mark.parametrize(
    ("levels", "radii", "message"),
    [
        ([0.5], [1.0], "J >= 2"),
        ([0.0, 0.5], [1.0, 2.0], r"\(0, 1\)"),
        ([0.5, 0.4], [1.0, 2.0], "increase strictly"),
        ([0.4, 0.5], [2.0, 1.0], "must not decrease"),
        ([0.4, 0.5], [-1.0, 1.0], ">= 0"),
    ],
)
def test_bad_quantiles(levels, radii, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Quantiles(np.array(levels), np.array(radii))


def test_bad_samples() -> None:
    with pytest.raises(ValueError, match="finite radii"):
        distances(np.array([np.nan]), UNIFORM)
    with pytest.raises(ValueError, match="finite radii"):
        distances(np.array([]), UNIFORM)
    with pytest.raises(ValueError, match=">= 1"):
        iid_floor(UNIFORM, 0, np.random.default_rng(0))


def test_an_atom_at_the_origin_is_in_the_first_cell() -> None:
    """Eight of twenty levels share the radius 0: the mass there is between the 8th and the 9th."""
    levels = (np.arange(20) + 0.5) / 20
    law = Quantiles(levels, np.maximum(0.0, np.arange(20) - 7) * 0.1)
    edges = np.linspace(0, 2, 101)
    mass = law.density(edges) * np.diff(edges)
    assert mass.sum() == pytest.approx(1, abs=1e-12)
    below, reached = law.distribution(0.0)
    assert below == pytest.approx(0, abs=1e-15)
    assert levels[7] <= reached <= levels[8]
    assert mass[0] >= reached
    nothing_else = Quantiles(levels, np.zeros(20))
    np.testing.assert_allclose(nothing_else.density(edges) * np.diff(edges), np.eye(100)[0])
    np.testing.assert_allclose(distances(np.zeros(5), nothing_else), 0, atol=1e-15)
    assert distances(np.full(5, 0.25), nothing_else).wasserstein == pytest.approx(0.25)
