"""Transported densities: exact maps, and conservation of mass."""

import numpy as np
import pytest

from meanfield.measure import gaussian_radii, gaussian_radius_density
from meanfield.transport import transported_density

START = gaussian_radii(40, 0.8, 200).measure.omega[:, 0]
DENSITY = gaussian_radius_density(40, 0.8, START)


def test_the_identity_returns_the_density() -> None:
    grid = np.linspace(START[0], START[-1], 500)
    found = transported_density(START, START, DENSITY, grid)
    np.testing.assert_allclose(found, gaussian_radius_density(40, 0.8, grid), atol=5e-4)


def test_a_dilation_is_exact() -> None:
    grid = np.linspace(2 * START[0], 2 * START[-1], 500)
    found = transported_density(START, 2 * START, DENSITY, grid)
    np.testing.assert_allclose(found, gaussian_radius_density(40, 1.6, grid), atol=2e-4)


def test_mass_is_conserved_by_a_nonlinear_map() -> None:
    end = START**3 + np.tanh(20 * (START - 0.8))
    grid = np.linspace(end[0] - 0.5, end[-1] + 0.5, 20_001)
    found = transported_density(START, end, DENSITY, grid)
    assert np.trapezoid(found, grid) == pytest.approx(1, abs=2e-4)
    assert np.all(found >= 0)
    assert found[0] == found[-1] == 0


def test_particles_that_have_met() -> None:
    end = START.copy()
    end[100:103] = end[100]
    found = transported_density(START, end, DENSITY, np.linspace(0, 2, 2001))
    assert np.all(np.isfinite(found))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="common shape"):
        transported_density(START, START[1:], DENSITY, 1.0)
    with pytest.raises(ValueError, match="order is lost"):
        transported_density(START, START[::-1], DENSITY, 1.0)
    with pytest.raises(ValueError, match="met in one point"):
        transported_density(START, np.ones_like(START), DENSITY, 1.0)
