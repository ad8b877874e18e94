"""Draw Figure 1: the law of |w| under SGD and its limit, and the risk of both against time.

In: an experiment's aggregate.
Out: the figure in every format asked for, the plotted data as CSV, and the figure in words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from meanfield.figures import PAGE_WIDTH, save_drawing, use_style
from meanfield.radial_figure import describe, draw_radii, draw_risks, radial_data, risk_data
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read_tree
from meanfield.summaries import assumed, groups_of, swept_words


def main(
    *,
    settings: Mapping[str, Any],
    origin: Origin,
    aggregate: str | Path,
    pictures: Sequence[str | Path],
    table: str | Path,
    alt_text: str | Path,
) -> None:
    """Draw the figure of one point and write it with its data and its description."""
    tree = read_tree(aggregate)
    selected = groups_of(tree, settings["point"])
    histograms, curves = radial_data(selected, settings["figure"]), risk_data(selected)
    point = swept_words(settings["swept"])

    use_style()
    figure = plt.figure(figsize=(PAGE_WIDTH, 5.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.25, 1])[:, 0]
    draw_radii(upper, histograms)
    draw_risks(lower, curves, selected["sgd"].sizes["seed"])

    if point:
        figure.suptitle(point, size=8)

    title = f"{settings['title']} ({point})" if point else settings["title"]
    words = describe(title, histograms, curves, selected)
    words += f" {assumed(tree)}"
    save_drawing(
        figure,
        pd.concat([histograms, curves]),
        words,
        pictures=pictures,
        table=table,
        alt_text=alt_text,
        digest=origin.digest,
    )
    LOG.info("drew %s", ", ".join(map(str, pictures)))


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
