"""Radial laws and risks of SGD and its limit: the data of a figure, its panels, and it in words."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.figure import SubFigure

from meanfield.figures import DASHES, PALETTE, letter
from meanfield.summaries import network_risk, width


def radial_data(selected: Mapping[str, xr.Dataset], figure: Mapping[str, Any]) -> pd.DataFrame:
    """Return histograms of SGD's radii over all seeds, and DD's density, as a long table.

    Rows of the series "SGD, inner" and "DD, inner" give the mass (y) below the inner radius (x).
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
        series = {"SGD": bars, "DD": {"x": density.radius.values, "y": density.values}}
        if (inner := figure["inner_radius"]) is not None:
            mass = float(dd.mass.where(atoms < inner).sum())
            series["SGD, inner"] = {"x": [inner], "y": [np.mean(radii < inner)]}
            series["DD, inner"] = {"x": [inner], "y": [mass]}
        tables += [
            pd.DataFrame({"panel": "a", "series": name, "t": time, **columns})
            for name, columns in series.items()
        ]
    return pd.concat(tables, ignore_index=True)


def risk_data(selected: Mapping[str, xr.Dataset]) -> pd.DataFrame:
    """Return the risks, and what width adds to SGD's, as a long table."""
    sgd, dd = selected["sgd"], selected["dd"]
    total = network_risk(sgd)
    series = {
        ("b", "SGD"): total,
        ("b", "DD"): dd.risk,
        ("c", "SGD - DD"): total - dd.risk,
        ("c", "SGD, fluctuation"): sgd.fluctuation,
        ("c", "independent draws"): dd.fluctuation_coefficient / width(sgd),
    }
    tables = []
    for (panel, name), values in series.items():
        over_seeds = "seed" in values.dims
        frame = {"panel": panel, "series": name, "t": values.time.values, "x": values.time.values}
        frame["y"] = (values.mean("seed") if over_seeds else values).values
        if over_seeds and panel == "c":  # small differences: how well is their mean known?
            error = values.std("seed", ddof=1) / np.sqrt(values.sizes["seed"])
            frame |= {"low": frame["y"] - error.values, "high": frame["y"] + error.values}
        tables.append(pd.DataFrame(frame).dropna(subset="y"))
    return pd.concat(tables, ignore_index=True)


def draw_radii(parent: SubFigure, data: pd.DataFrame) -> None:
    """Draw SGD's histogram and DD's density at each time, one panel each, three in a row."""
    times = data["t"].unique()
    rows = -(-len(times) // 3)
    panels = parent.subplots(rows, min(3, len(times)), squeeze=False)
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
        axes.set(xlabel=r"norm of a weight vector, $r = \|w\|$", ylabel="")
        axes.get_legend().remove()
        shown = pd.concat([bars, line])
        if "SGD, inner" in at_time.index:
            inner = {name: at_time.loc[f"{name}, inner"] for name in ("SGD", "DD")}
            radius = inner["DD"]["x"]
            outer = shown[shown.get("low", shown["x"]).fillna(shown["x"]) > radius]
            shown = shown if outer.empty else outer
            if max(row["y"] for row in inner.values()) > 0.005:
                words = [f"{name} {100 * row['y']:.1f} %" for name, row in inner.items()]
                axes.text(
                    0.06,
                    0.97,
                    "\n".join([f"$r < {radius:g}$", *words]),
                    transform=axes.transAxes,
                    va="top",
                    size=7,
                )
        axes.set_ylim(0, 1.25 * shown["y"].max())
    drawn = [list(row) for row in panels]
    for axes in panels.flat[len(times) :]:
        axes.set_axis_off()
        drawn[-1].remove(axes)
    for row in drawn:  # one scale a row: the reader compares along it
        right = max(axes.dataLim.x1 for axes in row)
        for axes in row:
            axes.set_xlim(0, right)
        row[0].set_ylabel(r"density $\bar\rho_t(r)$")
    for row, below in pairwise(drawn):
        for axes in row[: len(below)]:  # the label of the panel below serves both
            axes.set_xlabel("")
    panels[0, 0].legend(loc="upper right")
    parent.align_ylabels([row[0] for row in drawn])
    sns.despine(fig=parent)
    letter(panels[0, 0], "a")


def draw_risks(parent: SubFigure, data: pd.DataFrame, seeds: int) -> None:
    """Draw the risk of SGD and DD against time, and beside it what width adds to SGD's."""
    panels = parent.subplots(1, 2)
    variance = r"$\mathrm{E\,Var}(\hat y \mid s, y)$"
    styles = {  # series: role, label
        "SGD": ("sgd", rf"SGD, $R_N$: mean of {seeds} seeds"),
        "DD": ("dd", r"DD, $R(\rho_t)$"),
        "SGD - DD": ("neutral", r"SGD, $R_N - R(\rho_t)$: mean $\pm$ s.e."),
        "SGD, fluctuation": ("sgd", f"SGD, {variance}"),
        "independent draws": ("prediction", rf"$N$ independent draws of $\rho_t$, {variance}"),
    }
    ylabels = {"b": r"risk $R$", "c": "contribution to the risk"}
    for axes, panel in zip(panels, "bc", strict=True):
        shown = data[data["panel"] == panel]
        for name, curve in shown.groupby("series", sort=False):
            role, label = styles[str(name)]
            sns.lineplot(
                x=curve["x"],
                y=curve["y"],
                color=PALETTE[role],
                linestyle=DASHES[role],
                label=label,
                linewidth=2.6 if role == "sgd" else 1.2,
                ax=axes,
            )
            if curve["low"].notna().any():
                axes.fill_between(
                    curve["x"],
                    curve["low"],
                    curve["high"],
                    color=PALETTE[role],
                    alpha=0.3,
                    linewidth=0,
                )
        axes.set(xlabel=r"time $t = k\varepsilon$", ylabel=ylabels[panel])
        axes.set_xlim(0, shown["x"].max())
        lowest = min(0.0, shown["y"].min(), shown["low"].min())
        axes.set_ylim(1.1 * lowest, 1.65 * shown["y"].max() if panel == "c" else None)
        axes.legend(loc="upper right" if panel == "c" else "best")
        letter(axes, panel)
    sns.despine(fig=parent)


def describe(
    title: str, histograms: pd.DataFrame, curves: pd.DataFrame, selected: Mapping[str, xr.Dataset]
) -> str:
    """Return the figure in words, with its numbers."""
    times = ", ".join(f"{time:g}" for time in histograms["t"].unique())
    comparison = selected["comparison"].sel(invariant="r")
    ratio = (comparison.wasserstein.mean("seed") / comparison.wasserstein_draws.mean("draw")).max()
    risks = curves[(curves["panel"] == "b")].set_index(["series", "t"])["y"]
    first, last = curves["t"].min(), curves["t"].max()
    excess = curves[curves["series"].isin(["SGD, fluctuation", "independent draws"])]
    contribution = excess[excess["t"] == last].set_index("series")["y"]
    inner = histograms[histograms["series"] == "DD, inner"]
    split = ""
    if len(inner) and inner["y"].iloc[-1] > 0.005:
        time, radius, mass = inner[["t", "x", "y"]].iloc[-1]
        split = f" At t = {time:g}, {100 * mass:.1f} % of the limit's mass is below {radius:g}."
    return (
        f"{title}. All quantities are dimensionless. (a) Histograms of the norms of the neurons' "
        f"weight vectors, over {selected['sgd'].sizes['seed']} runs of SGD, at t = {times}, each "
        f"with the density that the distributional dynamics predict drawn over it.{split} "
        "The W1 distance of the norms to the prediction, averaged over runs, is at most "
        f"{float(ratio):.2f} times that of independent draws. (b) Risk against time: the limit's "
        f"goes from {risks['DD', first]:.3f} to {risks['DD', last]:.3f}, SGD's from "
        f"{risks['SGD', first]:.3f} to {risks['SGD', last]:.3f}. (c) How far SGD's risk is above "
        "the limit's, and the part of it that only finite networks have: at the end "
        f"{contribution['SGD, fluctuation']:.4f}, against "
        f"{contribution['independent draws']:.4f} for independent draws from the limit."
    )
