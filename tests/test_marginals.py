"""Distances to a law of atoms: exact cases, scipy's W1, a Kolmogorov distance by brute force."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from meanfield.marginals import Atoms, atom_distances, atom_floor

COIN = Atoms(np.array([1.0, -1.0]), np.array([1.0, 3.0]))
GENERATOR = np.random.default_rng(3)
MANY = Atoms(GENERATOR.normal(size=37), GENERATOR.random(37))
SETS = GENERATOR.normal(size=(2, 3, 50))


def test_exact_cases() -> None:
    # Three quarters of the mass have to go from 0 to -1, the rest to 1.
    found = atom_distances(np.zeros((2, 5)), COIN)
    np.testing.assert_allclose(found.wasserstein, [1, 1], rtol=1e-15)
    np.testing.assert_allclose(found.kolmogorov, [0.75, 0.75], rtol=1e-15)
    same = atom_distances(np.array([-1, 1, -1, -1]), COIN)
    assert same.wasserstein == pytest.approx(0, abs=1e-15)
    assert same.kolmogorov == pytest.approx(0, abs=1e-15)


def test_a_shift_is_the_distance() -> None:
    one = atom_distances(SETS + 0.25, Atoms(SETS[0, 0], np.full(50, 0.02)))
    assert one.wasserstein[0, 0] == pytest.approx(0.25)


def test_against_scipy_and_brute_force() -> None:
    found = atom_distances(SETS, MANY)
    assert found.wasserstein.shape == found.kolmogorov.shape == (2, 3)
    for index in np.ndindex(2, 3):
        points = SETS[index]
        expected = wasserstein_distance(points, MANY.values, v_weights=MANY.masses)
        assert found.wasserstein[index] == pytest.approx(expected, rel=1e-12)
        support = np.concatenate([points, MANY.values])[:, np.newaxis]
        gaps = np.mean(points <= support, axis=1) - (MANY.values <= support) @ MANY.masses
        assert found.kolmogorov[index] == pytest.approx(np.abs(gaps).max(), rel=1e-12)


def test_atoms_of_no_mass_change_nothing() -> None:
    padded = Atoms(np.r_[MANY.values, 9.0, -9.0], np.r_[MANY.masses, 0.0, 0.0])
    for ours, theirs in zip(atom_distances(SETS, padded), atom_distances(SETS, MANY), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_floor_is_the_distance_of_independent_draws() -> None:
    floor = atom_floor(MANY, 100, np.random.default_rng(5))
    drawn = np.random.default_rng(6).choice(MANY.values, p=MANY.masses, size=(200, 100))
    for ours, theirs in zip(floor, atom_distances(drawn, MANY), strict=True):
        assert ours.shape == (200,)
        spread = np.hypot(ours.std(), theirs.std()) / np.sqrt(200)
        assert abs(ours.mean() - theirs.mean()) < 4 * spread


@pytest.mark.parametrize(
    ("values", "masses", "message"),
    [
        ([1.0, 2.0], [1.0], "common shape"),
        ([], [], "J >= 1"),
        ([np.nan], [1.0], "finite"),
        ([1.0, 2.0], [1.0, -0.5], ">= 0"),
        ([1.0, 2.0], [0.0, 0.0], "not all 0"),
    ],
)
def test_bad_atoms(values: list[float], masses: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Atoms(np.array(values), np.array(masses))


def test_bad_samples() -> None:
    with pytest.raises(ValueError, match="finite samples"):
        atom_distances(np.array([np.inf]), COIN)
    with pytest.raises(ValueError, match=">= 1"):
        atom_floor(COIN, 0, np.random.default_rng(0))
