"""Curves of SGD and of its limit against time, over a sweep: their data and how they are drawn.

Points that share a run share its curve: a limit that several step sizes have stands there once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from meanfield.figures import DASHES, PALETTE
from meanfield.summaries import groups_of, network_risk

STEP_SIZE, LIMIT_DIMENSION = "sgd.step_size", "dd.dimension"


class Style(NamedTuple):
    """How a curve is drawn, and what it is called."""

    colour: Any
    dashes: Any
    width: float
    label: str


def curve_data(tree: xr.DataTree, points: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return risk and means of all invariants against time, one curve a run, as a long table.

    Args:
        tree: an experiment's aggregate.
        points: name, swept settings and runs of its points.

    Returns:
        Columns quantity ("risk" or an invariant), series ("SGD" or "DD"), the swept settings that
        the series depends on, t, and y: for SGD the mean of the seeds, between low and high, the
        smallest and the largest of them.
    """
    tables, seen = [], set()
    for row in points:
        groups = groups_of(tree, row["point"])
        means = groups.get("comparison")
        for series, stage, group in (("SGD", "run_sgd", "sgd"), ("DD", "solve_dd", "dd")):
            run = (stage, row["runs"].get(stage))
            if group not in groups or run in seen:
                continue
            seen.add(run)
            data = groups[group]
            values = {"risk": network_risk(data) if group == "sgd" else data.risk}
            if means is not None:
                values |= {
                    str(name): means[f"{group}_mean"].sel(invariant=name)
                    for name in means.invariant.values
                }
            swept = {key: value for key, value in row["swept"].items() if _concerns(series, key)}
            tables += [_table(name, series, swept, curve) for name, curve in values.items()]
    return pd.concat(tables, ignore_index=True)


def _concerns(series: str, key: str) -> bool:
    """Return whether a swept setting makes a difference to a series."""
    if series == "SGD":
        return not key.startswith("dd.")
    return not key.startswith("sgd.") or key.startswith("sgd.schedule")


def _table(
    quantity: str, series: str, swept: Mapping[str, Any], curve: xr.DataArray
) -> pd.DataFrame:
    over_seeds = "seed" in curve.dims
    columns = {
        "quantity": quantity,
        "series": series,
        **swept,
        "t": curve.time.values,
        "y": (curve.mean("seed") if over_seeds else curve).values,
    }
    if over_seeds:
        columns |= {"low": curve.min("seed").values, "high": curve.max("seed").values}
    return pd.DataFrame(columns).dropna(subset="y")


def styles_of(data: pd.DataFrame) -> dict[tuple[str, Any], Style]:
    """Return the style of every kind of curve: SGD by step size, the limit by its dimension.

    The smaller the step the darker the curve; the limit in infinite dimension is dashed.
    """
    styles: dict[tuple[str, Any], Style] = {
        ("SGD", step): style for step, style in step_styles(data).items()
    }
    for kind in _values(data, "DD", LIMIT_DIMENSION) or [None]:
        words = {
            "finite": "DD, finite $d$",
            "infinite": r"DD, $d = \infty$",
            "infinite_data": r"DD, data in $d = \infty$",
        }
        dashes = {"infinite": DASHES["neutral"], "infinite_data": DASHES["prediction"]}.get(
            kind, DASHES["dd"]
        )
        colour = PALETTE["dd" if kind in ("finite", None) else "neutral"]
        styles["DD", kind] = Style(colour, dashes, 1.2, words.get(str(kind), "DD"))
    return {key: style for key, style in styles.items() if key[0] in set(data["series"])}


def step_styles(data: pd.DataFrame) -> dict[Any, Style]:
    """Return the style of SGD for each step size, the smallest first; for None if none is swept."""
    steps = sorted(_values(data, "SGD", STEP_SIZE), key=float)
    styles = {}
    for rank, step in enumerate(steps or [None]):
        share = rank / max(len(steps), 2)
        label = "SGD" if step is None else rf"SGD, $\varepsilon = {power(float(step))}$"
        dashes = [DASHES["sgd"], (0, (3, 1)), (0, (1, 1))][min(rank, 2)]
        styles[step] = Style(_towards_white(PALETTE["sgd"], share), dashes, 2.4, label)
    return styles


def draw_curves(axes: Axes, data: pd.DataFrame, styles: Mapping[tuple[str, Any], Style]) -> None:
    """Draw the curves of one quantity on log t, with the band of the seeds and the limit on top."""
    times = data.loc[data["t"] > 0, "t"]
    keys = [
        key for key in data.columns if key not in {"quantity", "series", "t", "y", "low", "high"}
    ]
    for (series, kind), style in styles.items():
        chosen = data[(data["series"] == series) & (data["t"] > 0)]
        key = STEP_SIZE if series == "SGD" else LIMIT_DIMENSION
        if kind is not None:
            chosen = chosen[chosen[key] == kind]
        others = [other for other in keys if other != key and chosen[other].notna().any()]
        curves = [curve for _, curve in chosen.groupby(others)] if others else [chosen]
        for curve in curves:
            axes.plot(
                curve["t"],
                curve["y"],
                color=style.colour,
                linestyle=style.dashes,
                linewidth=style.width,
                zorder=3 if series == "DD" else 2,
            )
            if curve["low"].notna().any():
                axes.fill_between(
                    curve["t"], curve["low"], curve["high"], color=style.colour, alpha=0.25,
                    linewidth=0, zorder=1,
                )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(times.min(), times.max())


def legend_handles(styles: Mapping[tuple[str, Any], Style], seeds: int) -> list[Line2D | Patch]:
    """Return what a legend shows: every kind of curve, and the band of the seeds."""
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=s.colour, linestyle=s.dashes, linewidth=s.width, label=s.label)
        for s in styles.values()
    ]
    if seeds > 1:
        label = f"range of {seeds} seeds"
        handles.append(Patch(color=PALETTE["sgd"], alpha=0.25, linewidth=0, label=label))
    return handles


def _values(data: pd.DataFrame, series: str, key: str) -> list[Any]:
    if key not in data:
        return []
    return list(data.loc[data["series"] == series, key].dropna().unique())


def power(value: float) -> str:
    """Return a step size as a power of ten, for a label."""
    mantissa, exponent = f"{value:.0e}".split("e")
    if float(f"{value:.0e}") != value:
        return f"{value:g}"
    factor = "" if mantissa == "1" else rf"{mantissa} \times "
    return f"{factor}10^{{{int(exponent)}}}"


def _towards_white(colour: str, share: float) -> tuple[float, float, float]:
    red, green, blue = (c + share * (1 - c) for c in mpl.colors.to_rgb(colour))
    return red, green, blue
