"""Runs of SGD as they are stored: variables by seed and output time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from meanfield.invariants import invariant_names
from meanfield.large_arrays import Pieces
from meanfield.laws import Law
from meanfield.neurons import make_neuron
from meanfield.risk_estimate import RiskEstimate
from meanfield.trajectory import Trajectory


def as_dataset(
    trajectories: Sequence[Trajectory],
    outputs: NDArray[np.intp],
    settings: Mapping[str, Any],
    law: Law,
) -> tuple[xr.Dataset, dict[str, Pieces]]:
    """Return the trajectories of all seeds, looked up at the output times.

    Args:
        trajectories: of every seed.
        outputs: number of the snapshot at every output time, shape (T,), in order. Times closer
            than a step share one.
        settings: of the runs.
        law: their data law.

    Returns:
        The risks and residuals; and omega and theta, which are read while they are written.
    """
    risks = np.stack([_whole(run, "risks")[outputs] for run in trajectories])
    residuals = np.stack([_whole(run, "mean_square_residual")[outputs] for run in trajectories])
    neuron, sgd = make_neuron(settings["neuron"]), settings["sgd"]
    names = list(invariant_names(law, neuron))
    small = xr.Dataset(
        {
            "mean_square_residual": (("seed", "time"), residuals),
            **{
                name: (("seed", "time"), risks[..., k])
                for k, name in enumerate(RiskEstimate._fields)
            },
        },
        coords={"invariant": names},
    )
    seeds, times = residuals.shape
    neurons: int = sgd["neurons"]
    parameters = neuron.parameters(law.dimension)
    large = {
        "omega": Pieces(
            ("seed", "time", "neuron", "invariant"),
            (seeds, times, neurons, len(names)),
            np.float64,
            _at_outputs(trajectories, "omega", outputs),
        ),
        "theta": Pieces(
            ("seed", "neuron", "parameter"),
            (seeds, neurons, parameters),
            sgd["precision"],
            ((seed, run.theta()) for seed, run in enumerate(trajectories)),
        ),
    }
    if sgd["store_path"]:
        large["theta_path"] = Pieces(
            ("seed", "time", "neuron", "parameter"),
            (seeds, times, neurons, parameters),
            sgd["precision"],
            _at_outputs(trajectories, "theta", outputs),
        )
    return small, large


def _whole(run: Trajectory, field: str) -> NDArray[Any]:
    return np.concatenate(list(run.pieces(field)))


def _at_outputs(
    trajectories: Sequence[Trajectory], field: str, outputs: NDArray[np.intp]
) -> Iterator[tuple[tuple[int, int], NDArray[Any]]]:
    """Yield a field by the numbers of seed and output time; one piece is in memory at a time."""
    for seed, run in enumerate(trajectories):
        first = 0
        for piece in run.pieces(field):
            start, stop = np.searchsorted(outputs, [first, first + len(piece)])
            for time in range(start, stop):
                yield (seed, time), piece[outputs[time] - first]
            first += len(piece)
