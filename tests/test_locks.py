"""A lock is held by one process at a time, ends with it, and leaves nothing behind."""

import logging
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from meanfield import locks
from meanfield.digests import SCRIPTS
from meanfield.locks import clear, held

LOG = logging.getLogger("test")
HOLDER = """
import logging, sys, time
from pathlib import Path
from meanfield.locks import clear, held
with held(Path(sys.argv[1]), logging.getLogger(), wait=True):
    print("held", flush=True)
    time.sleep(100)
"""


def test_a_lock_is_held_once_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "point.checkpoints"
    with held(folder, LOG, wait=False) as first:
        assert first
        with held(folder, LOG, wait=False) as second:
            assert not second
        with held(folder, LOG, wait=False) as third:
            assert not third
    assert list(folder.parent.iterdir()) == []


def test_checkpoints_are_left(tmp_path: Path) -> None:
    with held(tmp_path / "point", LOG, wait=True):
        (tmp_path / "point" / "seed-1.npz").touch()
    assert [path.name for path in (tmp_path / "point").iterdir()] == ["seed-1.npz"]


def test_a_lock_that_another_made_since_is_left_to_it(tmp_path: Path) -> None:
    """If the file is removed early, another process may have made and locked a new one."""
    folder = tmp_path / "point"
    with held(folder, LOG, wait=False):
        (folder / "lock").unlink()
        second = held(folder, LOG, wait=False)
        assert second.__enter__()
    try:
        with held(folder, LOG, wait=False) as third:
            assert not third
    finally:
        second.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_cleared_of_all_but_its_lock(tmp_path: Path) -> None:
    folder = tmp_path / "point"
    with held(folder, LOG, wait=False):
        (folder / "seed-1.npz").touch()
        (folder / ".seed-2.npz.part").touch()
        clear(folder)
        assert [path.name for path in folder.iterdir()] == ["lock"]
        with held(folder, LOG, wait=False) as second:
            assert not second
    assert list(tmp_path.iterdir()) == []
    clear(folder)  # nothing to do


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "point")],
        env={"PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == "held\n"
        with held(tmp_path / "point", LOG, wait=False) as mine:
            assert not mine
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (tmp_path / "point" / "lock").exists()
    with held(tmp_path / "point", LOG, wait=False) as mine:
        assert mine


@pytest.mark.parametrize("folder_is_removed", [False, True])
def test_who_waits_is_next(
    folder_is_removed: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also if the holder removes the file that the other one waits for."""
    folder = tmp_path / "point"
    waits, has = threading.Event(), threading.Event()
    lock_is_there: list[bool] = []

    class Log(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            waits.set()

    def other() -> None:
        with held(folder, LOG, wait=True):
            lock_is_there.append((folder / "lock").exists())
            has.set()

    handler = Log()
    LOG.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO), held(folder, LOG, wait=True):
            thread = threading.Thread(target=other)
            thread.start()
            assert waits.wait(20)
            if folder_is_removed:
                (folder / "lock").unlink()
                folder.rmdir()
            assert not has.is_set()
        thread.join(20)
    finally:
        LOG.removeHandler(handler)
    assert has.is_set()
    assert lock_is_there == [True]  # a third one would have to wait
    assert f"{folder}: another process is at this work; waiting for it" in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(locks.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with held(tmp_path, LOG, wait=True) as mine:
        assert mine
    assert "cannot be locked" in caplog.text
