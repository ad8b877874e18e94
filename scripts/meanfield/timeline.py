"""Output times: shared by SGD and its limit, so that the two are compared at equal times."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def output_times(time: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the times at which results are stored: the snapshots and an even grid, sorted.

    The grid is even in t from 0, or in log t from ``curve_start``.

    Args:
        time: settings ``horizon``, ``snapshots``, ``curve_points`` and ``curve_start``.

    Returns:
        Increasing times up to the horizon.
    """
    start, end, count = time.get("curve_start"), time["horizon"], time["curve_points"]
    grid = np.linspace(0.0, end, count) if start is None else np.geomspace(start, end, count)
    # A snapshot that is a grid point up to rounding must not appear twice.
    spacing = 1e-9 * time["horizon"]
    snapshots = np.asarray(time["snapshots"], dtype=float)
    apart = [t for t in grid if np.all(np.abs(snapshots - t) > spacing)]
    return np.sort(np.concatenate([snapshots, apart]))


def steps_at(times: NDArray[np.float64], step_size: float) -> NDArray[np.int64]:
    """Return the numbers of SGD steps after which these times are reached, k = t / epsilon."""
    return np.rint(times / step_size).astype(np.int64)


def steps_of(times: NDArray[np.float64], step_size: float) -> tuple[list[int], NDArray[np.int64]]:
    """Return the steps at which a run is looked at, increasing, and the place of each time there.

    Times closer than a step share one.
    """
    steps, places = np.unique(steps_at(times, step_size), return_inverse=True)
    return steps.tolist(), places
