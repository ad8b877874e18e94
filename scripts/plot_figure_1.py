"""Draw Figure 1: the law of |w| under SGD and its limit, and the risk of both against time.

In: an experiment's aggregate.
Out: the figure in every format asked for, the plotted data as CSV, and the figure in words.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr

from meanfield.figures import (
    DASHES,
    PAGE_WIDTH,
    PALETTE,
    letter,
    save_alt_text,
    save_figure,
    save_table,
    use_style,
)
from meanfield.stage import LOG, run_stage
from meanfield.store import Origin, read_tree

SHRUNK = 0.25
"""Radius below which the activation of Figure 1 is flat on nearly all data: such neurons stay."""


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
    selected = {
        name: group.to_dataset().sel(point=settings["point"])
        for name, group in tree.children.items()
    }
    histograms, curves = radial_data(selected, settings["figure"]), risk_data(selected)

    use_style()
    figure = plt.figure(figsize=(PAGE_WIDTH, 5.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.25, 1])[:, 0]
    draw_radii(upper.subplots(2, 3), histograms)
    draw_risks(lower.subplots(1, 2), curves)

    words = describe(settings["title"], histograms, curves, selected)
    save_figure(figure, pictures, digest=origin.digest, alt_text=words)
    save_table(pd.concat([histograms, curves]), table, digest=origin.digest)
    save_alt_text(words, alt_text, digest=origin.digest)
    LOG.info("drew %s", ", ".join(map(str, pictures)))


def radial_data(selected: Mapping[str, xr.Dataset], figure: Mapping[str, Any]) -> pd.DataFrame:
    """Return histograms of SGD's radii over all seeds, and DD's density, as a long table.

    Rows of the series "SGD, shrunk" and "DD, shrunk" give the mass (y) below `SHRUNK` (x).
    """
    sgd, dd = selected["sgd"], selected["dd"]
    tables = []
    for time in figure["histogram_times"]:
        radii = sgd.omega.sel(time=time, invariant="r").values
        radii = radii[np.isfinite(radii)]
        height, edges = np.histogram(radii, bins=figure["bins"], density=True)
        bars = {"x": 0.5 * (edges[1:] + edges[:-1]), "y": height}
        bars |= {"low": edges[:-1], "high": edges[1:]}
        density = dd.density.sel(time=time).dropna("radius")
        atoms = dd.omega.sel(time=time, invariant="r")
        series = {
            "SGD": bars,
            "DD": {"x": density.radius.values, "y": density.values},
            "SGD, shrunk": {"x": [SHRUNK], "y": [np.mean(radii < SHRUNK)]},
            "DD, shrunk": {"x": [SHRUNK], "y": [float(dd.mass.where(atoms < SHRUNK).sum())]},
        }
        tables += [
            pd.DataFrame({"panel": "a", "series": name, "t": time, **columns})
            for name, columns in series.items()
        ]
    return pd.concat(tables, ignore_index=True)


def risk_data(selected: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Return the risks, and what width adds to SGD's, as a long table."""
    sgd, dd = selected["sgd"], selected["dd"]
    neurons = int(np.isfinite(sgd.omega.isel(seed=0, time=0, invariant=0)).sum())
    total = sgd.reduced_risk + sgd.fluctuation
    series = {
        ("b", "SGD"): total,
        ("b", "DD"): dd.risk,
        ("c", "SGD - DD"): total - dd.risk,
        ("c", "SGD, fluctuation"): sgd.fluctuation,
        ("c", "independent draws"): dd.fluctuation_coefficient / neurons,
    }
    tables = []
    for (panel, name), values in series.items():
        over_seeds = "seed" in values.dims
        frame = {"panel": panel, "series": name, "t": values.time.values, "x": values.time.values}
        frame["y"] = (values.mean("seed") if over_seeds else values).values
        if over_seeds and panel == "b":
            frame |= {"low": values.min("seed").values, "high": values.max("seed").values}
        elif over_seeds:  # small differences: how well their mean is known is what matters
            error = values.std("seed", ddof=1) / np.sqrt(values.sizes["seed"])
            frame |= {"low": frame["y"] - error.values, "high": frame["y"] + error.values}
        tables.append(pd.DataFrame(frame).dropna(subset="y"))
    return pd.concat(tables, ignore_index=True)


def draw_radii(panels: np.ndarray, data: pd.DataFrame) -> None:
    """Draw SGD's histogram and DD's density at each time, one panel each."""
    times = data["t"].unique()
    for axes, time in zip(panels.flat, times, strict=False):
        at_time = data[data["t"] == time].set_index("series")
        bars, line = at_time.loc["SGD"], at_time.loc["DD"]
        line = line[line["y"] > 0]
        sns.histplot(
            x=bars["x"],
            weights=bars["y"],
            bins=[*bars["low"], bars["high"].iloc[-1]],
            color=PALETTE["sgd"],
            alpha=1,
            linewidth=0,
            label="SGD",
            ax=axes,
        )
        sns.lineplot(x=line["x"], y=line["y"], color=PALETTE["dd"], label="DD", ax=axes)
        axes.set_title(f"$t = {time:g}$", pad=3)
        axes.set(xlabel="", ylabel="")
        # The law of the neurons that do not shrink sets the scale; the peak of those that do is
        # cut, and its mass is given in figures.
        wide = line["x"] > SHRUNK
        axes.set_ylim(0, 1.25 * line["y"][wide].max())
        shrunk = {name: at_time.loc[f"{name}, shrunk", "y"] for name in ("SGD", "DD")}
        if max(shrunk.values()) > 0.005:
            axes.text(
                0.06,
                0.97,
                f"$r < {SHRUNK:g}$\n"
                + "\n".join(f"{name} {100 * mass:.1f} %" for name, mass in shrunk.items()),
                transform=axes.transAxes,
                va="top",
                size=7,
            )
        axes.get_legend().remove()
    for axes in panels.flat[len(times) :]:
        axes.set_axis_off()
    for row in panels:  # one scale a row: the reader compares along it
        right = max(axes.dataLim.x1 for axes in row)
        for axes in row:
            axes.set_xlim(0, right)
    for axes in panels[-1]:
        axes.set_xlabel(r"norm of a weight vector, $r = \|w\|$")
    for axes in panels[:, 0]:
        axes.set_ylabel(r"density $\bar\rho_t(r)$")
    panels[0, 0].legend(loc="upper right")
    sns.despine(fig=panels.flat[0].figure)
    letter(panels[0, 0], "a")


def draw_risks(panels: np.ndarray, data: pd.DataFrame) -> None:
    """Draw the risk of SGD and DD against time, and beside it what width adds to SGD's."""
    roles = {
        "SGD": "sgd",
        "DD": "dd",
        "SGD - DD": "neutral",
        "SGD, fluctuation": "sgd",
        "independent draws": "prediction",
    }
    labels = {
        "SGD": r"SGD, $R_N$: mean and range of seeds",
        "DD": r"DD, $R(\rho_t)$",
        "SGD - DD": r"SGD above DD, $R_N - R(\rho_t)$: mean $\pm$ s.e.",
        "SGD, fluctuation": r"of which $\mathrm{E\,Var}(\hat y \mid s, y)$",
        "independent draws": r"the same for $N$ independent draws of $\rho_t$",
    }
    ylabels = {"b": r"risk $R$", "c": "finite-width part of the risk"}
    for axes, panel in zip(panels, "bc", strict=True):
        shown = data[data["panel"] == panel]
        for name, curve in shown.groupby("series", sort=False):
            role = roles[str(name)]
            color = PALETTE[role]
            sns.lineplot(
                x=curve["x"],
                y=curve["y"],
                color=color,
                linestyle=DASHES[role],
                label=labels[str(name)],
                linewidth=2.6 if role == "sgd" else 1.2,
                ax=axes,
            )
            if curve["low"].notna().any():
                axes.fill_between(
                    curve["x"], curve["low"], curve["high"], color=color, alpha=0.35, linewidth=0
                )
        axes.set(
            xlabel=r"time $t = k\varepsilon$", ylabel=ylabels[panel], xlim=(0, shown["x"].max())
        )
        axes.set_ylim(0, 1.45 * shown["y"].max() if panel == "c" else None)
        axes.legend(loc="upper right")
        letter(axes, panel)
    sns.despine(fig=panels[0].figure)


def describe(
    title: str, histograms: pd.DataFrame, curves: pd.DataFrame, selected: Mapping[str, xr.Dataset]
) -> str:
    """Return the figure in words, with its numbers."""
    times = ", ".join(f"{time:g}" for time in histograms["t"].unique())
    comparison = selected["comparison"]
    ratio = (comparison.wasserstein.mean("seed") / comparison.wasserstein_draws.mean("draw")).max()
    risks = curves[(curves["panel"] == "b")].set_index(["series", "t"])["y"]
    first, last = curves["t"].min(), curves["t"].max()
    return (
        f"{title}. (a) Histograms of the norms of the neurons' weight vectors, over "
        f"{selected['sgd'].sizes['seed']} runs of SGD, at t = {times}, each with the density that "
        "the distributional dynamics predict drawn over it. The W1 distance of the norms to the "
        f"prediction, averaged over runs, is at most {float(ratio):.2f} times that of independent "
        f"draws. (b) Risk against time: the limit falls from {risks['DD', first]:.3f} to "
        f"{risks['DD', last]:.3f}, SGD from {risks['SGD', first]:.3f} to "
        f"{risks['SGD', last]:.3f}. (c) How far SGD's risk is above the limit's, and the part of "
        "it that only finite networks have, against that of independent draws from the limit."
    )


if "snakemake" in globals():
    run_stage(main, globals()["snakemake"])
