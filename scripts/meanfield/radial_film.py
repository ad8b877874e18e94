"""A film of the radial law of SGD and its limit: its data, its frames, its stills, and it in words.

Beside the law, the risk of both as far as time has gone.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from meanfield.animation import Canvas, Pixels
from meanfield.figures import PAGE_WIDTH, PALETTE
from meanfield.summaries import network_risk

Floats = NDArray[np.float64]

SMALLEST_MASS = 0.005
"""Mass below the inner radius from which on it is worth a line."""


SMOOTHED = 9
"""Frames over which the vertical scale is averaged."""


class Frame(NamedTuple):
    """The two laws at one time.

    Attributes:
        time: t.
        heights: density of SGD's norms in each bin, all seeds together, shape (bins,).
        density: density of the limit at the radii of the film, shape (cells,).
        inner: mass of SGD and of the limit below the inner radius.
        peak: largest of the densities outside of the inner radius, smoothed over the frames.
    """

    time: float
    heights: Floats
    density: Floats
    inner: tuple[float, float]
    peak: float


class Film(NamedTuple):
    """All that is shown.

    Attributes:
        edges: edges of the histogram's bins, shape (bins + 1,).
        radii: where the limit's density is given, shape (cells,).
        frames: the laws, by time.
        risks: times and the risk of SGD (mean of the seeds) and of the limit, one row a frame.
        inner_radius: norm below which mass is counted rather than shown to scale.
    """

    edges: Floats
    radii: Floats
    frames: list[Frame]
    risks: pd.DataFrame
    inner_radius: float | None


def film_data(selected: Mapping[str, xr.Dataset], settings: Mapping[str, Any]) -> Film:
    """Return histograms, densities and risks at the times of a film's frames.

    Args:
        selected: groups of the aggregate at one point.
        settings: those of the film.

    Returns:
        The film's data; all stills are among its frames.
    """
    sgd, dd = selected["sgd"], selected["dd"]
    dd = dd.dropna("time", how="all", subset=["risk"])
    times = dd.time.values
    count = min(settings["frames"], len(times))
    chosen = np.linspace(0, len(times) - 1, count).round().astype(int)
    times = np.union1d(times[chosen], settings["stills"])
    radii = sgd.omega.sel(time=times, invariant="r")
    atoms = dd.omega.sel(time=times, invariant="r")
    density = dd.density.sel(time=times).dropna("radius", how="all")
    largest = max(float(radii.max()), float(atoms.max()))
    edges = np.linspace(0, 1.02 * largest, settings["bins"] + 1)
    inner = settings["inner_radius"]
    frames = []
    for time in times:
        norms = radii.sel(time=time).values
        norms = norms[np.isfinite(norms)]
        heights, _ = np.histogram(norms, bins=edges, density=True)
        below = (0.0, 0.0)
        if inner is not None:
            mass = dd.mass.where(atoms.sel(time=time) < inner).sum()
            below = (float(np.mean(norms < inner)), float(mass))
        line = density.sel(time=time).fillna(0).values
        outside = np.r_[heights[edges[:-1] >= (inner or 0)], line[density.radius >= (inner or 0)]]
        peak = float(outside.max(initial=0.0)) or float(heights.max())
        frames.append(Frame(float(time), heights, line, below, peak))
    risks = pd.DataFrame(
        {
            "t": times,
            "SGD": network_risk(sgd).sel(time=times).mean("seed").values,
            "DD": dd.risk.sel(time=times).values,
        }
    )
    # The height of a density says no more than its width: each frame fills the panel, and the
    # scale moves smoothly.
    peaks = np.exp(uniform_filter1d(np.log([frame.peak for frame in frames]), SMOOTHED))
    frames = [frame._replace(peak=float(peak)) for frame, peak in zip(frames, peaks, strict=True)]
    return Film(edges, density.radius.values, frames, risks, inner)


class LawPanel:
    """The histogram of SGD and the density of its limit, at one time after the other."""

    def __init__(self, axes: Axes, film: Film) -> None:
        self._film = film
        nothing = np.zeros(len(film.edges) - 1)
        self.bars = axes.stairs(nothing, film.edges, fill=True, color=PALETTE["sgd"], label="SGD")
        empty, cells = np.zeros(len(film.radii)), _edges(film.radii)
        self.line = axes.stairs(empty, cells, color=PALETTE["dd"], linewidth=1.3, label="DD")
        self.title = axes.set_title(" ", pad=4)
        self.words = axes.text(0.03, 0.97, "", transform=axes.transAxes, va="top", size=7)
        axes.set(xlim=(-0.015 * film.edges[-1], film.edges[-1]), ylim=(0, 1.3), yticks=[])
        axes.set_xlabel(r"norm of a weight vector, $r = \|w\|$")
        sns.despine(ax=axes)

    @property
    def moving(self) -> list[Artist]:
        """What changes from frame to frame, from the back to the front."""
        return [self.bars, self.line, self.title, self.words]

    def show(self, frame: Frame) -> None:
        """Show one time."""
        self.bars.set_data(frame.heights / frame.peak)
        self.line.set_data(np.where(frame.density > 0, frame.density, np.nan) / frame.peak)
        self.title.set_text(f"$t = {_time(frame.time)}$")
        words = ""
        if max(frame.inner) > SMALLEST_MASS:
            ours, theirs = (100 * mass for mass in frame.inner)
            radius = self._film.inner_radius
            words = f"$r < {radius:g}$\nSGD {ours:.1f} %\nDD {theirs:.1f} %"
        self.words.set_text(words)


class RiskPanel:
    """The risk of SGD and its limit: all of it faint, and in full as far as time has gone."""

    def __init__(self, axes: Axes, risks: pd.DataFrame) -> None:
        self._risks = risks
        times = risks["t"].to_numpy()
        late = times[len(times) // 2] < 0.2 * times[-1]  # more frames early: on a log scale
        if late:
            axes.set_xscale("log")
            axes.set_xlim(times[times > 0].min(), times[-1])
        else:
            axes.set_xlim(0, times[-1])
        self._lines = {}
        for name, role, width in (("SGD", "sgd", 2.6), ("DD", "dd", 1.2)):
            color = PALETTE[role]
            axes.plot(times, risks[name], alpha=0.25, color=color, linewidth=width)
            (line,) = axes.plot([], [], label=name, color=color, linewidth=width)
            (dot,) = axes.plot([], [], "o", color=color, markersize=4)
            self._lines[name] = (line, dot)
        axes.set_ylim(0, 1.08 * risks[["SGD", "DD"]].to_numpy().max())
        axes.set(xlabel=r"time $t = k\varepsilon$", ylabel="risk $R$")
        sns.despine(ax=axes)

    @property
    def moving(self) -> list[Artist]:
        """What changes from frame to frame, from the back to the front."""
        return [artist for line in self._lines.values() for artist in line]

    def show(self, time: float) -> None:
        """Show the risks up to a time."""
        past = self._risks[self._risks["t"] <= time]
        for name, (line, dot) in self._lines.items():
            line.set_data(past["t"], past[name])
            dot.set_data(past["t"].iloc[-1:], past[name].iloc[-1:])


def film_frames(film: Film, heading: str) -> list[Pixels]:
    """Return the pictures of a film, one a frame."""
    figure = plt.figure(figsize=(6.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
    law, risk = LawPanel(left, film), RiskPanel(right, film.risks)
    left.set_ylabel(r"density $\bar\rho_t(r)$, scaled")
    if heading:
        figure.suptitle(heading, size=8)
    right.legend(loc="best")  # for both panels: the law passes everywhere in its own
    canvas = Canvas(figure, [*law.moving, *risk.moving])
    pictures = []
    for frame in film.frames:
        law.show(frame)
        risk.show(frame.time)
        pictures.append(canvas.frame())
    plt.close(figure)
    return pictures


def draw_strip(film: Film, stills: list[float], heading: str) -> Figure:
    """Return a figure of several of a film's laws, side by side on common axes."""
    columns = min(3, len(stills))
    rows = -(-len(stills) // columns)
    figure = plt.figure(figsize=(PAGE_WIDTH, 0.6 + 1.55 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
    frames = {frame.time: frame for frame in film.frames}
    for axes, time in zip(panels.flat, stills, strict=False):
        LawPanel(axes, film).show(frames[time])
    for axes in panels.flat[len(stills) :]:
        axes.set_axis_off()
    for row in panels:
        row[0].set_ylabel(r"density $\bar\rho_t(r)$, scaled")
    for axes in panels[:-1].flat:
        axes.set_xlabel("")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)
    if heading:
        figure.suptitle(heading, size=8, x=0.01, ha="left")
    return figure


def film_table(film: Film) -> pd.DataFrame:
    """Return all that the frames show, as a long table: bars, densities and risks."""
    tables = []
    for frame in film.frames:
        bars = {"x": 0.5 * (film.edges[1:] + film.edges[:-1]), "y": frame.heights}
        bars |= {"low": film.edges[:-1], "high": film.edges[1:]}
        shown = frame.density > 0
        line = {"x": film.radii[shown], "y": frame.density[shown]}
        for name, columns in (("SGD", bars), ("DD", line)):
            tables.append(
                pd.DataFrame({"panel": "law", "series": name, "t": frame.time, **columns})
            )
    for name in ("SGD", "DD"):
        risk = {"x": film.risks["t"], "y": film.risks[name]}
        tables.append(pd.DataFrame({"panel": "risk", "series": name, "t": risk["x"], **risk}))
    return pd.concat(tables, ignore_index=True)


def describe_film(title: str, film: Film, stills: list[float], seeds: int) -> str:
    """Return the film in words, with its numbers."""
    first, last = film.risks.iloc[0], film.risks.iloc[-1]
    inner = ""
    if max(film.frames[-1].inner) > SMALLEST_MASS:
        ours, theirs = (100 * mass for mass in film.frames[-1].inner)
        inner = (
            f" At the end {ours:.1f} % of SGD's neurons and {theirs:.1f} % of the limit's mass are "
            f"below a norm of {film.inner_radius:g}."
        )
    return (
        f"{title}. All quantities are dimensionless. A film of {len(film.frames)} frames from "
        f"t = {first['t']:g} to {last['t']:g}, and stills at t = "
        f"{', '.join(f'{time:g}' for time in stills)}: a histogram of the norms of the neurons' "
        f"weight vectors, {seeds} run(s) of SGD together, under the density that the "
        "distributional dynamics predict."
        f"{inner} Beside it the risk as far as time has gone: SGD's falls from {first['SGD']:.3f} "
        f"to {last['SGD']:.3f}, the limit's from {first['DD']:.3f} to {last['DD']:.3f}."
    )


def _edges(middles: Floats) -> Floats:
    """Return the edges of equal cells with these middles; the density is an average over a cell."""
    width = middles[1] - middles[0]
    return np.append(middles - width / 2, middles[-1] + width / 2)


def _time(time: float) -> str:
    return f"{time:.2f}" if time >= 0.1 or time == 0 else f"{time:.2g}"
