"""A film of the radial law of SGD and its limit: its frames, its stills, and it in words.

Beside the law, the risk of both as far as time has gone.
"""

from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from meanfield.animation import Canvas, Pixels
from meanfield.figures import PAGE_WIDTH, PALETTE
from meanfield.film_data import Film, Frame

SMALLEST_MASS = 0.005
"""Mass at 0, or below the inner radius, from which on it is worth a line."""

HEADROOM = 1.3
"""Height of a panel relative to the largest density in it."""


class LawPanel:
    """The histogram of SGD and the density of its limit, at one time after the other.

    An atom of the limit at r = 0 is a stem, as high as the largest density if it has all mass.
    """

    def __init__(self, axes: Axes, film: Film) -> None:
        self._film, self._axes = film, axes
        first = film.frames[0]
        self.bars = axes.stairs(
            first.heights, first.edges, fill=True, color=PALETTE["sgd"], label="SGD"
        )
        self.line = axes.stairs(
            first.density, first.cells, color=PALETTE["dd"], linewidth=1.1, label="DD"
        )
        place = axes.get_xaxis_transform()  # x as the data, y as the panel
        (self.stem,) = axes.plot(
            [0, 0], [0, 0], "o-", color=PALETTE["dd"], markersize=5, linewidth=2, markevery=[1],
            transform=place, clip_on=False, label="DD, mass at $r = 0$", zorder=4,
        )  # fmt: skip
        self.title = axes.set_title(" ", pad=4)
        self.words = axes.text(0, 0.97, "", transform=axes.transAxes, va="top", size=7)
        for inside in (self.stem, self.words):
            inside.set_in_layout(False)
        axes.set_xlim(-0.02 * film.largest, 1.02 * film.largest)
        axes.set_xlabel(r"norm of a weight vector, $r = \|w\|$")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        locator = MaxNLocator(4)
        axes.yaxis.set_major_locator(locator)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        # The layout is made once, for the longest numbers.
        tops = [HEADROOM * frame.scale for frame in film.frames]
        axes.set_ylim(0, max(tops, key=lambda top: _longest(locator.tick_values(0, top), top)))
        sns.despine(ax=axes)

    @property
    def moving(self) -> list[Artist]:
        """What changes from frame to frame, from the back to the front."""
        return [self.bars, self.line, self.stem, self._axes.yaxis, self.title, self.words]

    def zoom(self, frame: Frame) -> None:
        """Show only the radii where the laws are at one time."""
        low, high = frame.extent
        self._axes.set_xlim(low - 0.06 * (high - low), high + 0.06 * (high - low))

    def show(self, frame: Frame, time: str, scale: float) -> None:
        """Show one time, written as given, and densities up to a scale."""
        self.bars.set_data(frame.heights, frame.edges)
        self.line.set_data(frame.density, frame.cells)
        self.line.set_visible(bool(frame.density.any()))
        self.stem.set_data([0, 0], [0, frame.atom / HEADROOM])
        self.stem.set_visible(frame.atom > 0)
        self._axes.set_ylim(0, HEADROOM * scale)
        self.title.set_text(f"$t = {time}$")
        lines = []
        if frame.atom > SMALLEST_MASS:
            lines.append(f"DD: {100 * frame.atom:.1f} % at $r = 0$")
        if max(frame.inner) > SMALLEST_MASS:
            ours, theirs = (100 * mass for mass in frame.inner)
            lines += [f"$r < {self._film.inner_radius:g}$:", f"SGD {ours:.1f} %"]
            lines += [f"DD {theirs:.1f} %"]
        self.words.set_text("\n".join(lines))
        self._make_room()

    def _make_room(self) -> None:
        """Put the words on the side of the panel that the laws leave free."""
        low, high = self._axes.get_xlim()
        heights, edges, _ = self.bars.get_data()
        middle = np.average(0.5 * (edges[1:] + edges[:-1]), weights=heights * np.diff(edges))
        left = middle > low + 0.5 * (high - low)
        self.words.set_x(0.1 if left else 1.0)
        self.words.set_horizontalalignment("left" if left else "right")


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
    """Return the pictures of a film, one a frame: one scale of r, and of densities one a frame."""
    figure = plt.figure(figsize=(6.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.7, 1])
    law, risk = LawPanel(left, film), RiskPanel(right, film.risks)
    left.set_ylabel(r"density $\bar\rho_t(r)$, moving scale")
    if heading:
        figure.suptitle(heading, size=8)
    right.legend(loc="best")  # for both panels: the law passes everywhere in its own
    canvas = Canvas(figure, [*law.moving, *risk.moving])
    pictures = []
    for frame in film.frames:
        law.show(frame, _steady(frame.time), frame.scale)
        risk.show(frame.time)
        pictures.append(canvas.frame())
    plt.close(figure)
    return pictures


def draw_strip(film: Film, stills: list[float], heading: str, *, zoom: bool) -> Figure:
    """Return a figure of several of a film's laws, side by side.

    Args:
        film: the film.
        stills: their times.
        heading: what stands above; nothing if empty.
        zoom: whether each has its own scale of r, over its laws; else they share that of the film.
    """
    columns = min(3, len(stills))
    rows = -(-len(stills) // columns)
    figure = plt.figure(figsize=(PAGE_WIDTH, 0.7 + 1.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=not zoom)
    frames = {frame.time: frame for frame in film.frames}
    for axes, time in zip(panels.flat, stills, strict=False):
        panel = LawPanel(axes, film)
        if zoom:
            panel.zoom(frames[time])
        panel.show(frames[time], f"{time:g}", frames[time].peak)
    for axes in panels.flat[len(stills) :]:
        axes.set_axis_off()
    for row in panels:
        row[0].set_ylabel(r"density $\bar\rho_t(r)$")
    for axes in panels[:-1].flat:
        axes.set_xlabel("")
    most = int(np.argmax([frames[time].atom for time in stills]))  # there a stem is, if anywhere
    handles, labels = panels.flat[most].get_legend_handles_labels()
    shown = slice(None) if frames[stills[most]].atom > 0 else slice(2)
    figure.legend(handles[shown], labels[shown], loc="outside upper right", ncols=3)
    note = "each panel has its own scales" if zoom else "each panel has its own scale of density"
    figure.suptitle("; ".join(filter(None, [heading, note])), size=8, x=0.01, ha="left")
    return figure


def describe_film(title: str, film: Film, stills: list[float], seeds: int) -> str:
    """Return the film in words, with its numbers."""
    first, last = film.risks.iloc[0], film.risks.iloc[-1]
    end = film.frames[-1]
    masses = ""
    if max(end.inner) > SMALLEST_MASS:
        ours, theirs = (100 * mass for mass in end.inner)
        masses = (
            f" At the end {ours:.1f} % of SGD's neurons and {theirs:.1f} % of the limit's mass are "
            f"below a norm of {film.inner_radius:g}."
        )
    if end.atom > SMALLEST_MASS:
        masses += (
            f" At the end {100 * end.atom:.1f} % of the limit's mass is at a norm of 0, drawn as a "
            f"stem, and the norms of SGD's neurons are between {end.norms[0]:.3g} and "
            f"{end.norms[1]:.3g}."
        )
    return (
        f"{title}. All quantities are dimensionless. A film of {len(film.frames)} frames from "
        f"t = {first['t']:g} to {last['t']:g}, and stills at t = "
        f"{', '.join(f'{time:g}' for time in stills)}: a histogram of the norms of the neurons' "
        f"weight vectors, {seeds} run(s) of SGD together, under the density that the "
        "distributional dynamics predict; the scale of densities follows the largest."
        f"{masses} Beside it the risk as far as time has gone: SGD's falls from {first['SGD']:.3f} "
        f"to {last['SGD']:.3f}, the limit's from {first['DD']:.3f} to {last['DD']:.3f}."
    )


def _longest(values: Iterable[float], top: float) -> float:
    """Return the length of the longest number up to the top, in digits; a point is half as wide."""
    texts = [f"{value:g}" for value in values if value <= top]
    return max(len(text) - 0.5 * text.count(".") for text in texts)


def _steady(time: float) -> str:
    """Return a time in digits that do not jump from frame to frame."""
    return f"{time:.2f}" if time >= 0.1 or time == 0 else f"{time:.2g}"
