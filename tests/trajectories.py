"""A small run to be trained, and what runs left, read back into memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meanfield.activations import PiecewiseLinear
from meanfield.evaluation import TestSet
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Ridge
from meanfield.problem import make_problem
from meanfield.random import TEST_SAMPLE
from meanfield.sampling import sample
from meanfield.schedules import Constant
from meanfield.training import Setup
from meanfield.trajectory import Snapshot, Trajectory

Arrays = dict[str, NDArray[Any]]

LAW = IsotropicGaussians(8, 0.6)
NEURON = Ridge(PiecewiseLinear((0.5, 1.5), (-2.5, 7.5)))


def make_setup(steps: Sequence[int], step_size: float) -> Setup:
    """Return the run of small networks with snapshots, parameters included, after given steps."""
    samples = sample(LAW, 0, 0, 100, TEST_SAMPLE)
    return Setup(
        neuron=NEURON,
        law=LAW,
        schedule=Constant(),
        step_size=step_size,
        decay=0.01,
        inverse_temperature=np.inf,
        precision="float32",
        snapshot_steps=steps,
        problem=make_problem(LAW, NEURON, 8),
        test_set=TestSet(samples.x, samples.y, LAW.invariants(samples.x)),
        keep_theta=True,
    )


def whole(run: Trajectory) -> Arrays:
    """Return the fields of all snapshots, and the parameters at the end as `final`."""
    fields = {name: np.concatenate(list(run.pieces(name))) for name in Snapshot._fields}
    return fields | {"final": run.theta()}


def check_same(found: Sequence[Arrays], expected: Sequence[Arrays]) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in theirs.items():
            np.testing.assert_array_equal(mine[name], value, err_msg=name)
