"""The data of Figure 2: minima against Delta, what SGD reaches, and the parts of what lies between.

With inf R the certified minimum, rho_t the limit and R_N the risk of N neurons under SGD with steps
of size eps,

    R_N - inf R = [R(rho_t) - inf R] + W / N + S,    W / N + S = R_N - R(rho_t):

what the limit has not done yet by the time t; what width adds, which is as 1/N; and what is left
however many neurons there are, which the steps add. Two widths N' < N tell the last two apart,

    W / N = (R_N' - R_N) N' / (N - N').

For N independent draws from rho_t, W would be K.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from meanfield.summaries import groups_of, network_risk, width
from meanfield.sweep_curves import STEP_SIZE

DELTA = "law.delta"

NEURONS = "sgd.neurons"

PARTS = ("time", "width", "step", "width and step")
"""Parts of the distance of SGD to the least risk; the last where there is one width alone."""

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

    Args:
        tree: an experiment's aggregate.
        points: name, swept settings and runs of its points.
        minimum: the table of `minimum_data`.

    Returns:
        Long table by Delta (x): "DD" and the part "time"; by number of neurons as well "draws",
        K/N; and by step size too "SGD" and its "fluctuation" E Var(yhat | s, y), and for the
        largest number of neurons the parts "width" and "step", or "width and step" if it is the
        only one. What depends on the seed is a mean, between low and high, the smallest and the
        largest.
    """
    least = minimum[minimum["series"] == "inf R"]
    rows: list[dict[str, Any]] = []
    for (delta, step), runs in _by_delta_and_step(tree, points).items():
        widest, *others = sorted(runs, reverse=True)
        limit, time = float(runs[widest].limit), float(runs[widest].time)
        floor = float(np.interp(delta, least["x"], least["y"]))
        common: dict[str, Any] = {"x": delta, "t": time}
        rows.append({"series": "DD", **common, "y": limit})
        rows.append({"series": "time", **common, "y": limit - floor})
        for neurons, run in runs.items():
            own: dict[str, Any] = {**common, NEURONS: neurons}
            rows.append({"series": "draws", **own, "y": float(run.draws)})
            own[STEP_SIZE] = step
            rows.append({"series": "SGD", **own, **_spread(run.risk)})
            rows.append({"series": "fluctuation", **own, **_spread(run.fluctuation)})
        excess = runs[widest].risk - limit
        parts = {"width and step": excess}
        if others:
            wide = due_to_width(runs[widest].risk, runs[others[0]].risk, widest, others[0])
            parts = {"width": wide, "step": excess - wide}
        for name, values in parts.items():
            at = {**common, NEURONS: widest, STEP_SIZE: step}
            rows.append({"series": name, **at, **_spread(values)})
    table = pd.DataFrame(rows).sort_values("x", kind="stable", ignore_index=True)
    columns = ["series", "x", NEURONS, STEP_SIZE, "t", "y", "low", "high"]
    return table.reindex(columns=columns).drop_duplicates(ignore_index=True)


def due_to_width(
    wide: xr.DataArray, narrow: xr.DataArray, neurons: int, fewer: int
) -> xr.DataArray:
    """Return what width adds to the risk of `neurons` neurons, from that of fewer of them.

    With R_N = R + W / N,  W / N = (R_N' - R_N) N' / (N - N'), seed by seed.
    """
    return (narrow - wide) * fewer / (neurons - fewer)


def _by_delta_and_step(
    tree: xr.DataTree, points: Sequence[Mapping[str, Any]]
) -> dict[tuple[float, float | None], dict[int, xr.Dataset]]:
    """Return the end of the runs by Delta and step size (None if it is not swept), and width.

    Their risk and fluctuation by seed, and of the limit at that time its risk and K/N.
    Nothing else is swept (`Figure2Settings`), so that no two points are the same here.
    """
    found: dict[tuple[float, float | None], dict[int, xr.Dataset]] = {}
    for row in points:
        groups = groups_of(tree, row["point"])
        sgd = groups["sgd"].dropna("time", how="all", subset=["risk"]).isel(time=-1)
        dd = groups["dd"].sel(time=sgd.time)
        neurons = width(groups["sgd"])
        end = xr.Dataset(
            {
                "risk": network_risk(sgd),
                "fluctuation": sgd.fluctuation,
                "limit": dd.risk,
                "draws": dd.width_coefficient / neurons,
            }
        )
        swept = row["swept"]
        found.setdefault((swept[DELTA], swept.get(STEP_SIZE)), {})[neurons] = end
    return found


def _spread(values: xr.DataArray) -> dict[str, float]:
    return {"y": float(values.mean()), "low": float(values.min()), "high": float(values.max())}
