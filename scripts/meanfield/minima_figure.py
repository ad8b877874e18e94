"""Figure 2: the risk that SGD reaches against Delta, the least there is, and what lies between."""

from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory

from meanfield.figures import DASHES, PALETTE
from meanfield.minima_data import NEURONS, PARTS
from meanfield.sweep_curves import STEP_SIZE, power

LABELS = {
    "time": r"time: $R(\rho_t) - \inf R$",
    "width": r"width: $W/N$",
    "step": r"step $\varepsilon$",
    "width and step": "width and step",
}
COLOURS = {"time": "dd", "width": "neutral", "step": "sgd", "width and step": "sgd"}
"""How the parts of the distance to the least risk are called, and their colours."""

MARKERS = "osD^v"
"""Markers of the runs of SGD, in the order of `_runs`, and again from the first."""

BAR_WIDTH = 0.035
"""In Delta; a sweep has its values at least that far apart, or bars overlap."""

ROOM = 3.4
"""The parts are drawn to this multiple of what width adds for independent draws; where they are
more, a number says how much."""


def draw_risks(axes: Axes, minimum: pd.DataFrame, reached: pd.DataFrame) -> None:
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
    widest = reached[NEURONS].max()
    limit = reached[reached["series"] == "DD"].set_index("x")["y"]
    draws = _draws(reached)
    for heights, marker, label in (
        (limit, "_", rf"DD, $R(\rho_t)$ at $t = {time:g}$"),
        (limit + draws, "+", rf"${widest:g}$ independent draws, $R(\rho_t) + K/N$"),
    ):
        axes.plot(
            heights.index, heights, marker, color=PALETTE["dd"], markersize=8, label=label,
            zorder=4, markeredgewidth=1.2,
        )  # fmt: skip
    # The narrower ones hide the others here; `draw_parts` has them all.
    _draw_runs(axes, [run for run in _runs(reached) if run.data[NEURONS].max() == widest])
    axes.set_yscale("log")
    axes.set(xlabel=r"separation of the classes, $\Delta$", ylabel="risk")
    axes.set_xlim(-0.02, minimum["x"].max())
    axes.set_ylim(0.7 * minimum.loc[minimum["series"] == "inf R", "y"].min(), None)
    axes.legend(loc="lower left")
    sns.despine(ax=axes)


def draw_parts(axes: Axes, reached: pd.DataFrame) -> None:
    """Draw the parts of SGD's distance to the least risk, for the smallest step, as stacked bars.

    On top of them what all runs reach, and what independent draws would add to the limit.
    """
    own = reached[reached[STEP_SIZE].isna() | (reached[STEP_SIZE] == reached[STEP_SIZE].min())]
    parts = own[own["series"].isin(PARTS)].pivot(index="x", columns="series", values="y")
    draws = _draws(reached)
    top = ROOM * draws.max()
    # What is negative hangs below 0: the bar above is then larger than the distance by that much.
    above, below = pd.Series(0.0, parts.index), pd.Series(0.0, parts.index)
    for name in [name for name in PARTS if name in parts]:
        height = parts[name].fillna(0.0)
        base = above.where(height >= 0, below)
        axes.bar(
            parts.index, height, BAR_WIDTH, base, color=PALETTE[COLOURS[name]], linewidth=0,
            alpha=0.75, label=LABELS[name],
        )  # fmt: skip
        above, below = above + height.clip(lower=0), below + height.clip(upper=0)
    axes.plot(
        draws.index, parts["time"] + draws, "+", color=PALETTE["dd"], markersize=7,
        markeredgewidth=1.2, label=r"time, and $K/N$",
    )  # fmt: skip
    floor = own[own["series"] == "DD"].set_index("x")["y"] - parts["time"]
    _draw_runs(axes, _runs(reached), floor)
    axes.axhline(0, color="black", linewidth=0.6)
    for x, height in above[above > top].items():
        axes.annotate(
            rf"$\uparrow${height:.3g}", (x, top), xytext=(0, 2), size=6.5, ha="center",
            textcoords="offset points", annotation_clip=False,
        )  # fmt: skip
    axes.set_ylim(min(0, 1.5 * below[above <= top].min()), top)
    axes.set(xlabel=r"separation of the classes, $\Delta$", ylabel=r"risk above $\inf R$")
    marks, names = axes.get_legend_handles_labels()
    axes.legend([*marks[1:], marks[0]], [*names[1:], names[0]], loc="upper left", ncols=2,
                fontsize=6.5, labelspacing=0.25, columnspacing=1.0, handlelength=1.2)  # fmt: skip
    sns.despine(ax=axes)


class _Runs(NamedTuple):
    """Runs of SGD of one width and one step at all Delta: what they are called, and their risks."""

    name: str
    data: pd.DataFrame


def _draw_runs(axes: Axes, runs: Sequence[_Runs], floor: pd.Series | None = None) -> None:
    """Draw the risk of SGD against Delta with the range of the seeds, less a floor if there is one.

    The first on top of the others, and full.
    """
    for rank, ((name, shown), marker) in enumerate(zip(runs, cycle(MARKERS), strict=False)):
        spread = [shown["y"] - shown["low"], shown["high"] - shown["y"]]
        heights = shown["y"] if floor is None else shown["y"] - floor[shown["x"]].to_numpy()
        axes.errorbar(
            shown["x"], heights, yerr=spread, fmt=marker, markersize=3.5 + rank, capsize=2,
            zorder=5 - rank, color=PALETTE["sgd"], linewidth=1, alpha=0.6 if rank else 1,
            label=f"{name}, same $t$" if floor is None else name,
            markerfacecolor="white" if rank else PALETTE["sgd"],
        )  # fmt: skip


def _draws(reached: pd.DataFrame) -> pd.Series:
    """Return K/N of the largest number of neurons, by Delta."""
    draws = reached[(reached["series"] == "draws") & (reached[NEURONS] == reached[NEURONS].max())]
    return draws.set_index("x")["y"]


def _runs(reached: pd.DataFrame) -> list[_Runs]:
    """Return the risks of SGD by width and step, the widest and of them the smallest step first."""
    shown = reached[reached["series"] == "SGD"]
    widths, steps = (
        sorted(shown[key].unique(), reverse=key == NEURONS) for key in (NEURONS, STEP_SIZE)
    )
    found = []
    for neurons in widths:
        for step in steps:
            same = shown[STEP_SIZE].isna() if pd.isna(step) else shown[STEP_SIZE] == step
            name = "SGD" + (rf", $N = {neurons:g}$" if len(widths) > 1 else "")
            name += rf", $\varepsilon = {power(step)}$" if len(steps) > 1 else ""
            found.append(_Runs(name, shown[(shown[NEURONS] == neurons) & same]))
    return found


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


def describe(title: str, minimum: pd.DataFrame, reached: pd.DataFrame, seeds: int) -> str:
    """Return the figure in words, with its numbers."""
    least = minimum[minimum["series"] == "inf R"].set_index("x")["y"]
    thresholds = minimum[minimum["series"].str.startswith("Delta^")].set_index("series")["x"]
    step, neurons = reached[STEP_SIZE].min(), reached[NEURONS].max()
    own = reached[
        (reached[STEP_SIZE].isna() | (reached[STEP_SIZE] == step))
        & (reached[NEURONS].isna() | (reached[NEURONS] == neurons))
    ]
    value = own.pivot(index="x", columns="series", values="y")
    value["gap"] = value["SGD"] - value["DD"] + value["time"]
    parts = [name for name in PARTS if name in value]
    some = value.index[1::3] if len(value) > 3 else value.index
    risks = "; ".join(
        f"at Delta = {delta:g} the least risk is {np.interp(delta, least.index, least):.4f}, the "
        f"limit has {value['DD'][delta]:.4f}, SGD {value['SGD'][delta]:.4f}"
        for delta in some
    )
    shares = "; ".join(
        f"at Delta = {delta:g} of {value['gap'][delta]:.4f} "
        + ", ".join(f"{name} {value[name][delta]:.4f}" for name in parts)
        for delta in some
    )
    where = ", ".join(f"{name} = {x:.4f}" for name, x in thresholds.items())
    steps = "" if pd.isna(step) else f" with steps of {step:g}"
    rest = (
        "width, what goes as 1/N between the two largest numbers of neurons; and step, the rest"
        if "width" in parts
        else "and what width and step add, which one number of neurons cannot tell apart"
    )
    draws = value["draws"]
    widths = " and ".join(f"{each:g}" for each in sorted(reached[NEURONS].dropna().unique())[::-1])
    return (
        f"{title}. All quantities are dimensionless. (a) Risk against the separation Delta of the "
        f"classes, on a logarithmic scale: the certified minimum over all measures, the best "
        f"single sphere (dashed), the limit and SGD, the mean of {seeds} runs of {neurons:g} "
        f"neurons{steps} with their range, at t = {own['t'].iloc[0]:g}; {risks}. Thresholds: "
        f"{where}. (b) The risk of SGD{steps} above the minimum as stacked bars of its parts, "
        f"under marks for the runs of {widths} neurons with their range: "
        f"time, what the limit has not reached yet; {rest}: {shares}. Independent draws from the "
        f"limit would add K/N, {draws.min():.4f} to {draws.max():.4f}, to the first. (c) The radii "
        "of the minimiser against Delta, the area of a dot by its mass, infinity on a line above."
    )
