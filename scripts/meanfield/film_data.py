"""The data of a film of the radial law of SGD and its limit: histogram, density, atom, risks."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from meanfield.metrics import Quantiles
from meanfield.summaries import network_risk

Floats = NDArray[np.float64]

SMOOTHED = 5
"""Frames of which the vertical scale takes the largest peak, and over which this is averaged."""

CELLS_PER_BIN = 3
"""Cells of the limit's density for each bin of the histogram: its law is known without scatter."""

SLACK = 0.02
"""Room beside the laws, relative to their extent."""


class Frame(NamedTuple):
    """The two laws at one time.

    Attributes:
        time: t.
        edges: edges of the bins, over the norms of SGD at this time, shape (bins + 1,).
        norms: smallest and largest of the norms of SGD.
        heights: density of SGD's norms in each bin, all seeds together, shape (bins,).
        cells: edges of the cells of the limit's density, shape (cells + 1,).
        density: density of the limit in each cell, without its atom, shape (cells,).
        atom: mass of the limit at r = 0.
        inner: mass of SGD and of the limit below the inner radius.
        peak: largest of the densities outside of the inner radius.
        scale: the largest peak of the frames about this one, averaged over these: at least its own.
    """

    time: float
    edges: Floats
    norms: tuple[float, float]
    heights: Floats
    cells: Floats
    density: Floats
    atom: float
    inner: tuple[float, float]
    peak: float
    scale: float

    @property
    def extent(self) -> tuple[float, float]:
        """Where the laws are: from 0 if there is an atom."""
        low = 0.0 if self.atom > 0 else min(self.edges[0], self.cells[0])
        return float(low), float(max(self.edges[-1], self.cells[-1]))


class Film(NamedTuple):
    """All that is shown.

    Attributes:
        frames: the laws, by time.
        risks: times and the risk of SGD (mean of the seeds) and of the limit, one row a frame.
        inner_radius: norm below which mass is counted rather than shown to scale.
        largest: largest of all norms.
    """

    frames: list[Frame]
    risks: pd.DataFrame
    inner_radius: float | None
    largest: float


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
    norms, atoms = (each.omega.sel(time=times, invariant="r") for each in (sgd, dd))
    known = np.isfinite(dd.level.values)  # other points of the sweep may have more atoms
    levels, mass = dd.level.values[known], dd.mass.values[known]
    frames = []
    for time in times:
        ours = norms.sel(time=time).values
        limit = atoms.sel(time=time).values[known]
        frames.append(
            _frame(
                float(time),
                ours[np.isfinite(ours)],
                Quantiles(levels, limit),
                float(mass[limit == 0].sum()),
                settings,
            )
        )
    # The numbered scale moves smoothly, and holds every peak: that of a frame is in all the maxima
    # that its average is made of.
    peaks = np.log([frame.peak for frame in frames])
    scales = np.exp(uniform_filter1d(maximum_filter1d(peaks, SMOOTHED), SMOOTHED))
    frames = [frame._replace(scale=float(s)) for frame, s in zip(frames, scales, strict=True)]
    risks = pd.DataFrame(
        {
            "t": times,
            "SGD": network_risk(sgd).sel(time=times).mean("seed").values,
            "DD": dd.risk.sel(time=times).values,
        }
    )
    largest = max(frame.extent[1] for frame in frames)
    return Film(frames, risks, settings["inner_radius"], largest)


def _frame(
    time: float, norms: Floats, limit: Quantiles, atom: float, settings: Mapping[str, Any]
) -> Frame:
    """Return the laws at one time, from the norms of SGD and the limit's quantile function."""
    extremes = float(norms.min()), float(norms.max())
    edges = _covering(*extremes, settings["bins"])
    heights, _ = np.histogram(norms, bins=edges, density=True)
    spread = limit.radii[limit.radii > 0]
    cells, density = np.array([0.0, 0.0]), np.zeros(1)
    if len(spread) > 1:
        low, high = limit([0.0, 1.0])
        cells = _covering(low, high, CELLS_PER_BIN * settings["bins"])
        # What is reached at an edge holds the mass there: an atom at 0 is in no cell.
        density = np.diff(limit.distribution(cells)[1]) / np.diff(cells)
    inner, below = settings["inner_radius"], (0.0, 0.0)
    if inner is not None:
        below = (float(np.mean(norms < inner)), float(limit.distribution(inner)[0]))
    outside = np.r_[heights[edges[:-1] >= (inner or 0)], density[cells[:-1] >= (inner or 0)]]
    peak = float(outside.max(initial=0.0)) or float(heights.max())
    return Frame(time, edges, extremes, heights, cells, density, atom, below, peak, peak)


def _covering(low: float, high: float, count: int) -> Floats:
    """Return the edges of equal cells that cover an interval, not below 0."""
    room = SLACK * (high - low) or SLACK * high or SLACK  # a law of one point has no extent
    return np.linspace(max(0.0, low - room), high + room, count + 1)


def film_table(film: Film) -> pd.DataFrame:
    """Return all that the frames show, as a long table: bars, densities, atoms and risks."""
    tables = []
    for frame in film.frames:
        for name, edges, heights in (
            ("SGD", frame.edges, frame.heights),
            ("DD", frame.cells, frame.density),
        ):
            shown = heights > 0
            columns = {"x": 0.5 * (edges[1:] + edges[:-1]), "y": heights}
            columns |= {"low": edges[:-1], "high": edges[1:]}
            chosen = {key: values[shown] for key, values in columns.items()}
            tables.append(pd.DataFrame({"panel": "law", "series": name, "t": frame.time, **chosen}))
        if frame.atom > 0:
            row = {"panel": "law", "series": "DD, mass at r = 0", "t": frame.time}
            tables.append(pd.DataFrame([row | {"x": 0.0, "y": frame.atom}]))
    for name in ("SGD", "DD"):
        risk = {"x": film.risks["t"], "y": film.risks[name]}
        tables.append(pd.DataFrame({"panel": "risk", "series": name, "t": risk["x"], **risk}))
    return pd.concat(tables, ignore_index=True)
