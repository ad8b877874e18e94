"""Draw Figure 2: the risk that SGD reaches, the least there is, and the minimiser's support.

In: an experiment's aggregate.
Out: the figure in every format asked for, the plotted data as CSV, and the figure in words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from meanfield.figures import (
    PAGE_WIDTH,
    letter,
    save_drawing,
    use_style,
)
from meanfield.minima_data import minimum_data, reached_data
from meanfield.minima_figure import describe, draw_parts, draw_risks, draw_support
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read_tree
from meanfield.summaries import assumed


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
    minimum = minimum_data(tree, points)
    reached = reached_data(tree, points, minimum)

    use_style()
    figure = plt.figure(figsize=(PAGE_WIDTH, 4.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1.15, 1], height_ratios=[1.15, 1])
    left = figure.add_subplot(grid[:, 0])
    right = [figure.add_subplot(grid[row, 1]) for row in range(2)]
    draw_risks(left, minimum, reached)
    draw_parts(right[0], reached)
    right[0].set_xlim(left.get_xlim())
    draw_support(right[1], minimum, settings["figure"]["largest_radius"])
    for axes, name in zip((left, *right), "abc", strict=True):
        letter(axes, name)

    words = describe(settings["title"], minimum, reached, tree["sgd"].sizes["seed"])
    words += f" {assumed(tree)}"
    save_drawing(
        figure,
        pd.concat([minimum, reached]),
        words,
        pictures=pictures,
        table=table,
        alt_text=alt_text,
        digest=origin.digest,
    )
    LOG.info("drew %s", ", ".join(map(str, pictures)))


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
