"""How far SGD's neurons are from the law of its limit: distances of marginals, and of means."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from meanfield.marginals import Atoms, atom_distances, atom_floor
from meanfield.metrics import Distances, Quantiles, distances, iid_floor
from meanfield.summaries import network_risk, with_absolute_offset

DRAWS = 200
"""Sets of independent draws from the limit with which the distances of SGD are compared."""

POINT = 1e-4
"""Distance of independent draws, as a share of the mean, below which a law counts as a point."""

NEAR = 0.05
"""Distance, as a share of the mean, up to which SGD is near its limit whatever draws would do."""


def compare(
    sgd: xr.Dataset, dd: xr.Dataset, snapshots: Sequence[float], generator: np.random.Generator
) -> xr.Dataset:
    """Return how far SGD's neurons are from the law of DD, for each invariant and, where b is, |b|.

    At each snapshot the distances of the empirical to the limiting marginal; beside them, as a
    floor, those of `DRAWS` sets of as many independent draws from that marginal. At every time the
    means over the neurons and over the limit.
    """
    neurons, atoms = with_absolute_offset(sgd.omega), with_absolute_offset(dd.omega)
    names = list(neurons.invariant.values)
    measured: dict[str, list[Distances]] = {name: [] for name in names}
    drawn: dict[str, list[Distances]] = {name: [] for name in names}
    for time in snapshots:
        for name in names:
            values = neurons.sel(invariant=name, time=time).transpose("seed", "neuron").values
            found, floor = _distances(
                values, dd, atoms.sel(invariant=name, time=time).values, generator
            )
            measured[name].append(found)
            drawn[name].append(floor)
    means = {"sgd_mean": neurons.mean("neuron"), "dd_mean": atoms.weighted(dd.mass).mean("atom")}
    return xr.Dataset(
        _table("", "seed", measured)
        | _table("_draws", "draw", drawn)
        | {name: values.drop_vars("invariant") for name, values in means.items()},
        coords={
            "seed": sgd.seed,
            "snapshot": np.asarray(snapshots, dtype=float),
            "time": sgd.time,
            "invariant": names,
        },
    )


def _distances(
    values: np.ndarray, dd: xr.Dataset, atoms: np.ndarray, generator: np.random.Generator
) -> tuple[Distances, Distances]:
    """Return the distances of neurons (seed, neuron) to one marginal of DD, and those of draws."""
    count = values.shape[-1]
    if "level" in dd:  # one radius, which the flow keeps in order: its law is known between atoms
        limit = Quantiles(dd.level.values, atoms)
        return distances(values, limit), iid_floor(limit, count, generator, sets=DRAWS)
    steps = Atoms(atoms, dd.mass.values)
    return atom_distances(values, steps), atom_floor(steps, count, generator, sets=DRAWS)


def _table(suffix: str, dimension: str, rows: Mapping[str, Sequence[Distances]]) -> dict[str, Any]:
    return {
        f"{name}{suffix}": (
            ("invariant", "snapshot", dimension),
            np.stack([[getattr(row, name) for row in each] for each in rows.values()]),
        )
        for name in Distances._fields
    }


def relative(comparison: xr.Dataset) -> xr.DataArray:
    """Return the W1 distances of SGD by the mean of those of independent draws.

    NaN where the limit is almost a point: draws from it are no measure of a distance.
    """
    floor = comparison.wasserstein_draws.mean("draw")
    return (comparison.wasserstein / floor).where(floor > POINT * _size(comparison))


def worst_ratio(comparison: xr.Dataset) -> float:
    """Return the largest relative W1 distance, mean of the seeds, of those that are not small."""
    far = comparison.wasserstein.mean("seed") > NEAR * _size(comparison)
    return float(relative(comparison).mean("seed").where(far, 0.0).max())


def _size(comparison: xr.Dataset) -> xr.DataArray:
    return abs(comparison.dd_mean).sel(time=comparison.snapshot).drop_vars("time")


def in_words(sgd: xr.Dataset, dd: xr.Dataset, comparison: xr.Dataset) -> Iterator[str]:
    """Yield a line for the W1 distance of every invariant at every snapshot, and for every mean."""
    ratio = relative(comparison)
    for name in comparison.invariant.values:
        for snapshot in ratio.snapshot.values:
            seeds = ratio.sel(snapshot=snapshot, invariant=name)
            words = "to the limit, relative to independent draws"
            if seeds.isnull().all():
                seeds = comparison.wasserstein.sel(snapshot=snapshot, invariant=name)
                words = "to the limit, which is almost a point"
            yield (
                f"t = {snapshot:g}: W1 of {name} {words}: mean {seeds.mean():.2f}, "
                f"largest {seeds.max():.2f}"
            )
    gaps = {"risk": abs(network_risk(sgd) - dd.risk).max("time")}
    for name in comparison.invariant.values:
        means = comparison.sel(invariant=name)
        gaps[f"mean of {name}"] = abs(means.sgd_mean - means.dd_mean).max("time")
    for what, gap in gaps.items():
        yield (
            f"largest difference of the {what} over the path: mean of the seeds {gap.mean():.4f}, "
            f"largest {gap.max():.4f}"
        )
