"""Figures of the benchmark, from the files that it wrote."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from benchmarks import sgd_report
from meanfield.digests import digest_of
from meanfield.figures import PAGE_WIDTH, PALETTE, letter, save_figure, use_style

_LABELS = {
    "numpy_loop": "NumPy loop",
    "torch_eager": "PyTorch eager",
    "jax_scan": "JAX scan",
    "numba_steps": "numba, step by step",
    "engine": "engine, data given",
    "engine_with_data": "engine, data drawn",
}
_SIZE = ["neurons", "dimension"]
_MARKERS = "osDv^"


def draw_comparison(folder: Path) -> None:
    """Draw sgd.png and sgd.svg: the cost of a step of every implementation at every size.

    Args:
        folder: holds sgd.json and sgd_rounds.csv.
    """
    use_style()
    text = (folder / "sgd.json").read_text(encoding="utf-8")
    gflops = json.loads(text)["sgemm_gflops"]
    table = sgd_report.medians(pd.read_csv(folder / "sgd_rounds.csv", keep_default_na=False))
    best = sgd_report.fastest(table)
    order = [name for name in _LABELS if name in set(best["implementation"])]
    sizes = list(best[["neurons", "dimension"]].drop_duplicates().itertuples(index=False))
    figure, panels = plt.subplots(
        1, len(sizes), figsize=(PAGE_WIDTH, 2.4), sharey=True, layout="constrained", squeeze=False
    )
    for axes, (neurons, dimension), name in zip(panels[0], sizes, "abcdef", strict=False):
        here = (table["neurons"] == neurons) & (table["dimension"] == dimension)
        chosen = best[(best["neurons"] == neurons) & (best["dimension"] == dimension)]
        # Before anything is drawn: limits found on a linear axis reach below 0.
        axes.set_xscale("log")
        _bars(axes, table[here], chosen, order)
        bound = 4e-3 * neurons * dimension / gflops
        axes.axvline(bound, color=PALETTE["prediction"], ls="--", lw=0.9, zorder=0)
        axes.annotate(
            "SGEMM", (bound, 0), (3, 2), xycoords=("data", "axes fraction"),
            textcoords="offset points", color=PALETTE["prediction"], size=6.5,
        )  # fmt: skip
        axes.set(title=f"N = {neurons}, d = {dimension}", xlabel="µs a step")
        axes.set_yticks(range(len(order)), [_LABELS[label] for label in order])
        letter(axes, name)
    panels[0][0].invert_yaxis()
    sns.despine(figure)
    _save(figure, folder, "sgd", text, (
        "Time of one step of SGD on one core for each implementation, three sizes; dots: the "
        "fastest variant, with the range over the rounds; rings: other variants; dashed: 4 N d "
        f"operations at the rate of SGEMM, {gflops:.0f} GFLOP/s."
    ))  # fmt: skip


def _bars(axes: Axes, table: pd.DataFrame, best: pd.DataFrame, order: list[str]) -> None:
    others = table[~table["variant"].eq("")]
    axes.plot(
        others["median"], [order.index(name) for name in others["implementation"]],
        "o", mfc="none", mec=PALETTE["neutral"], mew=0.6, ms=3.5,
    )  # fmt: skip
    smallest, largest = float(table["median"].min()), float(table["median"].max())
    for row in best.to_dict("records"):
        place = order.index(row["implementation"])
        color = PALETTE["sgd" if row["implementation"].startswith("engine") else "neutral"]
        axes.plot([row["min"], row["max"]], [place, place], color=color, lw=1.3)
        axes.plot(row["median"], place, "o", color=color, ms=4.5)
        axes.annotate(
            f"{row['median']:.3g}", (row["median"], place), (0, 6), textcoords="offset points",
            ha="center", va="bottom", size=6.5, zorder=5,
            bbox={"boxstyle": "square,pad=0.05", "color": "white"},
        )  # fmt: skip
    axes.set_ylim(-0.8, len(order) - 0.4)
    axes.set_xlim(smallest / 1.6, 1.6 * largest)


def draw_scaling(folder: Path) -> None:
    """Draw sgd_scaling.png and .svg: cost against N, d, block size and sparsity.

    Args:
        folder: holds sgd_scaling.json.
    """
    use_style()
    text = (folder / "sgd_scaling.json").read_text(encoding="utf-8")
    result = json.loads(text)
    table = pd.DataFrame(result["rows"])
    figure, grid = plt.subplots(2, 2, figsize=(PAGE_WIDTH, 4.6), layout="constrained")
    panels = list(grid.flat)
    for axes, study, symbol in zip(panels[:2], ("neurons", "dimension"), "Nd", strict=True):
        _power(axes, table[table["study"] == study], study, symbol, result)
    _blocks(panels[2], table[table["study"] == "block"])
    _sparsity(panels[3], table[table["study"] == "sparsity"], result["sgemm_gflops"])
    for axes, name in zip(panels, "abcd", strict=True):
        letter(axes, name)
    sns.despine(figure)
    _save(figure, folder, "sgd_scaling", text, (
        "Time of one step of the engine on one core: against the number of neurons, against the "
        "dimension, each with a fitted power; against the size of a block; and for two "
        "separations of the classes, which set how often sigma' is not 0, "
        "as a share of the rate of SGEMM."
    ))  # fmt: skip


def _power(axes: Axes, table: pd.DataFrame, study: str, symbol: str, result: Any) -> None:
    # "prediction": what SGEMM would take for the 4 N d operations of a step.
    styles = {"engine": (PALETTE["neutral"], "^"), "engine_with_data": (PALETTE["sgd"], "o")}
    for name, own in table.groupby("implementation", sort=False):
        color, marker = styles[str(name)]
        power = result["slopes"][study][str(name)]
        axes.loglog(own[study], own["us_per_step"], marker, color=color, ms=4)
        fitted = own[own[study] >= result["slopes_from"][study]]
        x = fitted[study].to_numpy(float)
        level = np.exp(np.mean(np.log(fitted["us_per_step"]) - power * np.log(x)))
        axes.loglog(x, level * x**power, color=color)
        label = f"{_LABELS[str(name)]}: $\\propto {symbol}^{{{power:.2f}}}$"
        axes.loglog([], [], marker=marker, color=color, ms=4, label=label)
    first = table.drop_duplicates(study)
    bound = 4e-3 * first["neurons"] * first["dimension"] / result["sgemm_gflops"]
    axes.loglog(first[study], bound, "--", color=PALETTE["prediction"], lw=0.9, label="SGEMM")
    other = "dimension" if study == "neurons" else "neurons"
    axes.set(
        xlabel=symbol, ylabel="µs a step",
        title=f"{'d' if symbol == 'N' else 'N'} = {first[other].iloc[0]}",
    )  # fmt: skip
    axes.legend(loc="upper left")


def _blocks(axes: Axes, table: pd.DataFrame) -> None:
    for (size, own), marker in zip(table.groupby(_SIZE, sort=False), _MARKERS, strict=False):
        axes.loglog(own["block"], own["us_per_step"], marker=marker, ms=4, color=PALETTE["sgd"])
        axes.annotate(
            "{}, {}".format(*size), (own["block"].iloc[-1], own["us_per_step"].iloc[-1]),
            (6, 0), textcoords="offset points", va="center", size=6.5,
        )  # fmt: skip
    axes.set_xscale("log", base=2)
    blocks = sorted(set(table["block"]))
    axes.set_xticks(blocks, [str(block) for block in blocks])
    axes.set(xlabel="samples of a block", ylabel="µs a step")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.set_ylim(bottom=0.6 * table["us_per_step"].min())
    axes.annotate(
        "N, d", (1, 1), (2, 0), xycoords="axes fraction", textcoords="offset points", size=6.5
    )


def _sparsity(axes: Axes, table: pd.DataFrame, gflops: float) -> None:
    # Where both were measured, data given shows the effect best: drawing them costs the same.
    table = table[table["implementation"] == table["implementation"].iloc[0]]
    sizes = [f"{n}, {d}" for n, d in zip(table["neurons"], table["dimension"], strict=True)]
    active = table.groupby("delta")["active"].mean()
    labels = [f"Δ = {delta} ({active[delta]:.0%} of σ' not 0)" for delta in table["delta"]]
    rate = 4e-3 * table["neurons"] * table["dimension"] / table["us_per_step"] / gflops
    sns.barplot(
        x=sizes, y=rate, hue=labels, ax=axes, palette=[PALETTE["neutral"], PALETTE["sgd"]],
        saturation=1, width=0.7,
    )  # fmt: skip
    axes.axhline(1, color=PALETTE["prediction"], ls="--", lw=0.9)
    axes.set(xlabel="N, d", ylabel="rate / rate of SGEMM", ylim=(0, 1.4 * rate.max()))
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.legend(loc="upper left", title=None)


def _save(figure: Any, folder: Path, name: str, text: str, alt_text: str) -> None:
    pictures = [folder / f"{name}.{suffix}" for suffix in ("png", "svg")]
    save_figure(figure, pictures, digest=digest_of(text), alt_text=alt_text)
    plt.close(figure)
