"""Figure 3: risk and means of all invariants on log t, SGD against its limit, and it in words."""

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from meanfield.figures import letter
from meanfield.sweep_curves import LIMIT_DIMENSION, STEP_SIZE, Style, draw_curves

LABELS = {
    "risk": "risk $R$",
    "a": "mean of $a$",
    "b": "mean of $b$",
    "|b|": r"mean of $|b|$",
    "r": r"mean of $\|w\|$",
    "r1": r"mean of $r_1 = \|P_V w\|$",
    "r2": r"mean of $r_2 = \|P_V^\perp w\|$",
}
"""Labels of the quantities, in the order of their panels."""

WHICH_LIMIT = {
    "finite": " in finite d",
    "infinite": " in infinite d",
    "infinite_data": " for data in infinite d",
}


def panels_of(data: pd.DataFrame) -> list[str]:
    """Return the quantities to draw, in the order of their panels; those without a label last."""
    found = list(dict.fromkeys(data["quantity"]))
    return sorted(found, key=lambda name: [*LABELS, *found].index(name))


def draw_paths(
    panels: Sequence[Axes], data: pd.DataFrame, styles: Mapping[tuple[str, Any], Style]
) -> None:
    """Draw every quantity in a panel of its own."""
    for axes, name, mark in zip(panels, panels_of(data), ascii_lowercase, strict=False):
        shown = data[data["quantity"] == name]
        draw_curves(axes, shown, styles)
        axes.set_ylabel(LABELS.get(name, f"mean of {name}"))
        axes.set_xlabel(r"time $t = k\varepsilon$")
        values = shown[["y", "low", "high"]].to_numpy()
        low, high = np.nanmin(values), np.nanmax(values)
        margin = 0.06 * (high - low)
        if name == "risk":  # it falls by orders of magnitude
            axes.set_yscale("log")
            axes.set_ylim(0.7 * low, 1.4 * high)
        else:
            axes.set_ylim(low - margin, high + margin)
        letter(axes, mark)
        sns.despine(ax=axes)


def gaps(data: pd.DataFrame, quantity: str) -> dict[Any, float]:
    """Return the largest distance of SGD's mean to the limit in finite d, by step size."""
    chosen = data[data["quantity"] == quantity]
    limit = chosen[chosen["series"] == "DD"]
    if LIMIT_DIMENSION in limit:
        limit = limit[limit[LIMIT_DIMENSION] == "finite"]
    sgd = chosen[chosen["series"] == "SGD"]
    curves = sgd.groupby(STEP_SIZE) if STEP_SIZE in sgd else [(None, sgd)]
    path = limit.set_index("t")["y"]
    return {step: float((curve.set_index("t")["y"] - path).abs().max()) for step, curve in curves}


def describe(title: str, data: pd.DataFrame, seeds: int) -> str:
    """Return the figure in words, with its numbers."""
    names = panels_of(data)
    last = data["t"].max()
    ends = data[data["t"] == last]
    sentences = []
    for series, key in (("DD", LIMIT_DIMENSION), ("SGD", STEP_SIZE)):
        chosen = ends[ends["series"] == series]
        curves = chosen.groupby(key) if key in chosen else [(None, chosen)]
        for value, rows in curves:
            found = rows.set_index("quantity")["y"]
            sentence = {"DD": "The limit", "SGD": f"SGD, the mean of {seeds} runs,"}[series]
            if series == "DD":
                sentence += WHICH_LIMIT.get(str(value), "")
            elif value is not None:
                sentence += f" with steps of {value:g}"
            numbers = ", ".join(f"{name} {found[name]:.4f}" for name in names if name in found)
            sentences.append(f"{sentence} ends at {numbers}.")
    for step, gap in gaps(data, "risk").items():
        steps = "" if step is None else f" with steps of {step:g}"
        sentences.append(
            f"The mean risk of SGD{steps} is within {gap:.4f} of the limit's at all times."
        )
    return (
        f"{title}. All quantities are dimensionless. Against log time, one panel each: "
        f"{', '.join(names)}; of the invariants the means over the neurons. Final values, at "
        f"t = {last:g}: {' '.join(sentences)}"
    )
