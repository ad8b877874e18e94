"""Figure 4: several starts and their limits, and the potential at the end of each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.axes import Axes

from meanfield.figures import PALETTE
from meanfield.summaries import groups_of
from meanfield.sweep_curves import STEP_SIZE, Style, draw_curves

SCALE = "initial.scale"


def potential_data(
    tree: xr.DataTree, points: Sequence[Mapping[str, Any]], largest: float
) -> pd.DataFrame:
    """Return the potential of the limit at the end, and the mean and extent of its radii.

    Args:
        tree: an experiment's aggregate.
        points: name and swept settings of its points.
        largest: radius up to which the potential is given.

    Returns:
        Rows of the quantity "potential" with x = r and y = Psi(r; rho_T), one curve a start, and
        rows "atom" where the measure is: its 10 %, 50 % and 90 % quantile of radii, on that curve.
    """
    tables, seen = [], set()
    for row in points:
        groups = groups_of(tree, row["point"])
        if "dd" not in groups or row["runs"]["solve_dd"] in seen:
            continue
        seen.add(row["runs"]["solve_dd"])
        dd = groups["dd"].dropna("time", how="all", subset=["risk"]).isel(time=-1)
        curve = dd.potential.where(dd.probe <= largest, drop=True).dropna("probe")
        radii, masses = dd.omega.sel(invariant="r").values, dd.mass.values
        order = np.argsort(radii)
        levels = np.nancumsum(masses[order])
        quantiles = radii[order][np.searchsorted(levels, [0.1, 0.5, 0.9])]
        columns = {"series": "DD", SCALE: row["swept"][SCALE], "t": float(dd.time)}
        height = np.interp(quantiles, dd.probe.values, dd.potential.values)
        for name, x, y in (
            ("potential", curve.probe.values, curve.values),
            ("atom", quantiles, height),
        ):
            tables.append(pd.DataFrame({"quantity": name, **columns, "x": x, "y": y}))
    return pd.concat(tables, ignore_index=True)


def draw_paths(axes: Axes, data: pd.DataFrame, styles: Mapping[tuple[str, Any], Style]) -> None:
    """Draw the risk of SGD and its limit on log t, and in an inset the mean of r."""
    risk = data[data["quantity"] == "risk"]
    draw_curves(axes, risk, styles)
    axes.set(xlabel=r"time $t = k\varepsilon$", ylabel="risk $R$")
    axes.set_ylim(0, 1.12 * risk["y"].max())
    inset = axes.inset_axes((0.6, 0.36, 0.38, 0.32))
    radius = data[data["quantity"] == "r"]
    draw_curves(inset, radius, styles)
    inset.set_ylim(0, 1.1 * radius["y"].max())
    inset.set_ylabel(r"mean of $\|w\|$", labelpad=1, size=7)
    inset.tick_params(labelsize=6)
    for panel, shown in ((axes, risk), (inset, radius)):
        _name_starts(panel, shown)
    sns.despine(ax=axes)
    sns.despine(ax=inset)


def _name_starts(axes: Axes, data: pd.DataFrame) -> None:
    """Write each start's scale at the end of its limit's curve."""
    limit = data[data["series"] == "DD"]
    top = axes.get_ylim()[1]
    for scale, curve in limit.groupby(SCALE):
        time, value = curve["t"].iloc[-1], curve["y"].iloc[-1]
        below = value > 0.5 * top
        axes.annotate(
            rf"$\kappa = {scale:g}$",
            (time, value),
            xytext=(-2, -5 if below else 5),
            textcoords="offset points",
            ha="right",
            va="top" if below else "bottom",
            size=7 if axes.get_label() != "inset_axes" else 6,
        )


def draw_potentials(panels: Sequence[Axes], data: pd.DataFrame) -> None:
    """Draw the potential of each limit at the end, one panel each, and where its mass is."""
    for axes, (scale, curve) in zip(panels, data.groupby(SCALE), strict=True):
        line = curve[curve["quantity"] == "potential"]
        atoms = curve[curve["quantity"] == "atom"]
        axes.plot(line["x"], line["y"], color=PALETTE["neutral"])
        middle = atoms.iloc[len(atoms) // 2]
        axes.plot(
            middle["x"],
            middle["y"],
            "o",
            color=PALETTE["dd"],
            markersize=5,
            clip_on=False,
            zorder=4,
            label=rf"median $r$ of $\rho_T$ from $\kappa = {scale:g}$",
        )
        axes.set_ylabel(r"$\Psi(r; \rho_T)$")
        axes.set_xlim(0, line["x"].max())
        low, high = line["y"].min(), line["y"].max()
        axes.set_ylim(low - 0.06 * (high - low), high + 0.3 * (high - low))
        axes.legend(loc="upper right", handletextpad=0.2)
        sns.despine(ax=axes)
    panels[-1].set_xlabel(r"norm of a weight vector, $r = \|w\|$")


def describe(title: str, curves: pd.DataFrame, potentials: pd.DataFrame, seeds: int) -> str:
    """Return the figure in words, with its numbers."""
    ends = curves.loc[curves["t"] == curves["t"].max()]
    sentences = []
    for scale, start in ends.groupby(SCALE):
        limit = start[start["series"] == "DD"]
        risk, radius = (
            float(limit.loc[limit["quantity"] == name, "y"].iloc[0]) for name in ("risk", "r")
        )
        runs = start[(start["series"] == "SGD") & (start["quantity"] == "risk")]
        steps = runs[STEP_SIZE] if STEP_SIZE in runs else [None] * len(runs)
        reached = " and ".join(
            f"{value:.3f}" + ("" if step is None else f" with steps of {step:g}")
            for value, step in zip(runs["y"], steps, strict=True)
        )
        atoms = potentials[(potentials[SCALE] == scale) & (potentials["quantity"] == "atom")]
        middle = float(atoms["x"].iloc[len(atoms) // 2])
        sentences.append(
            f"From kappa = {scale:g} the limit's risk ends at {risk:.4f}, the mean norm at "
            f"{radius:.3f}; SGD's risk, the mean of {seeds} runs, at {reached}. The potential "
            f"of that limit is drawn with a dot at its median norm, {middle:.3f}."
        )
    return (
        f"{title}. All quantities are dimensionless. (a) Risk against log time for starts of "
        f"{len(sentences)} lengths kappa, SGD and the distributional dynamics; in an "
        "inset the mean norm of the "
        f"weight vectors. {' '.join(sentences)} (b and on) The potential Psi(r; rho_T) at the end "
        "of each limit, which a neuron of norm r moves down."
    )
