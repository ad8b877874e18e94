"""Figure 2: the risk that SGD reaches against Delta, the least there is, and what lies between.

With inf R the certified minimum, rho_T the limit at the end and R_N the risk of SGD's networks,

    R_N - inf R = [R(rho_T) - inf R] + E Var(yhat | s, y) + [R(rho_N) - R(rho_T)]:

what the limit has not done yet in the time; what only a finite network has, which noisy steps
enlarge; and how far SGD's measure rho_N of the invariants is from the limit. The last two shrink
with the step size, the second down to what width alone leaves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory

from meanfield.figures import DASHES, PALETTE
from meanfield.summaries import groups_of, network_risk, width
from meanfield.sweep_curves import STEP_SIZE, Style

DELTA = "law.delta"

SMALLEST_PART, ROOM = 1e-5, 60.0
"""Least part of the distance that is drawn, and the factor of the scale above the largest risk that
leaves room for the legend."""

SMALLEST_MASS = 1e-6
"""Mass from which on an atom of a minimiser is drawn: less is the error of the minimisation."""


def minimum_data(tree: xr.DataTree, points: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the minimum of the risk against Delta, and the atoms of its minimiser.

    Args:
        tree: an experiment's aggregate, its statics at many Delta or at those of the sweep.
        points: name, swept settings and runs of its points.

    Returns:
        Long table: rows "inf R" and "best sphere" with y = risk, "sphere radius" with y = r*,
        "atom" with y = r (inf is a place) and mass; and "Delta^l", "Delta^h" and "Delta^s" with
        x = the threshold and y = the minimum there.
    """
    statics: dict[float, xr.Dataset] = {}
    for row in points:
        found = groups_of(tree, row["point"])["statics"]
        if "delta" in found.dims:
            statics = {float(delta): found.sel(delta=delta) for delta in found.delta.values}
            break
        statics[float(row["swept"][DELTA])] = found
    rows = []
    for delta, found in sorted(statics.items()):
        found = found.sel(invariant="r")
        values = {
            "inf R": found.risk_min,
            "best sphere": found.sphere_risk,
            "sphere radius": found.sphere_radius,
        }
        rows += [{"series": name, "x": delta, "y": float(y)} for name, y in values.items()]
        atoms = zip(found.omega.values, found.mass.values, strict=True)
        rows += [
            {"series": "atom", "x": delta, "y": float(radius), "mass": float(mass)}
            for radius, mass in atoms
            if mass > SMALLEST_MASS
        ]
    deltas = sorted(statics)
    least = [float(statics[delta].risk_min) for delta in deltas]
    for letter, name in (("l", "delta_low"), ("h", "delta_high"), ("s", "delta_stable")):
        threshold = float(statics[deltas[0]][name])
        if np.isfinite(threshold):
            height = float(np.interp(threshold, deltas, least))
            rows.append({"series": f"Delta^{letter}", "x": threshold, "y": height})
    return pd.DataFrame(rows)


def reached_data(
    tree: xr.DataTree, points: Sequence[Mapping[str, Any]], minimum: pd.DataFrame
) -> pd.DataFrame:
    """Return what SGD and its limit reach at the end, and the parts of SGD's distance to inf R.

    Returns:
        Long table by Delta (x) and step size: "SGD" (mean of the seeds between low and high, the
        smallest and the largest), "DD", "DD + K/N"; and the parts "time", "width", "draws" (what
        width adds for independent draws from the limit) and "step".
    """
    least = minimum[minimum["series"] == "inf R"]
    rows = []
    for row in points:
        groups = groups_of(tree, row["point"])
        sgd = groups["sgd"].dropna("time", how="all", subset=["risk"]).isel(time=-1)
        dd = groups["dd"].sel(time=sgd.time)
        delta, step = row["swept"][DELTA], row["swept"].get(STEP_SIZE)
        neurons, risk, limit = width(groups["sgd"]), network_risk(sgd), float(dd.risk)
        wide = float(dd.width_coefficient) / neurons
        floor = float(np.interp(delta, least["x"], least["y"]))
        values: dict[str, Any] = {
            "SGD": risk,
            "DD": limit,
            "DD + K/N": limit + wide,
            "time": limit - floor,
            "width": sgd.fluctuation,
            "draws": wide,
            "step": sgd.reduced_risk - limit,
        }
        for series, value in values.items():
            entry = {"series": series, "x": delta, STEP_SIZE: step, "t": float(sgd.time)}
            if isinstance(value, xr.DataArray):
                entry |= {"y": float(value.mean()), "low": float(value.min())}
                entry |= {"high": float(value.max())}
            else:
                entry["y"] = value
            rows.append(entry)
    table = pd.DataFrame(rows).sort_values("x", kind="stable")
    own = table["series"].isin(["SGD", "width", "step"])
    table[STEP_SIZE] = table[STEP_SIZE].where(own)  # the limit has no step
    return table.drop_duplicates()


def draw_risks(
    axes: Axes, minimum: pd.DataFrame, reached: pd.DataFrame, styles: Mapping[Any, Style]
) -> None:
    """Draw the risks against Delta on a logarithmic scale."""
    time = reached["t"].iloc[0]
    curves = {  # series: role, label
        "best sphere": ("prediction", "best single sphere"),
        "inf R": ("neutral", r"least risk, $\inf R$"),
    }
    for series, (role, label) in curves.items():
        line = minimum[minimum["series"] == series]
        dashes = "-" if series == "inf R" else DASHES[role]
        axes.plot(line["x"], line["y"], color=PALETTE[role], linestyle=dashes, label=label)
    high = minimum[minimum["series"] == "Delta^h"]
    axes.plot(
        high["x"], high["y"], "o", color="black", markersize=4, zorder=5,
        label=r"$\Delta^h$: up to here the sphere is optimal",
    )  # fmt: skip
    for series, marker, label in (
        ("DD", "_", rf"DD, $R(\rho_t)$ at $t = {time:g}$"),
        ("DD + K/N", "+", r"$N$ independent draws, $R(\rho_t) + K/N$"),
    ):
        shown = reached[reached["series"] == series]
        axes.plot(
            shown["x"], shown["y"], marker, color=PALETTE["dd"], markersize=8, label=label,
            zorder=4, markeredgewidth=1.2,
        )  # fmt: skip
    # The smallest step last, and full, so that it lies on top of the others.
    marked = list(zip(_by_step(reached, "SGD"), "osD", strict=False))
    for rank, ((step, shown), marker) in reversed(list(enumerate(marked))):
        style = styles[step]
        spread = [shown["y"] - shown["low"], shown["high"] - shown["y"]]
        axes.errorbar(
            shown["x"], shown["y"], yerr=spread, fmt=marker, markersize=4 + rank, capsize=2,
            zorder=5 - rank, color=style.colour, label=f"{style.label}, same $t$", linewidth=1,
            markerfacecolor="white" if rank else style.colour,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set(xlabel=r"separation of the classes, $\Delta$", ylabel="risk")
    axes.set_xlim(-0.02, minimum["x"].max())
    axes.set_ylim(0.7 * minimum.loc[minimum["series"] == "inf R", "y"].min(), None)
    axes.legend(loc="lower left")
    sns.despine(ax=axes)


def draw_parts(axes: Axes, reached: pd.DataFrame, styles: Mapping[Any, Style]) -> None:
    """Draw the sizes of the parts of SGD's distance to the least risk, on a logarithmic scale."""
    for series, role, label in (
        ("time", "dd", r"time: $R(\rho_t) - \inf R$"),
        ("draws", "prediction", r"$N$ draws: $K/N$"),
    ):
        shown = reached[reached["series"] == series]
        axes.plot(shown["x"], shown["y"], color=PALETTE[role], linestyle=DASHES[role], label=label)
    for series, dashes, label in (
        ("width", "-", r"fluctuation: $\mathrm{E\,Var}(\hat y \mid s, y)$"),
        ("step", ":", r"radii: $|R(\rho_N) - R(\rho_t)|$"),
    ):
        for rank, (step, shown) in enumerate(_by_step(reached, series)):
            axes.plot(
                shown["x"], shown["y"].abs(), color=styles[step].colour, linestyle=dashes,
                label=None if rank else label,
            )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(SMALLEST_PART, ROOM * reached["y"].max())
    axes.set_yticks([tick for tick in 10.0 ** np.arange(-5, 1) if tick >= SMALLEST_PART])
    axes.set(
        xlabel=r"$\Delta$ (pale: the larger step $\varepsilon$)", ylabel="part of the distance"
    )
    axes.legend(loc="upper left", fontsize=6.5, labelspacing=0.25, ncols=2, columnspacing=1.0,
                handlelength=1.6)  # fmt: skip
    sns.despine(ax=axes)


def draw_support(axes: Axes, minimum: pd.DataFrame, largest: float) -> None:
    """Draw the minimiser's atoms against Delta, area by mass; beyond `largest` on a line above."""
    atoms = minimum[minimum["series"] == "atom"]
    inside = atoms[atoms["y"] <= largest]
    beyond = atoms[atoms["y"] > largest]
    size = 25.0
    axes.scatter(
        inside["x"], inside["y"], s=size * inside["mass"] + 0.3, color=PALETTE["neutral"],
        linewidths=0, zorder=3, label="minimiser (area: mass)",
    )  # fmt: skip
    above = blended_transform_factory(axes.transData, axes.transAxes)
    axes.scatter(
        beyond["x"], np.full(len(beyond), 1.06), s=size * beyond["mass"] + 0.3, transform=above,
        color=PALETTE["neutral"], linewidths=0, clip_on=False, zorder=3,
    )  # fmt: skip
    axes.text(1.02, 1.06, rf"$r > {largest:g}$", transform=axes.transAxes, va="center", size=7)
    sphere = minimum[(minimum["series"] == "sphere radius") & (minimum["y"] <= largest)]
    axes.plot(
        sphere["x"], sphere["y"], color=PALETTE["prediction"], linestyle=DASHES["prediction"],
        label="best single sphere", zorder=2,
    )  # fmt: skip
    for name in ("l", "h"):
        for x in minimum.loc[minimum["series"] == f"Delta^{name}", "x"]:
            axes.axvline(x, ymax=0.6, color="black", linewidth=0.6, linestyle=":")
            axes.annotate(
                rf"$\Delta^{name}$", (x, 0.02), xycoords=("data", "axes fraction"), xytext=(2, 0),
                textcoords="offset points", size=7,
            )  # fmt: skip
    axes.set(xlabel=r"separation of the classes, $\Delta$", ylabel=r"support, $r = \|w\|$")
    axes.set_xlim(-0.02, minimum["x"].max() + 0.01)
    axes.set_ylim(-0.02 * largest, largest)
    axes.legend(loc="upper center", fontsize=6.5)
    sns.despine(ax=axes)


def _by_step(table: pd.DataFrame, series: str) -> list[tuple[Any, pd.DataFrame]]:
    """Return the rows of a series for each step size, the smallest first."""
    shown = table[table["series"] == series]
    if shown[STEP_SIZE].isna().all():
        return [(None, shown)]
    return sorted(shown.groupby(STEP_SIZE), key=lambda pair: float(pair[0]))


def describe(title: str, minimum: pd.DataFrame, reached: pd.DataFrame, seeds: int) -> str:
    """Return the figure in words, with its numbers."""
    least = minimum[minimum["series"] == "inf R"].set_index("x")["y"]
    step, sgd = _by_step(reached, "SGD")[0]
    value = sgd.set_index("x")["y"]
    by_name = {name: rows.set_index("x")["y"] for name, rows in reached.groupby("series")}
    thresholds = minimum[minimum["series"].str.startswith("Delta^")].set_index("series")["x"]
    some = [delta for delta in value.index if delta in by_name["DD"].index][1::3]
    numbers = "; ".join(
        f"at Delta = {delta:g} the least risk is {np.interp(delta, least.index, least):.4f}, the "
        f"limit has {by_name['DD'][delta]:.4f}, SGD {value[delta]:.4f}"
        for delta in some
    )
    where = ", ".join(f"{name} = {x:.4f}" for name, x in thresholds.items())
    steps = "" if step is None else f" with steps of {step:g}"
    return (
        f"{title}. All quantities are dimensionless. (a) Risk against the separation Delta of the "
        f"classes, on a logarithmic scale: the certified minimum over all measures, the best "
        f"single sphere (dashed), the limit and SGD, the mean of {seeds} runs{steps} "
        f"with their range, at t = {reached['t'].iloc[0]:g}; {numbers}. Thresholds: {where}. "
        "(b) The parts of SGD's "
        "distance to the minimum: time, what the limit has not reached yet; the fluctuation of a "
        "finite network, which grows with the step; and by how much the risk of SGD's radii "
        "differs from the limit's. (c) The radii of the "
        "minimiser against Delta, the area of a dot by its mass, infinity on a line above."
    )
