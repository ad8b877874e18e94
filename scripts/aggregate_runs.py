"""Gather the runs of an experiment into one file, and measure how far SGD is from its limit.

In: every run_sgd and solve_dd result of the experiment; the table of its points.
Out: NetCDF tree with groups /sgd, /dd (the runs, by point) and /comparison (distances between
the two at the snapshots, and the same distances for independent draws from the limit). The latter
two hold the points whose limit was asked for, and are absent without one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from meanfield.metrics import Distances, Quantiles, distances, iid_floor
from meanfield.provenance import digest_of
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read, write

DRAWS = 200
"""Sets of independent draws from the limit with which the distances of SGD are compared."""


def main(
    *,
    settings: Mapping[str, Any],
    origin: Origin,
    run_sgd: Sequence[str | Path],
    solve_dd: Sequence[str | Path],
    aggregate: str | Path,
) -> None:
    """Collect the runs by point and compare them."""
    runs = {
        "run_sgd": {Path(path).stem: read(path) for path in run_sgd},
        "solve_dd": {Path(path).stem: read(path) for path in solve_dd},
    }
    points = settings["points"]
    # The weights at the end stay in the run's own file: they are most of it, and no figure of the
    # measure needs them.
    sgd = [runs["run_sgd"][row["run_sgd"]].drop_vars("theta") for row in points]
    groups = {"/sgd": by_point(sgd, points)}
    limited = [(row, run) for row, run in zip(points, sgd, strict=True) if row["solve_dd"]]
    if limited:
        rows = [row for row, _ in limited]
        dd = [runs["solve_dd"][row["solve_dd"]] for row in rows]
        comparison = []
        for (row, run), limit in zip(limited, dd, strict=True):
            seed = int(digest_of(origin.experiment, row["point"]), 16)
            generator = np.random.default_rng(seed)
            comparison.append(compare(run, limit, row["snapshots"], generator))
            report(row["point"], comparison[-1])
        groups |= {"/dd": by_point(dd, rows), "/comparison": by_point(comparison, rows)}
    tree = xr.DataTree.from_dict(groups)
    write(tree, aggregate, title="Runs by point, and SGD's distance to its limit", origin=origin,
          backend="numpy")  # fmt: skip
    LOG.info("gathered %d point(s) into %s", len(points), aggregate)


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


def _table(suffix: str, dimension: str, rows: Sequence[Distances]) -> dict[str, Any]:
    return {
        f"{name}{suffix}": (("snapshot", dimension), np.stack([getattr(row, name) for row in rows]))
        for name in Distances._fields
    }


def by_point(datasets: Sequence[xr.Dataset], points: Sequence[Mapping[str, Any]]) -> xr.Dataset:
    """Return data sets joined along a dimension ``point``; ragged axes are padded with NaN."""
    names = xr.IndexVariable("point", [row["point"] for row in points])
    return xr.concat(datasets, dim=names, data_vars="all", coords="minimal", compat="equals",
                     join="outer")  # fmt: skip


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
