"""Draw Figure 3: risk and means of the neurons' invariants on log t, SGD against its limit.

In: an experiment's aggregate.
Out: the figure in every format asked for, the plotted data as CSV, and the figure in words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.layout_engine import ConstrainedLayoutEngine

from meanfield.figures import PAGE_WIDTH, save_drawing, use_style
from meanfield.path_figure import describe, draw_paths, panels_of
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read_tree
from meanfield.summaries import assumed
from meanfield.sweep_curves import curve_data, legend_handles, styles_of


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
    tree = read_tree(aggregate)
    curves = curve_data(tree, settings["points"])
    seeds = tree["sgd"].sizes["seed"]

    use_style()
    count = len(panels_of(curves))
    rows = -(-count // 3)
    figure = plt.figure(
        figsize=(PAGE_WIDTH, 0.5 + 2.0 * rows), layout=ConstrainedLayoutEngine(wspace=0.06)
    )
    panels = figure.subplots(rows, min(3, count), squeeze=False)
    styles = styles_of(curves)
    draw_paths(list(panels.flat), curves, styles)
    for axes in panels.flat[count:]:
        axes.set_axis_off()
    handles = legend_handles(styles, seeds)
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))

    words = describe(settings["title"], curves, seeds)
    words += f" {assumed(tree)}"
    save_drawing(
        figure,
        curves,
        words,
        pictures=pictures,
        table=table,
        alt_text=alt_text,
        digest=origin.digest,
    )
    LOG.info("drew %s", ", ".join(map(str, pictures)))


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
