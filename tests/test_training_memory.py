"""The largest networks fit into memory: a run holds few copies of the parameters."""

import logging
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from meanfield import training
from meanfield.checkpoint import Checkpoint, Pace
from meanfield.digests import SCRIPTS
from meanfield.evaluation import TestSet
from meanfield.laws import IsotropicGaussians
from meanfield.neurons import Ridge
from meanfield.progress import Progress
from meanfield.random import TEST_SAMPLE
from meanfield.sampling import sample
from meanfield.schedules import Constant
from sgd_runs import STEP

DIMENSION = 1000
NEURONS = 15_000
STEPS = [0, 41, 70]  # one inside a block with steps to come, and one at the end


def train(neurons: int) -> None:
    """Run SGD with snapshots, and a checkpoint at every chance."""
    law, neuron, log = IsotropicGaussians(DIMENSION, 0.8), Ridge(STEP), logging.getLogger("test")
    samples = sample(law, 0, 0, 64, TEST_SAMPLE)
    setup = training.Setup(
        neuron=neuron,
        law=law,
        schedule=Constant(),
        step_size=1e-6,
        decay=0.0,
        inverse_temperature=np.inf,
        precision="float32",
        snapshot_steps=STEPS,
        problem=None,
        test_set=TestSet(samples.x, samples.y, None),
    )
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pace, "is_due", True)
        trajectory = training.train(
            lambda: np.full((neurons, DIMENSION), 0.02, np.float32),
            1,
            setup,
            checkpoint=Checkpoint(Path(folder) / "seed.npz", "1"),
            progress=Progress(STEPS[-1], log),
            stop=Event(),
            log=log,
        )
        assert trajectory.theta().shape == (neurons, DIMENSION)


def peak() -> int:
    """Bytes of memory that this process held at its most."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would count what the process that started this one held.
        found = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def grown() -> float:
    """Memory that a large run takes beyond a small one, in units of the parameters."""
    train(32)
    before = peak()
    train(NEURONS)
    return (peak() - before) / (NEURONS * DIMENSION * 4)


def test_a_run_takes_few_times_the_memory_of_its_parameters() -> None:
    train(32)  # the compiler takes memory, too: its work must be done
    path = os.pathsep.join([str(SCRIPTS), str(Path(__file__).parent)])
    done = subprocess.run(
        [sys.executable, "-c", "import test_training_memory as t; print(t.grown())"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    # The panels, a copy of them to finish a block, and theta.
    assert 2 < float(done.stdout) < 3.8
