"""Networks that a GPU trains in step take few times their memory on the host."""

import logging
import tracemalloc
from functools import partial
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from meanfield import invariants, together, training
from meanfield.checkpoint import Checkpoint, Pace
from meanfield.evaluation import TestSet
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Ridge
from meanfield.progress import Progress
from meanfield.random import TEST_SAMPLE
from meanfield.sampling import sample
from meanfield.schedules import Constant
from meanfield.sgd import cuda
from meanfield.sgd.cuda_blocked import Blocked
from meanfield.together import Replica
from sgd_runs import STEP

DIMENSION, NEURONS, SEEDS = 500, 4000, (1, 2)
STEPS = [0, 41, 2100, 2105]  # the last two with no checkpoint between, in one block
LOG = logging.getLogger("test")


class OnDevice:
    """An array of a device: it takes no memory of the host."""

    def __init__(self, shape: Any, dtype: Any) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> "OnDevice":
        return self

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def copy(self) -> "OnDevice":
        return self


def _like(array: Any) -> OnDevice:
    return OnDevice(np.shape(array), np.asarray(array).dtype)


class Idle:
    """A device that computes nothing: all its parameters are 0.02."""

    xp: Any = SimpleNamespace(
        array=_like, asarray=_like, empty=OnDevice, zeros=OnDevice,
        full=lambda shape, value, dtype: OnDevice(shape, dtype),
    )  # fmt: skip

    def __init__(self, free: int) -> None:
        self.free, self.exact = free, set[Any]()

    def compile(self, variant: Any) -> Any:
        return lambda grid, arguments: None

    def multiply(self, *arguments: Any, **starts: int) -> None:
        pass

    def is_exhausted(self, error: Exception) -> bool:
        return False

    def free_bytes(self) -> int:
        return self.free

    def to_host(self, array: OnDevice) -> Any:
        value = -1 if array.dtype == np.int64 else 0.02
        return np.full(array.shape, value, array.dtype)


class Late(together._Looks):
    """Looks that are over only when they are waited for."""

    wanted = Event()

    def finish(self) -> None:
        self.wanted.set()
        super().finish()
        self.wanted.clear()


def look(*arguments: Any) -> Any:
    assert Late.wanted.wait(timeout=60)
    return training.look(*arguments)


def train(folder: Path) -> None:
    """Run SGD with snapshots, and a checkpoint at every chance."""
    law, neuron = IsotropicGaussians(DIMENSION, 0.8), Ridge(STEP)
    samples = sample(law, 0, 0, 64, TEST_SAMPLE)
    setup = training.Setup(
        neuron=neuron, law=law, schedule=Constant(), step_size=1e-6, decay=0.0,
        inverse_temperature=np.inf, precision="float32", snapshot_steps=STEPS, problem=None,
        test_set=TestSet(samples.x, samples.y, None),
    )  # fmt: skip
    weights = partial(np.full, (NEURONS, DIMENSION), 0.02, np.float32)
    replicas = [
        Replica(weights, seed, setup, Checkpoint(folder / f"{seed}.npz", "1")) for seed in SEEDS
    ]
    trajectories = together.train_in_batches(
        replicas, cuda.run, device="none", progress=Progress(len(SEEDS) * STEPS[-1], LOG),
        threads=2, log=LOG,
    )  # fmt: skip
    assert len(trajectories) == len(SEEDS)


@pytest.mark.parametrize(("free", "copies"), [(2**40, 3), (25_000_000, 4)])
def test_a_run_takes_few_times_the_memory_of_its_networks(
    free: int, copies: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end: the snapshot before, the last, a copy of it; and, of batches, the networks."""
    monkeypatch.setattr(Pace, "is_due", True)
    monkeypatch.setattr(invariants, "_CHUNK", 20_000)  # of each thread, small in a large network
    monkeypatch.setattr(Blocked, "_check_products", lambda *arguments: None)
    monkeypatch.setattr(together, "_Looks", Late)
    monkeypatch.setattr(together, "look", look)
    # An argument of a partial function would hold the other arguments to the end.
    monkeypatch.setattr(cuda, "CupyDevice", lambda: Idle(free))
    tracemalloc.start()
    try:
        train(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert copies < peak / (len(SEEDS) * NEURONS * DIMENSION * 4) < copies + 0.2
