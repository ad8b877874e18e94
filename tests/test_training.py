"""A run that is killed at any moment, however often, ends with the bits of an undisturbed one."""

import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from meanfield.checkpoint import Checkpoint, Pace
from meanfield.digests import SCRIPTS
from meanfield.initial import Gaussian, Initial
from meanfield.progress import Progress
from meanfield.training import Stopped, look, train
from trajectories import Arrays, check_same, make_setup, whole

LOG = logging.getLogger("test")
# Inside blocks, at their boundaries, two in one block, and far apart.
STEPS = [0, 1, 32, 70, 75, 5000, 200_000, 900_001]


def run_once(folder: Path, seed: int = 5, stop: Event | None = None) -> Arrays:
    run = train(
        lambda: Initial(Gaussian(0.8)).draw(seed, 40, 8),
        seed,
        make_setup(STEPS, 1e-4),
        checkpoint=Checkpoint(folder / "seed.npz", f"{seed}"),
        progress=Progress(STEPS[-1], LOG),
        stop=stop or Event(),
        log=LOG,
    )
    return whole(run)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    return run_once(tmp_path_factory.mktemp("undisturbed"))


def test_killed_runs_end_with_the_same_bits(undisturbed: Arrays, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from meanfield.checkpoint import Pace; Pace.is_due = True\n"
        "from test_training import run_once\n"
        "print('ready', flush=True)\n"
        "result = run_once(Path(sys.argv[1]))\n"
        "np.savez(sys.argv[2], **result)\n"
    )
    path = os.pathsep.join([str(SCRIPTS), str(Path(__file__).parent)])
    output, checkpoint = tmp_path / "result.npz", tmp_path / "seed.npz"
    kills = 0
    while not output.exists():
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(output)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        child.stdout.readline()
        if kills < 3:
            before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
            while child.poll() is None and (
                not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before
            ):
                time.sleep(0.001)
            time.sleep(0.003 * kills)
            child.send_signal(signal.SIGKILL)
            kills += 1
        child.wait()
        child.stdout.close()
    assert kills == 3
    with np.load(output) as found:
        check_same([dict(found)], [undisturbed])


def test_a_finished_seed_is_not_run_again(
    undisturbed: Arrays,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Pace, "is_due", True)
    run_once(tmp_path)  # leaves its checkpoint: only its caller knows that the results are safe
    with caplog.at_level(logging.INFO):
        again = run_once(tmp_path)
    assert caplog.messages == ["seed 5: was finished before"]
    check_same([again], [undisturbed])


def test_another_seed_s_checkpoint_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Pace, "is_due", True)
    first = run_once(tmp_path)
    with caplog.at_level(logging.INFO):
        other = run_once(tmp_path, seed=6)
    assert "the checkpoint was discarded: it was made by other settings" in caplog.text
    assert (other["final"] != first["final"]).any()


def test_a_run_stops_when_told_to(tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        run_once(tmp_path, stop=stop)


def test_what_a_trajectory_holds(undisturbed: Arrays) -> None:
    count = len(STEPS)
    assert undisturbed["omega"].shape == (count, 40, 1)
    assert undisturbed["risks"].shape == (count, 5)
    assert undisturbed["theta"].shape == (count, 40, 8)
    np.testing.assert_array_equal(undisturbed["theta"][-1], undisturbed["final"])
    assert np.isnan(undisturbed["mean_square_residual"][0])
    # Over 700,000 steps the mean residual is the risk, but for the change of the network.
    risk = undisturbed["risks"][-1, 0]
    assert undisturbed["mean_square_residual"][-1] == pytest.approx(risk, rel=0.3)


def test_a_snapshot_holds_the_parameters_only_where_they_are_kept() -> None:
    setup, theta = make_setup(STEPS, 1e-4), np.ones((40, 8), np.float32)
    output = np.zeros(100)
    assert look(setup, theta, 0.5, output).theta is theta
    without = look(replace(setup, keep_theta=False), theta, 0.5, output).theta
    assert without.shape == (0, 8)
    assert not np.may_share_memory(without, theta)
    assert without.base is None  # a view, though empty, would keep all of it in memory


def test_a_checkpoint_costs_the_same_however_many_snapshots_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every snapshot is written once, and the state has none in it."""
    monkeypatch.setattr(Pace, "is_due", True)
    sizes, states = [], []
    write = Checkpoint._write

    def spy(self: Checkpoint, path: Path, arrays: Any) -> None:
        write(self, path, arrays)
        if path.name.endswith(f".{self.path.name}"):  # before it takes that name
            states.append(path.stat().st_size)
        else:
            sizes.append(len(arrays["risks-0"]))

    monkeypatch.setattr(Checkpoint, "_write", spy)
    run_once(tmp_path)
    assert sum(sizes) == len(STEPS)
    assert len(sizes) > 3
    assert states[-2] == states[0]
