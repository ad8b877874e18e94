"""Gather the runs of an experiment into one file, and measure how far SGD is from its limit.

In: every run_sgd, solve_dd and minimize_risk result of the experiment; the table of its points.
Out: NetCDF tree with groups /sgd, /dd, /statics (the results, by point) and /comparison (distances
between the first two at the snapshots, and the same distances for independent draws from the
limit). Each holds the points that asked for it, and is absent without one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from meanfield.digests import digest_of
from meanfield.metrics import Distances, Quantiles, distances, iid_floor
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read, write

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
            report(point, groups["comparison"][point])
    tree = xr.DataTree.from_dict(
        {f"/{group}": by_point(datasets) for group, datasets in groups.items() if datasets}
    )
    write(tree, aggregate, title="Runs by point, and SGD's distance to its limit", origin=origin,
          backend="numpy")  # fmt: skip
    LOG.info("gathered %d point(s) into %s", len(settings["points"]), aggregate)


def compare(
    sgd: xr.Dataset, dd: xr.Dataset, snapshots: Sequence[float], generator: np.random.Generator
) -> xr.Dataset:
    """Return the distances of SGD's radii to the law of DD at each snapshot.

    Beside them, as a floor, those of `DRAWS` sets of as many independent draws from that law.
    """
    radii = sgd.omega.sel(invariant="r", time=list(snapshots)).transpose("time", "seed", "neuron")
    measured, drawn = [], []
    for time in snapshots:
        limit = Quantiles(dd.level.values, dd.omega.sel(invariant="r", time=time).values)
        measured.append(distances(radii.sel(time=time).values, limit))
        drawn.append(iid_floor(limit, radii.sizes["neuron"], generator, sets=DRAWS))
    return xr.Dataset(
        _table("", "seed", measured) | _table("_draws", "draw", drawn),
        coords={"seed": sgd.seed, "snapshot": np.asarray(snapshots, dtype=float)},
    )


def report(point: str, comparison: xr.Dataset) -> None:
    """Log the W1 distances of SGD, each divided by the mean of those of independent draws."""
    ratio = comparison.wasserstein / comparison.wasserstein_draws.mean("draw")
    for snapshot in ratio.snapshot.values:
        seeds = ratio.sel(snapshot=snapshot)
        LOG.info(
            "%s: t = %g: W1 to the limit, relative to independent draws: mean %.2f, largest %.2f",
            point,
            snapshot,
            seeds.mean(),
            seeds.max(),
        )
    if (worst := float(ratio.mean("seed").max())) > FAR:
        LOG.warning(
            "%s: SGD is far from its limit, at W1 distances up to %.0f times those of independent "
            "draws; a smaller sgd.step_size brings it closer",
            point,
            worst,
        )


def _table(suffix: str, dimension: str, rows: Sequence[Distances]) -> dict[str, Any]:
    return {
        f"{name}{suffix}": (("snapshot", dimension), np.stack([getattr(row, name) for row in rows]))
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
