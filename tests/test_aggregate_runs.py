"""Runs of unequal size are gathered by point, padded, and compared with their own limit."""

import numpy as np
import pytest
import xarray as xr

from aggregate_runs import by_point
from meanfield.comparison import DRAWS, compare, in_words, relative, worst_ratio
from meanfield.measure import gaussian_radii


def runs(neurons: int, atoms: int, seed: int) -> tuple[xr.Dataset, xr.Dataset]:
    measure, levels = gaussian_radii(6, 0.8, atoms)
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((2, 1, neurons, 6)) * 0.8 / np.sqrt(6)
    coords = {"time": [0.0], "invariant": ["r"]}
    sgd = xr.Dataset(
        {
            "omega": (
                ("seed", "time", "neuron", "invariant"),
                np.linalg.norm(weights, axis=-1)[..., np.newaxis],
            )
        },
        coords={**coords, "seed": np.array([1, 2], dtype=np.uint64)},
        attrs={"point": "of one run"},
    )
    dd = xr.Dataset(
        {
            "omega": (("time", "atom", "invariant"), measure.omega[np.newaxis]),
            "mass": ("atom", measure.mass),
            "level": ("atom", levels),
        },
        coords=coords,
    )
    return sgd, dd


def test_ragged_axes_are_padded() -> None:
    (narrow, few), (wide, many) = runs(40, 50, 0), runs(80, 70, 1)
    joined = by_point({"narrow": narrow, "wide": wide})
    assert joined.sizes["neuron"] == 80
    assert list(joined.point.values) == ["narrow", "wide"]
    assert int(np.isfinite(joined.omega.sel(point="narrow")).sum()) == 2 * 40
    np.testing.assert_array_equal(joined.omega.sel(point="wide"), wide.omega)
    assert joined.attrs == {}  # those of one point would be wrong for the others
    assert by_point({"narrow": few, "wide": many}).sizes["atom"] == 70


def test_independent_draws_are_as_far_as_the_floor() -> None:
    sgd, dd = runs(400, 200, 2)
    comparison = compare(sgd, dd, [0.0], np.random.default_rng(0)).sel(invariant="r")
    assert comparison.wasserstein_draws.sizes["draw"] == DRAWS
    floor = comparison.wasserstein_draws
    # Two draws of a law whose mean and spread the floor gives.
    deviation = float(comparison.wasserstein.mean() - floor.mean()) / float(floor.std())
    assert abs(deviation) < 3 / np.sqrt(2)
    assert np.all(comparison.kolmogorov > 0)


def test_every_invariant_and_the_absolute_offset_are_compared() -> None:
    rng = np.random.default_rng(4)
    names, size = ["a", "b", "r"], 300
    atoms = rng.normal(size=(1, 50, 3))
    masses = rng.random(50) / 25
    chosen = rng.choice(50, p=masses / masses.sum(), size=(2, size))
    coords = {"time": [0.0], "invariant": names}
    sgd = xr.Dataset(
        {"omega": (("seed", "time", "neuron", "invariant"), atoms[0, chosen][:, np.newaxis])},
        coords={**coords, "seed": [1, 2]},
    )
    dd = xr.Dataset(
        {"omega": (("time", "atom", "invariant"), atoms), "mass": ("atom", masses)}, coords=coords
    )
    found = compare(sgd, dd, [0.0], np.random.default_rng(1))
    assert list(found.invariant.values) == [*names, "|b|"]
    exact = np.average(np.abs(atoms[0, :, 1]), weights=masses)
    assert float(found.dd_mean.sel(invariant="|b|", time=0.0)) == pytest.approx(exact)
    np.testing.assert_allclose(
        found.sgd_mean.sel(invariant="a", time=0.0), atoms[0, chosen, 0].mean(axis=1)
    )
    # Independent draws are as far as independent draws, in every coordinate.
    floor = found.wasserstein_draws
    deviation = (found.wasserstein.mean("seed") - floor.mean("draw")) / floor.std("draw")
    assert float(abs(deviation).max()) < 4 / np.sqrt(2)


def test_distances_to_a_law_that_is_almost_a_point_are_not_divided_by_its_draws() -> None:
    sgd, dd = runs(400, 200, 3)
    dd["risk"] = ("time", [1.0])
    for name in ("risk", "reduced_risk", "fluctuation"):
        sgd[name] = (("seed", "time"), np.full((2, 1), 0.75))
    spread = compare(sgd, dd, [0.0], np.random.default_rng(0))
    expected = spread.wasserstein.mean() / spread.wasserstein_draws.mean()
    assert float(relative(spread).mean()) == pytest.approx(float(expected))
    lines = list(in_words(sgd, dd, spread))
    assert "relative to independent draws" in lines[0]
    assert lines[1].endswith("risk over the path: mean of the seeds 0.5000, largest 0.5000")
    assert worst_ratio(spread) == 0  # at chance, however small the draws' own distance
    dd["omega"] = 5 + 1e-7 * dd.omega
    point = compare(sgd, dd, [0.0], np.random.default_rng(0))
    assert relative(point).isnull().all()
    assert "almost a point: mean 4.2" in next(in_words(sgd, dd, point))
