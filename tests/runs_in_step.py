"""Networks that are run together on a stand-in for a GPU, what they leave, and alone: for tests."""

import logging
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from meanfield.checkpoint import Checkpoint, Pace
from meanfield.initial import Gaussian, Initial
from meanfield.progress import Progress
from meanfield.together import Replica, train_in_batches
from meanfield.training import Setup, train
from stand_in_gpu import KilledError, in_step
from trajectories import Arrays, whole

LOG = logging.getLogger("test")
SEEDS = [5, 2, 9]
STEPS = [0, 64, 3200, 9600]


def theta0(seed: int) -> Any:
    return Initial(Gaussian(0.8)).draw(seed, 40, 8)


def replicas(folder: Path, setup: Setup) -> list[Replica]:
    return [
        Replica(
            partial(theta0, seed), seed, setup, Checkpoint(folder / f"{seed}.npz", f"id {seed}")
        )
        for seed in SEEDS
    ]


def together(
    folder: Path, setup: Setup, run: Any = in_step, device: str = "GPU Toy"
) -> list[Arrays]:
    runs = train_in_batches(
        replicas(folder, setup), run, device=device,
        progress=Progress(3 * STEPS[-1], LOG), threads=2, log=LOG,
    )  # fmt: skip
    return [whole(each) for each in runs]


def alone(folder: Path, setup: Setup, seed: int) -> Arrays:
    """Return what a seed leaves by itself, on the CPU."""
    run = train(
        partial(theta0, seed), seed, setup,
        checkpoint=Checkpoint(folder / f"{seed}.npz", "id"),
        progress=Progress(setup.snapshot_steps[-1], LOG), stop=Event(), log=LOG,
    )  # fmt: skip
    return whole(run)


def kill(folder: Path, setup: Setup, step: int) -> None:
    """Run them together until they are killed at a step, whose checkpoint they leave."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pace, "is_due", True)
        with pytest.raises(KilledError):
            together(folder, setup, partial(in_step, kill_at=step))
