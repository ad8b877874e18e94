"""An aggregate of a sweep with known numbers, for the tests of the figures that draw one."""

from typing import Any

import numpy as np
import xarray as xr

TIMES = np.array([0.0, 0.1, 1.0, 10.0])
SEEDS = [1, 2]
NEURONS = 5


def sgd_run(risk: float, names: list[str], value: float, neurons: int = NEURONS) -> xr.Dataset:
    """Return two runs whose risk ends at `risk` ± 0.01, all invariants at a value."""
    spread = np.array([-0.01, 0.01])[:, np.newaxis]
    omega = np.full((2, len(TIMES), neurons, len(names)), value)
    path = 1 / (1 + TIMES) + spread
    path[:, -1] = risk + spread[:, 0]
    return xr.Dataset(
        {
            "omega": (("seed", "time", "neuron", "invariant"), omega),
            "risk": (("seed", "time"), path + 5),
            "reduced_risk": (("seed", "time"), path - 0.02),
            "fluctuation": (("seed", "time"), np.full(path.shape, 0.02)),
        },
        coords={"seed": SEEDS, "time": TIMES, "invariant": names, "neuron": np.arange(neurons)},
    )


def dd_run(risk: float, names: list[str], value: float) -> xr.Dataset:
    """Return a limit whose risk ends at `risk`, its two atoms about a value."""
    path = 1 / (1 + TIMES)
    path[-1] = risk
    omega = np.full((len(TIMES), 2, len(names)), value)
    omega[:, 0] -= 0.5
    omega[:, 1] += 0.5
    probe = np.linspace(0, 4, 9)
    return xr.Dataset(
        {
            "omega": (("time", "atom", "invariant"), omega),
            "mass": ("atom", [0.25, 0.75]),
            "risk": ("time", path),
            "width_coefficient": ("time", np.full(len(TIMES), 0.5)),
            "potential": (("time", "probe"), np.tile((probe - 2) ** 2, (len(TIMES), 1))),
        },
        coords={"time": TIMES, "invariant": names, "probe": probe},
    )


def comparison(sgd: xr.Dataset, dd: xr.Dataset) -> xr.Dataset:
    """Return the means of two runs, as the aggregate has them."""
    return xr.Dataset(
        {
            "sgd_mean": sgd.omega.mean("neuron"),
            "dd_mean": dd.omega.weighted(dd.mass).mean("atom"),
        }
    )


def statics_run(deltas: list[float] | None = None) -> xr.Dataset:
    """Return minima inf R = (1 - Delta)^2, at a list of Delta or at Delta = 0.5."""
    at = np.array([0.5] if deltas is None else deltas)
    omega = np.stack([np.full(len(at), 1.5), np.full(len(at), np.inf)], axis=1)
    found = xr.Dataset(
        {
            "risk_min": ("delta", (1 - at) ** 2),
            "sphere_risk": ("delta", (1 - at) ** 2 + 0.1 * at),
            "sphere_radius": (("delta", "invariant"), 1 + at[:, np.newaxis]),
            "omega": (("delta", "atom", "invariant"), omega[..., np.newaxis]),
            "mass": (("delta", "atom"), np.tile([0.9, 0.1], (len(at), 1))),
            "delta_low": 0.1,
            "delta_high": 0.5,
            "delta_stable": np.nan,
        },
        coords={"delta": at, "invariant": ["r"]},
    )
    return found.isel(delta=0, drop=True) if deltas is None else found


def tree_of(groups: dict[str, dict[str, xr.Dataset]]) -> xr.DataTree:
    """Return an aggregate of data sets by group and point."""
    tree = xr.DataTree.from_dict(
        {
            f"/{name}": xr.concat(
                list(points.values()), dim=xr.IndexVariable("point", list(points)), join="outer"
            )
            for name, points in groups.items()
        }
    )
    tree.attrs["assumptions"] = "A1 holds: xi is constant"
    return tree


def sweep_tree(
    swept: dict[str, dict[str, Any]], names: list[str], statics: xr.Dataset | None = None
) -> tuple[xr.DataTree, list[dict[str, Any]]]:
    """Return an aggregate, and the rows of its points as the plan has them.

    SGD's risk ends at 0.3 plus ten steps, and 0.2 / N if N is swept, its invariants at 1; the
    limit's at 0.3 and 1.25.

    Args:
        swept: settings of each point.
        names: names of the invariants.
        statics: the same minimum at every point.
    """
    groups: dict[str, dict[str, xr.Dataset]] = {"sgd": {}, "dd": {}, "comparison": {}}
    rows = []
    for point, settings in swept.items():
        step = settings.get("sgd.step_size", 0.0)
        neurons = settings.get("sgd.neurons", NEURONS)
        risk = 0.3 + 10 * step + (0.2 / neurons if "sgd.neurons" in settings else 0.0)
        sgd, dd = sgd_run(risk, names, 1.0, neurons), dd_run(0.3, names, 1.0)
        groups["sgd"][point], groups["dd"][point] = sgd, dd
        groups["comparison"][point] = comparison(sgd, dd)
        runs = {
            stage: "_".join(
                f"{key}-{value}" for key, value in settings.items() if not_read not in key
            )
            for stage, not_read in (("run_sgd", "dd."), ("solve_dd", "sgd."))
        }
        if statics is not None:
            groups.setdefault("statics", {})[point] = statics
        rows.append({"point": point, "swept": settings, "runs": runs})
    return tree_of(groups), rows
