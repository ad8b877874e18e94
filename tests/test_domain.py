"""Domains: coordinates there and back, infinity as one point, and searches on known functions."""

import numpy as np
import pytest

from meanfield.domain import Axis, Domain, make_domain

PLANE = make_domain(("r1", "r2"), points=21)
BOX = make_domain(("a", "b", "r1"), {"a": (-2, 3), "b": (-1, 1), "r1": (0.5, 4)}, 9)


@pytest.mark.parametrize("domain", [make_domain(("r",), scale=3.0), PLANE, BOX])
def test_coordinates_there_and_back(domain: Domain) -> None:
    u = np.random.default_rng(0).uniform(size=(30, len(domain.axes)))
    np.testing.assert_allclose(domain.coordinates(domain.omega(u)), u, rtol=0, atol=1e-13)


def test_stretch_is_the_derivative() -> None:
    for domain in (PLANE, BOX):
        u = np.random.default_rng(1).uniform(0.1, 0.8, size=(9, len(domain.axes)))
        numerical = (domain.omega(u + 1e-6) - domain.omega(u - 1e-6)) / 2e-6
        np.testing.assert_allclose(domain.stretch(u), numerical, rtol=1e-7)


def test_infinity_is_one_point() -> None:
    u = np.array([[1.0, 0.2], [0.3, 1.0], [1.0, 1.0], [0.5, 0.5]])
    omega = PLANE.omega(u)
    assert np.all(np.isinf(omega[:3]))
    assert np.all(np.isfinite(omega[3]))
    np.testing.assert_array_equal(PLANE.normalized(u)[:3], 1.0)
    np.testing.assert_array_equal(PLANE.coordinates(omega)[:3], 1.0)
    np.testing.assert_array_equal(PLANE.stretch(u)[:3], 0.0)


def test_only_the_ends_of_an_output_weight_are_on_the_grid() -> None:
    grid = BOX.omega(BOX.grid())
    assert grid.shape == (2 * 9 * 9, 3)
    assert set(grid[:, 0]) == {-2.0, 3.0}
    assert (grid[:, 1].min(), grid[:, 1].max()) == (-1.0, 1.0)
    assert (grid[:, 2].min(), grid[:, 2].max()) == (0.5, 4.0)


def test_searches_find_minima_between_grid_points() -> None:
    places = np.array([[0.313, 0.777], [0.71, 0.234]])

    def wells(u: np.ndarray) -> np.ndarray:
        distances = np.sum((u[:, np.newaxis] - places) ** 2, axis=-1)
        return -np.exp(-100 * distances) @ np.array([1.0, 2.0])

    start = PLANE.local_minima(wells(PLANE.grid()), 1e-15, 10)
    u, _ = PLANE.descend(wells, start)
    for place in places:
        assert np.min(np.max(np.abs(u - place), axis=1)) < 1e-6
    assert PLANE.infinite(u).sum() == 1  # infinity is always looked at


def test_a_flat_part_counts_once_and_hides_nothing() -> None:
    domain = make_domain(("r",), points=401)
    noise = 1e-16 * np.random.default_rng(0).normal(size=401)

    def flat_then_well(u: np.ndarray) -> np.ndarray:
        return -np.maximum(u[:, 0] - 0.5, 0) * np.maximum(0.9 - u[:, 0], 0)

    values = np.maximum(flat_then_well(domain.grid()), -0.01) + noise
    start = domain.local_minima(values, 1e-15, 10)
    # The flat part below 0.5, the flat bottom of the well, the one beyond 0.9, and infinity.
    assert len(start) == 4
    assert np.sum((start > 0.5) & (start < 0.9)) == 1


def test_a_descent_leaves_its_cell_along_a_slope() -> None:
    u, values = PLANE.descend(lambda u: u[:, 0] - u[:, 1] / 2, np.array([[0.5, 0.5]]))
    assert PLANE.infinite(u)[0] or u[0, 0] < 1e-7
    assert values[0] <= -0.25


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_domain(("a", "b", "r1"), {"a": (-1, 1)}), "over unbounded b"),
        (lambda: make_domain(("r",), {"q": (0, 1)}), "bounds \\['q'\\]"),
        (lambda: make_domain(("r",), {"r": (2, 1)}), "expected low < high"),
        (lambda: make_domain(("r",), points=2), "at least 3 points"),
        (lambda: make_domain(("a", "r"), {"a": (-1, 0)}), "up to > 0"),
        (lambda: Domain(tuple(Axis(f"r{i}", 0, 1) for i in range(4)), 3), "1 to 3 coordinates"),
    ],
)
def test_errors(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
