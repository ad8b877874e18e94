"""The figure of the benchmark of the flow, from the file that it wrote."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from meanfield.digests import digest_of
from meanfield.figures import PAGE_WIDTH, PALETTE, letter, save_figure, use_style


def draw(folder: Path) -> None:
    """Draw flow.png and flow.svg: the time of a solution, and the cost against the atoms.

    Args:
        folder: holds flow.json.
    """
    use_style()
    text = (folder / "flow.json").read_text(encoding="utf-8")
    result = json.loads(text)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(PAGE_WIDTH, 4.2), layout="constrained", width_ratios=[1.5, 1]
    )
    _times(left, pd.DataFrame(result["rows"]))
    _scaling(right, pd.DataFrame(result["scaling"]), result)
    letter(left, "a")
    letter(right, "b")
    sns.despine(figure)
    pictures = [folder / f"flow.{suffix}" for suffix in ("png", "svg")]
    save_figure(figure, pictures, digest=digest_of(text), alt_text=(
        "(a) Time of a whole solution of the limits of Figures 1, 3 and 4 on one core, for each "
        "implementation at equal accuracy of the risk, with the range over the rounds and the "
        "number of right-hand sides. (b) Time of one right-hand side against the number of atoms "
        f"J, on logarithmic scales: a power {result['slope']:.2f} of J."
    ))  # fmt: skip
    plt.close(figure)


def _times(axes: Axes, table: pd.DataFrame) -> None:
    places, labels, place = [], [], 0.0
    for case, rows in table.groupby("case", sort=False):
        axes.text(0.0, place - 0.05, str(case), transform=axes.get_yaxis_transform(), weight="bold",
                  size=7, va="center")  # fmt: skip
        for row in rows.to_dict("records"):
            place += 1
            places.append(place)
            labels.append(row["implementation"])
            color = PALETTE["dd" if row["implementation"] == "this flow" else "neutral"]
            if not np.isfinite(row["seconds"]):
                axes.text(0.02, place, "not reached", transform=axes.get_yaxis_transform(),
                          size=6.5, va="center", color=color)  # fmt: skip
                continue
            low, high = row["seconds_min"], row["seconds_max"]
            axes.plot([low, high], [place, place], color=color, lw=1.3)
            axes.plot(row["seconds"], place, "o", color=color, ms=4)
            axes.annotate(
                f"{row['seconds']:.3g} s, {row['right_hand_sides']:.0f}", (high, place), (5, 0),
                textcoords="offset points", va="center", size=6.5,
            )  # fmt: skip
        place += 1.6
    axes.set(xscale="log", xlabel="seconds, right-hand sides")
    axes.set_yticks(places, labels)
    axes.set_ylim(place - 1, -0.8)
    axes.set_xlim(right=20 * float(table["seconds"].max()))


def _scaling(axes: Axes, table: pd.DataFrame, result: dict[str, Any]) -> None:
    atoms, cost = table["atoms"].to_numpy(float), table["us"].to_numpy(float)
    axes.loglog(atoms, cost, "o", color=PALETTE["dd"], ms=4)
    fitted = atoms >= result["slope_from"]
    power = result["slope"]
    level = np.exp(np.mean(np.log(cost[fitted]) - power * np.log(atoms[fitted])))
    axes.loglog(
        atoms, level * atoms**power, color=PALETTE["dd"], label=f"$\\propto J^{{{power:.2f}}}$"
    )
    axes.set(
        xlabel="number of atoms J", ylabel="µs a right-hand side",
        title=f"Q = {table['nodes'].iloc[0]}",
    )  # fmt: skip
    axes.legend(loc="upper left")
