"""Gather the runs of an experiment into one file, and measure how far SGD is from its limit.

In: every run_sgd, solve_dd and minimize_risk result of the experiment; the table of its points.
Out: NetCDF tree with groups /sgd, /dd, /statics (the results, by point) and /comparison (distances
between the first two at the snapshots for every invariant, the same distances for independent draws
from the limit, and the means of both at all times). A group holds the points that have what it
shows, and is absent if none has. Its attribute `assumptions` says which assumptions of the theorems
hold.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from meanfield.assumptions import assumptions
from meanfield.assumptions import in_words as assumptions_in_words
from meanfield.comparison import compare, in_words, worst_ratio
from meanfield.digests import digest_of
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read, write
from meanfield.summaries import ASSUMPTIONS

GROUPS = {"run_sgd": "sgd", "solve_dd": "dd", "minimize_risk": "statics"}
"""Group of the aggregate that holds the results of each stage."""

PARAMETERS = ("theta", "theta_path")
"""What stays in the runs' own files: it is most of them, and no figure of the measure needs it."""

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
    runs = {
        stage: {Path(path).stem: read(path, without=PARAMETERS) for path in files[stage]}
        for stage in files
    }
    # Group -> point -> data set; a group holds the points that have one.
    groups: dict[str, dict[str, xr.Dataset]] = {
        group: {} for group in (*GROUPS.values(), "comparison")
    }
    for row in settings["points"]:
        point, names = row["point"], row["runs"]
        for stage, name in names.items():
            groups[GROUPS[stage]][point] = _collected(runs[stage][name])
        if "run_sgd" in names and "solve_dd" in names:
            sgd, dd = groups["sgd"][point], groups["dd"][point]
            generator = np.random.default_rng(int(digest_of(origin.experiment, point), 16))
            groups["comparison"][point] = compare(sgd, dd, row["snapshots"], generator)
            report(point, sgd, dd, groups["comparison"][point])
    tree = xr.DataTree.from_dict(
        {f"/{group}": by_point(datasets) for group, datasets in groups.items() if datasets}
    )
    words = assumptions_in_words(
        {row["point"]: assumptions(_merged(row["settings"])) for row in settings["points"]}
    )
    tree.attrs[ASSUMPTIONS] = words
    LOG.info("assumptions of the theorems: %s", words)
    write(tree, aggregate, title="Runs by point, and SGD's distance to its limit", origin=origin,
          backend="numpy")  # fmt: skip
    LOG.info("gathered %d point(s) into %s", len(settings["points"]), aggregate)


def _merged(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings of a point that any of its stages reads."""
    return {key: value for stage in settings.values() for key, value in stage.items()}


def _collected(run: xr.Dataset) -> xr.Dataset:
    """Return a run without potentials at a list of Delta, which all points would repeat."""
    return run.drop_vars(
        [name for name in run.data_vars if {"delta", "radius"} <= set(run[name].dims)]
    )


def report(point: str, sgd: xr.Dataset, dd: xr.Dataset, comparison: xr.Dataset) -> None:
    """Log how far SGD is from its limit."""
    for line in in_words(sgd, dd, comparison):
        LOG.info("%s: %s", point, line)
    if (worst := worst_ratio(comparison)) > FAR:
        LOG.warning(
            "%s: SGD is far from its limit, at W1 distances up to %.0f times those of independent "
            "draws; a smaller sgd.step_size brings it closer",
            point,
            worst,
        )


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
