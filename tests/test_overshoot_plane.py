"""The mean overshoot of spheres of low dimension in its plane of angles."""

import array_api_strict
import numpy as np
import pytest

from meanfield.arrays import Backend, to_backend
from meanfield.host import to_host
from meanfield.overshoot import Projection
from meanfield.overshoot_kernel import fast_overshoot
from meanfield.overshoot_plane import SLOPE_ERROR, VALUE_ERROR, PlaneOvershoot
from meanfield.overshoot_table import tabulate_overshoot

PAIRS = [(4, 36), (38, 2), (2, 3), (3, 3), (1, 7), (6, 6)]


def table_of(dimensions: tuple[int, int]) -> PlaneOvershoot:
    table = tabulate_overshoot(dimensions)
    assert isinstance(table, PlaneOvershoot)
    return table


def places(dimensions: tuple[int, int], count: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Draw levels and shares: anywhere, and close to where the density of S is singular."""
    generator = np.random.default_rng(1)
    x = np.sin(np.pi / 2 * generator.uniform(0, 1, count)) ** 2
    first, second = np.sqrt(dimensions[0] * x), np.sqrt(dimensions[1] * (1 - x))
    w = generator.uniform(0, np.sqrt(sum(dimensions)), count)
    near = generator.normal(size=count) * 10 ** generator.uniform(-6, -1, count)
    some, others = slice(0, count // 3), slice(count // 3, 2 * count // 3)
    w[some] = np.abs(np.abs(first - second) + near)[some]
    w[others] = (first + second + near)[others]
    return w, x


@pytest.mark.parametrize("dimensions", PAIRS)
def test_table_keeps_its_bounds(dimensions: tuple[int, int]) -> None:
    w, x = places(dimensions)
    exact = fast_overshoot(Projection(dimensions), w, x)
    value, level, share = table_of(dimensions).overshoot(w, x)
    np.testing.assert_allclose(value, exact.value, rtol=0, atol=VALUE_ERROR)
    np.testing.assert_allclose(level, exact.level, rtol=0, atol=SLOPE_ERROR)
    # The derivative in theta, x = cos^2 theta; on a line it jumps at w = |A - B| where x is 0 or 1.
    turn = 2 * np.sqrt(x * (1 - x)) * (share - exact.share)
    np.testing.assert_allclose(turn, 0, rtol=0, atol=SLOPE_ERROR)


@pytest.mark.parametrize("dimensions", PAIRS)
def test_slopes_are_those_of_the_table(dimensions: tuple[int, int]) -> None:
    table = table_of(dimensions)
    w, x = (each[2000:] for each in places(dimensions))
    w, x, step = np.maximum(w, 1e-3), np.clip(x, 0.01, 0.99), 1e-6
    slopes = table.overshoot(w, x)[1:]
    for k, found in enumerate(slopes):
        shift = step * (k == 0), step * (k == 1)
        up, down = (
            table.overshoot(w + sign * shift[0], x + sign * shift[1])[0] for sign in (1, -1)
        )
        close = np.abs((up - down) / (2 * step) - found) < 3e-5
        # But where the two points lie in different cells, or beside a kink.
        assert close.mean() > 0.995


@pytest.mark.parametrize("dimensions", [(2, 3), (1, 7)])
def test_kernel_and_plain_reference_agree(dimensions: tuple[int, int]) -> None:
    table = table_of(dimensions)
    w, x = places(dimensions, 900)
    w = np.concatenate([w, [0.0, 0.3, 1e3, np.inf, 0.5, np.nan, 0.5]])
    x = np.concatenate([x, [0.5, 1.0, 0.5, 0.2, 0.0, 0.5, np.nan]])
    other = to_backend(table, Backend("cupy", array_api_strict, "another device"))
    strict = other.overshoot(array_api_strict.asarray(w), array_api_strict.asarray(x))
    for mine, plain, moved in zip(table.overshoot(w, x), table.plain(w, x), strict, strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-9, atol=1e-10)
        np.testing.assert_array_equal(to_host(moved), plain)
        assert np.isnan(plain[-2:]).all()


def test_on_the_ends_of_the_plane() -> None:
    """One part alone, and level 0, are those of the exact form; beyond the reach, T = 0."""
    dimensions = (4, 36)
    table = table_of(dimensions)
    w = np.array([0.0, 0.0, 1.0, 1.99, 2.01, 6.4, np.inf, 3.0])
    x = np.array([0.0, 1.0, 1.0, 1.0, 1.0, 0.1, 0.5, 0.0])
    exact = fast_overshoot(Projection(dimensions), w, x)
    value, level, _ = table.overshoot(w, x)
    np.testing.assert_allclose(value, exact.value, rtol=0, atol=VALUE_ERROR)
    np.testing.assert_allclose(level, exact.level, rtol=0, atol=SLOPE_ERROR)
    assert np.all(value[4:7] == 0)
    assert np.isnan(table.overshoot(np.array([np.nan]), np.array([0.5]))[0]).all()
