"""Gather the runs of an experiment into one file, and measure how far SGD is from its limit.

In: every run_sgd, solve_dd and minimize_risk result of the experiment; the table of its points.
Out: NetCDF tree with groups /sgd, /dd, /statics (the results, by point) and /comparison (distances
between the first two at the snapshots for every invariant, the same distances for independent draws
from the limit, and the means of both at all times). A group holds the points that have what it
shows, and is absent if none has.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from meanfield.digests import digest_of
from meanfield.marginals import Atoms, atom_distances, atom_floor
from meanfield.metrics import Distances, Quantiles, distances, iid_floor
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read, write
from meanfield.summaries import network_risk, with_absolute_offset

GROUPS = {"run_sgd": "sgd", "solve_dd": "dd", "minimize_risk": "statics"}
"""Group of the aggregate that holds the results of each stage."""

DRAWS = 200
"""Sets of independent draws from the limit with which the distances of SGD are compared."""

FAR = 10
"""Ratio of W1 distances from which on SGD is said to be far from its limit."""


def main(
    *,
    settings: Mapping[str, Any],
    origin: Origin,
    run_sgd: Sequence[str | Path],
    solve_dd: Sequence[str | Path],
    minimize_risk: Sequence[str | Path],
    aggregate: str | Path,
) -> None:
    """Collect the runs by point and compare them."""
    files = {"run_sgd": run_sgd, "solve_dd": solve_dd, "minimize_risk": minimize_risk}
    runs = {stage: {Path(path).stem: read(path) for path in files[stage]} for stage in files}
    # Group -> point -> data set; a group holds the points that have one.
    groups: dict[str, dict[str, xr.Dataset]] = {
        group: {} for group in (*GROUPS.values(), "comparison")
    }
    for row in settings["points"]:
        point, names = row["point"], row["runs"]
        for stage, name in names.items():
            # Parameters stay in the run's own file: they are most of it, and no figure of the
            # measure needs them.
            kept = runs[stage][name].drop_vars(["theta", "theta_path"], errors="ignore")
            groups[GROUPS[stage]][point] = kept
        if "run_sgd" in names and "solve_dd" in names:
            sgd, dd = groups["sgd"][point], groups["dd"][point]
            generator = np.random.default_rng(int(digest_of(origin.experiment, point), 16))
            groups["comparison"][point] = compare(sgd, dd, row["snapshots"], generator)
            report(point, sgd, dd, groups["comparison"][point])
    tree = xr.DataTree.from_dict(
        {f"/{group}": by_point(datasets) for group, datasets in groups.items() if datasets}
    )
    write(tree, aggregate, title="Runs by point, and SGD's distance to its limit", origin=origin,
          backend="numpy")  # fmt: skip
    LOG.info("gathered %d point(s) into %s", len(settings["points"]), aggregate)


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


def report(point: str, sgd: xr.Dataset, dd: xr.Dataset, comparison: xr.Dataset) -> None:
    """Log the W1 distances of SGD, each divided by the mean of those of independent draws.

    And the largest differences over the whole path, of the risk and of the means.
    """
    floor = comparison.wasserstein_draws.mean("draw")
    # No draw is away from a point mass, as that of a = 1 at the start.
    ratio = (comparison.wasserstein / floor).where(floor > 1e-12)
    for name in comparison.invariant.values:
        for snapshot in ratio.snapshot.values:
            seeds = ratio.sel(snapshot=snapshot, invariant=name)
            if seeds.isnull().all():
                continue
            LOG.info(
                "%s: t = %g: W1 of %s to the limit, relative to independent draws: mean %.2f, "
                "largest %.2f",
                point,
                snapshot,
                name,
                seeds.mean(),
                seeds.max(),
            )
    gaps = {"the risk": abs(network_risk(sgd) - dd.risk).max("time")}
    for name in comparison.invariant.values:
        means = comparison.sel(invariant=name)
        gaps[f"the mean of {name}"] = abs(means.sgd_mean - means.dd_mean).max("time")
    for what, gap in gaps.items():
        LOG.info("%s: largest difference of %s over the path: mean %.4f of the seeds, largest %.4f",
                 point, what, gap.mean(), gap.max())  # fmt: skip
    if (worst := float(ratio.mean("seed").max())) > FAR:
        LOG.warning(
            "%s: SGD is far from its limit, at W1 distances up to %.0f times those of independent "
            "draws; a smaller sgd.step_size brings it closer",
            point,
            worst,
        )


def _table(suffix: str, dimension: str, rows: Mapping[str, Sequence[Distances]]) -> dict[str, Any]:
    return {
        f"{name}{suffix}": (
            ("invariant", "snapshot", dimension),
            np.stack([[getattr(row, name) for row in each] for each in rows.values()]),
        )
        for name in Distances._fields
    }


def by_point(datasets: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Return data sets joined along a dimension ``point``; ragged axes are padded with NaN."""
    names = xr.IndexVariable("point", list(datasets))
    # Only dimensions with coordinates are padded: give one to those that merely count.
    counted = [
        dataset.assign_coords(
            {name: np.arange(size) for name, size in dataset.sizes.items() if name not in dataset}
        )
        for dataset in datasets.values()
    ]
    return xr.concat(
        counted,
        dim=names,
        data_vars="all",
        coords="minimal",
        compat="equals",
        join="outer",
        combine_attrs="drop",  # each run's settings are in those of the whole
    )


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
