"""Seeds run together leave what each leaves alone, also when they are killed or do not fit."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from cuda_host import HostDevice
from meanfield import checkpoint, training
from meanfield import together as together_module
from meanfield.checkpoint import Pace, save_together
from meanfield.sgd import cuda, cuda_resident
from meanfield.training import Setup
from meanfield.trajectory import Outcome, finished
from runs_in_step import SEEDS, STEPS, alone, kill, replicas, theta0, together
from stand_in_gpu import KilledError, in_step
from trajectories import Arrays, check_same, make_setup, whole


@pytest.fixture(scope="module")
def setup() -> Setup:
    return make_setup(STEPS, 1e-3)


def were_finished(folder: Path, setup: Setup) -> Outcome | None:
    return finished([replica.checkpoint for replica in replicas(folder, setup)])


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
    caplog: pytest.LogCaptureFixture,
) -> None:
    for step in (640, 3200, 7040):  # before the first long snapshot, at one, between two
        kill(tmp_path, setup, step)
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
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As after a kill between two of their checkpoints, or with one that was killed alone."""
    kill(tmp_path, setup, 640)
    old = (tmp_path / "2.npz").read_bytes()
    kill(tmp_path, setup, 3200)
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
    undisturbed: list[Arrays], setup: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It may round in another order; but a network that was finished stays what it is."""
    ended: list[int] = []

    def run(theta0: Any, **settings: Any) -> Any:
        if ended:
            raise KilledError
        ended.extend(settings["seeds"])
        return in_step(theta0, **settings)

    kill(tmp_path, setup, 3200)
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


def test_the_device_seldom_waits_for_checkpoints(
    undisturbed: list[Arrays], setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here 4 seconds pass between pulses, and 1 in writing, as of a hundred networks."""
    now, saved = 0.0, []

    def save(files: Iterable[Any]) -> None:
        nonlocal now
        saved.append(now)
        save_together(files)
        now += 1

    def run(theta0: Any, *, pulse: Callable[..., None], **settings: Any) -> Any:
        def later(step: int, state: Callable[[], Any]) -> None:
            nonlocal now
            now += 4
            pulse(step, state)

        return in_step(theta0, pulse=later, **settings)

    monkeypatch.setattr(checkpoint, "monotonic", lambda: now)
    monkeypatch.setattr(together_module, "save_together", save)
    check_same(together(tmp_path, setup, run), undisturbed)
    assert saved == [12, 33, 54]


def test_what_a_thread_raises_is_raised(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(setup: Setup, theta: Any, residual: float, output: Any) -> None:
        raise ZeroDivisionError("looked")

    monkeypatch.setattr(together_module, "look", fail)
    with pytest.raises(ZeroDivisionError, match="looked"):
        together(tmp_path, setup)


def test_networks_are_looked_at_while_the_device_goes_on(
    undisturbed: list[Arrays], setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone_on = Event()

    def wait_and_look(*given: Any) -> Any:
        assert gone_on.wait(timeout=30)
        return training.look(*given)

    def run(theta0: Any, *, pulse: Callable[..., None], **settings: Any) -> Any:
        def go_on(step: int, state: Callable[[], Any]) -> None:
            gone_on.set()
            pulse(step, state)

        return in_step(theta0, pulse=go_on, **settings)

    monkeypatch.setattr(together_module, "look", wait_and_look)
    check_same(together(tmp_path, setup, run), undisturbed)


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


def test_the_kernels_leave_the_cpu_s_path_to_rounding_also_when_killed(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CUDA kernels, on the CPU in place of a GPU, through records and checkpoints."""
    monkeypatch.setattr(Pace, "is_due", True)
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


def test_networks_that_cannot_be_evaluated_together_are_split(
    setup: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Limited(HostDevice):
        """Memory suffices for the outputs of one network, as nobody could reckon."""

        def compile(self, variant: Any) -> Any:
            launch = super().compile(variant)

            def limited(grid: tuple[int, int], arguments: tuple[Any, ...]) -> None:
                if variant.function == "network" and len(arguments[2]) > 1:
                    raise MemoryError("outputs")
                launch(grid, arguments)

            return limited

    short = replace(setup, snapshot_steps=[0, 33])
    expected = together(tmp_path / "all", short, partial(cuda.run, device=HostDevice()))
    with caplog.at_level(logging.INFO):
        found = together(tmp_path / "split", short, partial(cuda.run, device=Limited()))
    check_same(found, expected)
    assert [message.rpartition("; ")[2] for message in caplog.messages] == [
        "running them as 1 and 2", "running them as 1 and 1"
    ]  # fmt: skip
    assert "the GPU's memory is exhausted" in caplog.text
