"""The wave L(rho) = E cos(rho V) of a sphere: its closed form, its derivatives, and its table."""

import numpy as np
import pytest

from meanfield.cosine_mean import SLOPE_ERROR, VALUE_ERROR, tabulate_wave, wave
from meanfield.sphere import scaled_density

RHO = np.concatenate([[0.0, 1e-9, 1e-3], np.linspace(0.1, 8.9, 61), [20.0, 63.99, 64.0, 90.0]])


@pytest.mark.parametrize("dimension", [2, 3, 7, 60, 120, 121, 5000])
def test_table_and_closed_form(dimension: int) -> None:
    table = tabulate_wave(float(dimension))
    value, slope, bend = wave(RHO, dimension)
    found = table.look_up(RHO)
    np.testing.assert_allclose(found[0], value, rtol=0, atol=VALUE_ERROR)
    np.testing.assert_allclose(found[1], slope, rtol=0, atol=SLOPE_ERROR)
    mirrored = table.look_up(-RHO)
    np.testing.assert_array_equal(mirrored[0], found[0])
    np.testing.assert_array_equal(mirrored[1], -found[1])
    # L'' and L' by differences; on high spheres L is cut to 0 where it is below 1e-17.
    step, inner = 1e-5, RHO[4:-4]
    up, down = wave(inner + step, dimension), wave(inner - step, dimension)
    np.testing.assert_allclose(slope[4:-4], (up[0] - down[0]) / (2 * step), atol=1e-9)
    np.testing.assert_allclose(bend[4:-4], (up[1] - down[1]) / (2 * step), atol=1e-9)


@pytest.mark.parametrize("dimension", [2, 4, 8, 60, 320])
def test_against_integration(dimension: int) -> None:
    count = 20_000
    angle = ((np.arange(count) + 0.5) / count - 0.5) * np.pi
    v = np.sqrt(dimension) * np.sin(angle)
    mass = scaled_density(v, dimension) * np.cos(angle)
    some = RHO[RHO < 30]
    expected = np.cos(some[:, None] * v) @ (mass / mass.sum())
    np.testing.assert_allclose(wave(some, dimension)[0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dimension", [60, 120, 121, 160, 180, 200])
@pytest.mark.filterwarnings("error")
def test_small_radii(dimension: int) -> None:
    """By the series of E cos(rho V): E V^2 = 1 and E V^4 = 3 n / (n + 2)."""
    rho = 10.0 ** np.linspace(-8, -1.5, 400)
    fourth = 3 * dimension / (dimension + 2)
    expected = (
        1 - rho**2 / 2 + fourth * rho**4 / 24,
        -rho + fourth * rho**3 / 6,
        -1 + fourth * rho**2 / 2,
    )
    # What the series leaves out: E V^6 < 15 (see the bounds of the table).
    left_out = 15 * rho**6 / 720, 15 * rho**5 / 120, 15 * rho**4 / 24
    found = wave(rho, dimension)
    for mine, theirs, size in zip(found, expected, left_out, strict=True):
        assert np.all(np.abs(mine - theirs) < size + 1e-14)


def test_nan_stays_nan() -> None:
    assert np.isnan(tabulate_wave(7.0).look_up(np.array([np.nan]))[0]).all()
