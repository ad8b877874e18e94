"""Draw Figure 4: from two starts to two limits, and the potential at the end of each.

In: an experiment's aggregate.
Out: the figure in every format asked for, the plotted data as CSV, and the figure in words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from meanfield.figures import (
    PAGE_WIDTH,
    letter,
    save_drawing,
    use_style,
)
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read_tree
from meanfield.summaries import assumed
from meanfield.sweep_curves import curve_data, legend_handles, styles_of
from meanfield.trap_figure import SCALE, describe, draw_paths, draw_potentials, potential_data


def main(
    *,
    settings: Mapping[str, Any],
    origin: Origin,
    aggregate: str | Path,
    pictures: Sequence[str | Path],
    table: str | Path,
    alt_text: str | Path,
) -> None:
    """Draw the figure of the whole sweep and write it with its data and its description."""
    tree, points = read_tree(aggregate), settings["points"]
    curves = curve_data(tree, points)
    potentials = potential_data(tree, points, settings["figure"]["largest_radius"])
    seeds = tree["sgd"].sizes["seed"]

    use_style()
    figure = plt.figure(figsize=(PAGE_WIDTH, 4.0), layout="constrained")
    starts = potentials[SCALE].nunique()
    grid = figure.add_gridspec(starts, 2, width_ratios=[1.5, 1])
    left = figure.add_subplot(grid[:, 0])
    right = [figure.add_subplot(grid[row, 1]) for row in range(starts)]
    styles = styles_of(curves)
    draw_paths(left, curves, styles)
    draw_potentials(right, potentials)
    for axes, name in zip((left, *right), ascii_lowercase, strict=False):
        letter(axes, name)
    handles = legend_handles(styles, seeds)
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))

    words = describe(settings["title"], curves, potentials, seeds)
    words += f" {assumed(tree)}"
    save_drawing(
        figure,
        pd.concat([curves, potentials]),
        words,
        pictures=pictures,
        table=table,
        alt_text=alt_text,
        digest=origin.digest,
    )
    LOG.info("drew %s", ", ".join(map(str, pictures)))


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
