"""The mean overshoot: exact form against independent routes, and its table."""

import numpy as np
import pytest

from meanfield import overshoot_kernel
from meanfield.overshoot import Overshoot, Projection
from meanfield.overshoot_kernel import fast_overshoot
from meanfield.overshoot_plane import VALUE_ERROR as PLANE_ERROR
from meanfield.overshoot_table import (
    SLOPE_ERROR,
    VALUE_ERROR,
    ExactOvershoot,
    TabulatedOvershoot,
    tabulate_overshoot,
)

PAIRS = [(60, 260), (3, 9), (2, 10), (1, 7), (7, 1), (2, 2), (60, np.inf)]


def coordinate(generator: np.random.Generator, dimension: float, count: int) -> np.ndarray:
    """Draw V = sqrt(n) U by its Beta law."""
    if np.isinf(dimension):
        return generator.normal(size=count)
    signs = generator.choice([-1.0, 1.0], count)
    square = generator.beta(0.5, (dimension - 1) / 2, count) if dimension > 1 else np.ones(count)
    return signs * np.sqrt(dimension * square)


@pytest.mark.parametrize("dimensions", PAIRS)
def test_exact_form_against_monte_carlo(dimensions: tuple[float, float]) -> None:
    generator = np.random.default_rng(5)
    first, second = (coordinate(generator, n, 200_000) for n in dimensions)
    for x in (0.0, 0.04, 0.5, 0.97, 1.0):
        total = np.sqrt(x) * first + np.sqrt(1 - x) * second
        for w in (0.0, 0.7, 1.6):
            found = Projection(dimensions).overshoot(np.array(w), np.array(x))
            for exact, samples in (
                (found.value, np.maximum(total - w, 0)),
                (-found.level, (total > w) + 0.5 * (total == w)),
            ):
                error = samples.std() / np.sqrt(len(samples))
                assert abs(samples.mean() - exact) < 4.5 * error + 1e-12


@pytest.mark.parametrize("dimensions", [*PAIRS, (5,), (40,), (np.inf,)])
def test_derivatives_by_finite_differences(dimensions: tuple[float, ...]) -> None:
    projection = Projection(dimensions)
    w = np.array([0.02, 0.4, 1.1, 1.9])[:, None]
    x = np.array([0.003, 0.2, 0.61, 0.995])
    found, h = projection.overshoot(w, x), 1e-5
    up, down = projection.overshoot(w + h, x), projection.overshoot(w - h, x)
    np.testing.assert_allclose(found.level, (up.value - down.value) / (2 * h), atol=1e-6)
    smooth = np.abs(found.density - (up.level - down.level) / (2 * h)) < 1e-5
    # The density of low spheres is not smooth at their ends.
    assert smooth.mean() > 0.8
    if len(dimensions) == 2:
        h = 1e-4 * np.minimum(x, 1 - x)  # the scale on which T varies near the ends
        up, down = projection.overshoot(w, x + h), projection.overshoot(w, x - h)
        np.testing.assert_allclose(found.share, (up.value - down.value) / (2 * h), atol=1e-6)


def test_the_exact_form_is_smooth_where_the_spheres_change_roles() -> None:
    """Closing over one sphere or over the other gives the same, on both sides of x = 1/2."""
    w = np.linspace(0, 5, 40)[:, None]
    for dimensions in ((60, 260), (4, 30), (2, 3)):
        # The same variable with the spheres in the other order.
        turned = Projection(dimensions[::-1])
        x = 0.5 + np.array([-1e-9, 0.0, 1e-9, 1e-3])
        mine = Projection(dimensions).overshoot(w, x)
        other = turned.overshoot(w, 1 - x)
        np.testing.assert_allclose(mine.value, other.value, atol=2e-12)
        np.testing.assert_allclose(mine.level, other.level, atol=2e-12)
        np.testing.assert_allclose(mine.share, -other.share, atol=2e-12)
        assert np.max(np.abs(np.diff(mine.value[:, :3], axis=1))) < 1e-9


def test_two_equal_normal_parts_are_one() -> None:
    w = np.linspace(0, 6, 30)
    one = Projection((np.inf,)).overshoot(w, np.ones(30))
    both = Projection((np.inf, np.inf)).overshoot(w, np.full(30, 0.3))
    many = Projection((10**7, np.inf)).overshoot(w, np.full(30, 0.3))
    np.testing.assert_array_equal(one.value, both.value)
    np.testing.assert_allclose(one.value, many.value, atol=1e-8)


@pytest.mark.parametrize("dimensions", [(60, 260), (20, 80), (6,), (40,), (320,), (np.inf,)])
def test_table_keeps_its_bounds_off_the_grid(dimensions: tuple[float, ...]) -> None:
    table = tabulate_overshoot(dimensions)
    assert isinstance(table, TabulatedOvershoot)
    generator = np.random.default_rng(2)
    w = np.concatenate([generator.uniform(0, 9, 600), [0.0, 8.5, 1e3, np.inf]])
    x = np.concatenate([np.sin(generator.uniform(0, np.pi / 2, 600)) ** 2, [0.0, 1.0, 0.5, 1.0]])
    exact = Projection(dimensions).overshoot(w, x)
    for mine, theirs, bound in zip(
        table.overshoot(w, x), exact[:3], (VALUE_ERROR, SLOPE_ERROR, SLOPE_ERROR), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=bound)


@pytest.mark.parametrize(
    ("dimensions", "bound", "steep_bound"),
    # Of T and T_w, and of T_x and T_ww. On circles densities are infinite at their ends: there
    # the sums of either form err by up to 1e-10 and 8e-10, by a rule of 160 nodes.
    [((2, 10), 1e-11, 1e-9), ((3, 9), 1e-12, 1e-12), ((9, 31), 1e-12, 1e-12),
     ((60, 260), 1e-12, 1e-12), ((1, 7), 1e-11, 1e-11), ((7, 1), 1e-11, 1e-11),
     ((1, 2), 1e-11, 1e-11)],
)  # fmt: skip
def test_compiled_form(dimensions: tuple[int, int], bound: float, steep_bound: float) -> None:
    generator = np.random.default_rng(7)
    w = np.concatenate([generator.uniform(0, 6, 300), [0.0, 0.3, np.inf, 0.2]])
    x = np.concatenate([np.sin(generator.uniform(0, np.pi / 2, 300)) ** 2, [0.5, 0.5, 0.3, 0.0]])
    projection = Projection(dimensions)
    mine, theirs = fast_overshoot(projection, w, x), projection.overshoot(w, x)
    for name in ("value", "level", "share", "density"):
        atol = bound if name in ("value", "level") else steep_bound
        np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=0, atol=atol)


def test_compiled_form_beside_the_ends_of_a_part() -> None:
    """Where a root of a density lies just beyond the end of a part: a rule of 80 nodes, not 32.

    The sums may err by half of what the table in the plane of angles promises for T.
    """
    generator = np.random.default_rng(0)
    for dimensions in ((2, 4), (2, 3), (4, 2)):
        x = np.sin(np.pi / 2 * generator.uniform(0, 1, 300)) ** 2
        first, second = np.sqrt(dimensions[0] * x), np.sqrt(dimensions[1] * (1 - x))
        w = np.abs(
            np.abs(first - second)
            + generator.normal(size=300) * 10 ** generator.uniform(-7, -1, 300)
        )
        found = fast_overshoot(Projection(dimensions), w, x)
        finer = _with_nodes(80, dimensions, w, x)
        np.testing.assert_allclose(found.value, finer.value, rtol=0, atol=PLANE_ERROR / 2)
        np.testing.assert_allclose(found.level, finer.level, rtol=0, atol=PLANE_ERROR / 2)


def _with_nodes(count: int, dimensions: tuple[int, int], w: np.ndarray, x: np.ndarray) -> Overshoot:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overshoot_kernel, "_FEW", count)
        overshoot_kernel.compiled_sphere.cache_clear()
        found = fast_overshoot(Projection(dimensions), w, x)
    overshoot_kernel.compiled_sphere.cache_clear()
    return found


def test_low_spheres_are_left_exact() -> None:
    for dimensions in ((2,), (4,), (2, 2)):
        assert isinstance(tabulate_overshoot(dimensions), ExactOvershoot)


def test_bad_dimensions() -> None:
    for dimensions in ((1,), (1, 1), (0, 5), (2.5, 4), (3, 3, 3)):
        with pytest.raises(ValueError, match="one or two dimensions"):
            Projection(dimensions)
