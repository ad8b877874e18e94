"""Seeds run together leave what each leaves alone, also when they are killed or do not fit."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from cuda_host import HostDevice
from meanfield import seeds as all_seeds
from meanfield import together as together_module
from meanfield import training
from meanfield.activations import GELU
from meanfield.checkpoint import Checkpoint
from meanfield.initial import Gaussian, Initial
from meanfield.neurons import Ridge
from meanfield.progress import Progress
from meanfield.seeds import PointRun, against_gpu
from meanfield.sgd import cuda, cuda_resident
from meanfield.together import Replica, train_in_batches
from meanfield.training import Setup, train
from meanfield.trajectory import Outcome, Trajectory, finished
from stand_in_gpu import KilledError, in_step
from trajectories import Arrays, check_same, make_setup, whole

LOG = logging.getLogger("test")
SEEDS = [5, 2, 9]
STEPS = [0, 64, 3200, 9600]


def theta0(seed: int) -> Any:
    return Initial(Gaussian(0.8)).draw(seed, 40, 8)


@pytest.fixture(scope="module")
def setup() -> Setup:
    return make_setup(STEPS, 1e-3)


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


def were_finished(folder: Path, setup: Setup) -> Outcome | None:
    return finished([replica.checkpoint for replica in replicas(folder, setup)])


def alone(folder: Path, setup: Setup, seed: int) -> Arrays:
    """Return what a seed leaves by itself, on the CPU."""
    run = train(
        partial(theta0, seed), seed, setup,
        checkpoint=Checkpoint(folder / f"{seed}.npz", "id"),
        progress=Progress(setup.snapshot_steps[-1], LOG), stop=Event(), log=LOG,
    )  # fmt: skip
    return whole(run)


@pytest.fixture(scope="module")
def undisturbed(setup: Setup, tmp_path_factory: pytest.TempPathFactory) -> list[Arrays]:
    return together(tmp_path_factory.mktemp("together"), setup)


def test_each_seed_leaves_what_it_leaves_alone(
    undisturbed: list[Arrays], setup: Setup, tmp_path: Path
) -> None:
    for seed, found in zip(SEEDS, undisturbed, strict=True):
        theirs = alone(tmp_path, setup, seed)
        residuals = found["mean_square_residual"]
        # The squares of a span are added up in another order.
        np.testing.assert_allclose(residuals, theirs["mean_square_residual"], rtol=1e-12)
        check_same([found], [theirs | {"mean_square_residual": residuals}])


def test_killed_runs_end_with_the_same_bits(
    undisturbed: list[Arrays],
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL", 0.0)
    for kill_at in (640, 3200, 7040):  # before the first long snapshot, at one, between two
        with pytest.raises(KilledError):
            together(tmp_path, setup, partial(in_step, kill_at=kill_at))
    with caplog.at_level(logging.INFO):
        check_same(together(tmp_path, setup), undisturbed)
        check_same(together(tmp_path, setup), undisturbed)
    assert caplog.messages == [
        "3 of 3 networks: continued from step 7040",
        "3 of 3 networks: were finished before",
    ]
    found = were_finished(tmp_path, setup)
    assert found is not None
    check_same([whole(each) for each in found.trajectories], undisturbed)
    assert (found.backend, found.device) == ("cupy", "GPU Toy")


def test_networks_at_different_steps_go_on_apart(
    undisturbed: list[Arrays],
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As after a kill between two of their checkpoints, or with one that was killed alone."""
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL", 0.0)
    with pytest.raises(KilledError):
        together(tmp_path, setup, partial(in_step, kill_at=640))
    old = (tmp_path / "2.npz").read_bytes()
    with pytest.raises(KilledError):
        together(tmp_path, setup, partial(in_step, kill_at=3200))
    (tmp_path / "2.npz").write_bytes(old)
    (tmp_path / "9.npz").unlink()
    assert were_finished(tmp_path, setup) is None
    with caplog.at_level(logging.INFO):
        check_same(together(tmp_path, setup), undisturbed)
    assert caplog.messages == [
        "1 of 3 networks: continued from step 3200",
        "1 of 3 networks: continued from step 640",
    ]


def test_another_gpu_starts_anew_and_says_so(
    undisturbed: list[Arrays],
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It may round in another order; but a network that was finished stays what it is."""
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL", 0.0)
    ended: list[int] = []

    def run(theta0: Any, **settings: Any) -> Any:
        if ended:
            raise KilledError
        ended.extend(settings["seeds"])
        return in_step(theta0, **settings)

    with pytest.raises(KilledError):
        together(tmp_path, setup, partial(in_step, kill_at=3200))
    (tmp_path / "2.npz").unlink()
    with pytest.raises(KilledError):
        together(tmp_path, setup, run)
    (finished_first,) = ended
    assert finished_first == 2
    with caplog.at_level(logging.INFO):
        check_same(together(tmp_path, setup, device="GPU Other"), undisturbed)
    assert caplog.messages == [
        *(
            f"{tmp_path / f'{seed}.npz'} was discarded: it was begun on GPU Toy, and this is "
            "GPU Other"
            for seed in (5, 9)
        ),
        "1 of 3 networks: were finished before",
    ]
    found = were_finished(tmp_path, setup)
    assert found is not None
    assert found.device == "GPU Other and GPU Toy"


def test_what_a_thread_raises_is_raised(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(setup: Setup, theta: Any, residual: float) -> None:
        raise ZeroDivisionError("looked")

    monkeypatch.setattr(together_module, "look", fail)
    with pytest.raises(ZeroDivisionError, match="looked"):
        together(tmp_path, setup)


def limited(most: int) -> Any:
    """Return a device that holds a few networks."""

    def run(theta0: Any, **settings: Any) -> Any:
        if len(theta0) > most:
            raise MemoryError(f"{theta0.nbytes} bytes needed")
        return in_step(theta0, **settings)

    return run


def test_a_batch_that_does_not_fit_is_split(
    undisturbed: list[Arrays],
    setup: Setup,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        check_same(together(tmp_path, setup, limited(1)), undisturbed)
    bytes_needed = 3 * 40 * 8 * theta0(1).itemsize
    assert caplog.messages[0] == (
        f"3 networks at once: {bytes_needed} bytes needed; running them as 1 and 2"
    )
    assert len(caplog.messages) == 2
    with pytest.raises(MemoryError, match=f"^{bytes_needed // 3} bytes needed$"):
        together(tmp_path / "none", setup, limited(0))


def test_the_gpu_runs_all_seeds_and_keeps_no_checkpoint_of_other_seeds(
    undisturbed: list[Arrays],
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(all_seeds.cuda, "run", in_step)
    for name in ("seed-4.npz", "gpu-seed-4.npz", "gpu-seed-4.0.npz"):
        (tmp_path / name).touch()
    with caplog.at_level(logging.INFO):
        found = all_seeds.run_on_gpu(
            [PointRun("base", theta0, SEEDS, setup, tmp_path, "digest")],
            device="GPU Toy", threads=1, log=LOG,
        )  # fmt: skip
    check_same([whole(each) for each in found], undisturbed)
    assert caplog.text.count("seed-4.npz: it belongs to no seed of this run") == 2
    assert "begun on another backend" not in caplog.text
    names = {f"gpu-seed-{seed}" for seed in SEEDS}
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}{suffix}" for name in names for suffix in (".npz", ".0.npz")
    }


def test_what_another_backend_began_is_left_in_place(
    undisturbed: list[Arrays],
    setup: Setup,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As when a GPU cannot be used for a while: a later job still continues what it began."""
    point = PointRun("base", theta0, SEEDS, setup, tmp_path, "digest")
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL", 0.0)

    def on_gpu() -> list[Trajectory]:
        return all_seeds.run_on_gpu([point], device="GPU Toy", threads=1, log=LOG)

    monkeypatch.setattr(all_seeds.cuda, "run", partial(in_step, kill_at=3200))
    with pytest.raises(KilledError):
        on_gpu()
    begun = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with caplog.at_level(logging.INFO):
        all_seeds.run_on_cpu(point, threads=1, log=LOG)
    assert caplog.messages[0] == (
        f"{tmp_path}: the run was begun on another backend, and starts anew on this"
    )
    assert {path: path.read_bytes() for path in begun} == begun
    caplog.clear()
    monkeypatch.setattr(all_seeds.cuda, "run", in_step)
    with caplog.at_level(logging.INFO):
        check_same([whole(each) for each in on_gpu()], undisturbed)
    assert "3 of 3 networks: continued from step 3200" in caplog.messages
    assert (tmp_path / "seed-5.npz").exists()


def test_the_kernels_leave_the_cpu_s_path_to_rounding_also_when_killed(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CUDA kernels, on the CPU in place of a GPU, through records and checkpoints."""
    monkeypatch.setattr(training, "CHECKPOINT_INTERVAL", 0.0)
    monkeypatch.setattr(cuda_resident, "_LAUNCH", 64)
    short = replace(setup, snapshot_steps=[0, 100, 250])
    kernels: Any = partial(cuda.run, device=HostDevice())

    def killed(theta0: Any, *, pulse: Callable[..., None], **settings: Any) -> Any:
        def stop(step: int, state: Callable[[], Any]) -> None:
            pulse(step, state)
            if step == 192:
                raise KilledError

        return kernels(theta0, pulse=stop, **settings)

    found = together(tmp_path, short, kernels)
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(KilledError):
        together(tmp_path, short, killed)
    check_same(together(tmp_path, short, kernels), found)
    for seed, mine in zip(SEEDS, found, strict=True):
        theirs = alone(tmp_path, short, seed)
        np.testing.assert_allclose(mine["final"], theirs["final"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(mine["risks"], theirs["risks"], rtol=1e-4)
        residuals = theirs["mean_square_residual"]
        np.testing.assert_allclose(mine["mean_square_residual"], residuals, rtol=1e-5)


def test_why_a_run_is_not_for_a_gpu(setup: Setup) -> None:
    assert against_gpu(setup) == ""
    assert "not in float64" in against_gpu(replace(setup, precision="float64"))
    assert "GELU" in against_gpu(replace(setup, neuron=Ridge(GELU())))
