"""Jobs take turns on a GPU, and nothing that keeps them from it breaks a run."""

import logging
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest

from fake_cupy import ADDRESS, fake_cupy
from meanfield import limit_sweep, seeds, turns
from meanfield.arrays import GpuError
from meanfield.checkpoint import Checkpoint
from meanfield.limit_sweep import PointFlow, solve_point
from meanfield.locks import held
from meanfield.seeds import PointRun, run_point
from meanfield.turns import use_backend
from stand_in_gpu import KilledError
from trajectories import make_setup

LOG = logging.getLogger("test")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the locks go, with a GPU to be locked."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    install(monkeypatch)
    return tmp_path / "temporary"


def install(patch: pytest.MonkeyPatch, broken: str = "") -> Any:
    cupy = fake_cupy(broken)
    patch.setitem(sys.modules, "cupy", cupy)
    return cupy


def is_free(folder: Path) -> bool:
    """Say whether no job holds the GPU; each of them has left a file if one does."""
    (lock,) = list(folder.iterdir()) or [folder / "none"]
    with held(lock, LOG, wait=False) as mine:
        return mine


@pytest.mark.parametrize("setting", ["auto", "cupy"])
def test_the_second_job_waits_and_says_so(
    setting: str, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def second() -> str:
        with use_backend(setting, LOG) as backend:
            assert not is_free(folder)
            return backend.device

    lock = turns.lock_folder(ADDRESS)
    waiting = f"another job is on the GPU at {ADDRESS}; waiting for it, by {lock}"
    deadline = monotonic() + 60
    with caplog.at_level(logging.INFO), ThreadPoolExecutor() as pool:
        with use_backend(setting, LOG) as first:
            other = pool.submit(second)
            while waiting not in caplog.messages:
                assert not other.done()
                assert monotonic() < deadline
                sleep(0.001)
            # Nothing of it runs on the GPU yet.
            assert caplog.messages == [f"backend cupy on {first.device}", waiting]
        assert other.result() == first.device
    assert list(folder.iterdir()) == []


def test_the_next_job_gets_all_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = install(monkeypatch).get_default_memory_pool()
    with use_backend("auto", LOG):
        assert pool.kept > 0
    assert pool.kept == 0


def test_an_error_is_not_hidden_by_a_gpu_that_broke(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cupy = install(monkeypatch)
    del cupy.get_default_memory_pool
    with pytest.raises(KilledError), use_backend("auto", LOG):
        raise KilledError
    assert list(folder.iterdir()) == []


def test_a_gpu_that_fails_its_test_is_not_held(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, "compile")
    with use_backend("auto", LOG) as backend:
        assert backend.name == "cpu"
        assert list(folder.iterdir()) == []
    with pytest.raises(GpuError), use_backend("cupy", LOG):
        pass
    assert list(folder.iterdir()) == []


def test_without_a_gpu_there_are_no_turns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "no driver")
    with use_backend("auto", LOG) as first, use_backend("auto", LOG) as second:
        assert (first.name, second.name) == ("cpu", "cpu")
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/below", "none"])
def test_a_folder_that_cannot_be_used_does_not_break_the_run(
    place: str, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "file").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / place))
    if place == "none":

        def find() -> str:
            raise FileNotFoundError("No usable temporary directory found")

        monkeypatch.setattr(tempfile, "gettempdir", find)
    with use_backend("auto", LOG) as first, use_backend("auto", LOG) as second:
        assert (first.name, second.name) == ("cupy", "cupy")
    assert caplog.text.count("other jobs may be on the GPU at the same time: no turns (") == 2


def test_what_a_job_raises_is_not_taken_for_a_folder_s_fault(folder: Path) -> None:
    with pytest.raises(OSError, match="disk is full"), use_backend("auto", LOG):
        raise OSError("disk is full")
    assert list(folder.iterdir()) == []


def on_gpu(folder: Path) -> Any:
    """Return what is to be called while a GPU is held, and ends the job."""

    def work(*given: Any, **more: Any) -> None:
        assert not is_free(folder)
        raise KilledError

    return work


def test_sgd_and_the_limit_are_computed_in_a_turn(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeds, "run_on_gpu", on_gpu(folder))
    point = PointRun(
        "base", lambda seed: np.zeros((1, 9)), [1], make_setup([0, 32], 1e-3), tmp_path, "digest"
    )
    with pytest.raises(KilledError):
        run_point(point, "auto", others=None, threads=1, log=LOG)
    monkeypatch.setattr(limit_sweep, "_solve_in_batches", on_gpu(folder))
    limit: Any = None
    flow = PointFlow("base", limit, np.zeros(1), 1e-6, Checkpoint(tmp_path / "gpu.npz", ""))
    with pytest.raises(KilledError):
        solve_point(flow, "cupy", others=None, log=LOG)
    assert list(folder.iterdir()) == []


def test_users_and_computers_have_locks_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Computers may share a folder for temporary files, and have GPUs at the same address."""
    user, folders = os.getuid(), []
    for computer in ("one", "two"):
        monkeypatch.setattr(turns.platform, "node", lambda computer=computer: computer)
        for number in (user, user + 1):
            monkeypatch.setattr(turns.os, "getuid", lambda number=number: number)
            folders.append(turns.lock_folder(ADDRESS))
    assert len({*folders}) == 4
    assert {path.parent for path in folders} == {Path(tempfile.gettempdir())}


def test_the_lock_of_another_user_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who made the folder in this user's name, where all may write."""

    def wait(*given: Any, **more: Any) -> None:
        raise AssertionError("it might wait for ever")

    user = os.getuid()
    monkeypatch.setattr(turns.os, "getuid", lambda: user + 1)
    monkeypatch.setattr(turns, "held", wait)
    lock = turns.lock_folder(ADDRESS)
    lock.mkdir()
    with use_backend("auto", LOG) as backend:
        assert backend.name == "cupy"
    assert f"no turns ({lock} belongs to another user)" in caplog.text
