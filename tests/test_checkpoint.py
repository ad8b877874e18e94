"""A checkpoint gives back what was saved, for the same run only, however it was cut off."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meanfield import checkpoint as checkpoint_module
from meanfield.checkpoint import INTERVAL, WORK_RATIO, Checkpoint, Pace

ARRAYS: dict[str, Any] = {
    "step": 64,
    "theta": np.arange(6, dtype=np.float32).reshape(2, 3),
    "squares": 0.1,
}


def test_what_was_saved_comes_back_bit_for_bit(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "runs" / "seed-1.npz", "digest")
    assert checkpoint.load() is None
    checkpoint.save(ARRAYS)
    found = Checkpoint(checkpoint.path, "digest").load()
    assert found is not None
    assert found.keys() == ARRAYS.keys()
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == np.asarray(value).dtype


def test_parts_count_from_the_next_save_on(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "c.npz", "digest")
    checkpoint.add({"risk": np.array([1.0, 2.0])})
    checkpoint.save({"step": 1})
    checkpoint.add({"risk": np.array([3.0])})  # the process is killed after this one
    again = Checkpoint(checkpoint.path, "digest")
    assert again.load() == {"step": 1}
    assert [part.tolist() for part in again.records("risk")] == [[1.0, 2.0]]
    again.add({"risk": np.array([3.0, 4.0])})
    again.save({"step": 2})
    found = Checkpoint(checkpoint.path, "digest")
    assert found.load() == {"step": 2}
    assert [part.tolist() for part in found.records("risk")] == [[1.0, 2.0], [3.0, 4.0]]
    assert int(found.state("step")) == 2


@pytest.mark.parametrize("harm", ["removed", "cut", "of another run"])
def test_parts_are_discarded_with_the_state_if_one_of_them_is_harmed(
    tmp_path: Path, harm: str
) -> None:
    checkpoint, part = Checkpoint(tmp_path / "c.npz", "digest"), tmp_path / "c.1.npz"
    for number in range(3):
        checkpoint.add({"risk": np.array([number])})
    checkpoint.save(ARRAYS)
    (tmp_path / "d.0.npz").touch()  # of another seed
    if harm == "removed":
        part.unlink()
    elif harm == "cut":
        part.write_bytes(part.read_bytes()[:-1])
    else:
        Checkpoint(tmp_path / "other.npz", "other").add({"risk": np.array([1])})
        (tmp_path / "other.0.npz").replace(part)
    assert checkpoint.load() is None
    expected = "other settings" if harm == "of another run" else "cannot be read"
    assert expected in checkpoint.discarded
    assert [path.name for path in tmp_path.iterdir()] == ["d.0.npz"]
    checkpoint.add({"risk": np.array([7])})
    assert (tmp_path / "c.0.npz").exists()


def test_another_run_s_file_is_discarded_with_a_reason(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "c.npz", "old").save(ARRAYS)
    checkpoint = Checkpoint(tmp_path / "c.npz", "new")
    assert checkpoint.load() is None
    assert "other settings" in checkpoint.discarded
    assert not checkpoint.path.exists()
    assert checkpoint.load() is None
    assert checkpoint.discarded == ""


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_damaged_file_is_discarded(tmp_path: Path, kept: int) -> None:
    checkpoint = Checkpoint(tmp_path / "c.npz", "digest")
    checkpoint.save(ARRAYS)
    checkpoint.path.write_bytes(checkpoint.path.read_bytes()[:kept])
    assert checkpoint.load() is None
    assert "cannot be read" in checkpoint.discarded


def test_a_changed_byte_never_changes_what_is_loaded(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "c.npz", "digest")
    checkpoint.save({"step": 64})
    whole = checkpoint.path.read_bytes()
    discarded = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x15
        checkpoint.path.write_bytes(damaged)
        found = checkpoint.load()
        discarded += found is None
        assert found is None or int(found.get("step", 64)) == 64
    # What is left are times, attributes and the like.
    assert discarded > len(whole) / 2


def test_a_failed_save_keeps_the_old_file(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "c.npz", "digest")
    checkpoint.save(ARRAYS)
    with pytest.raises(ValueError, match="Object arrays"):
        checkpoint.save({"theta": np.array([{}], dtype=object)})
    found = checkpoint.load()
    assert found is not None
    assert int(found["step"]) == 64
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]


def test_writing_takes_a_small_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(checkpoint_module, "monotonic", lambda: now)
    pace, wait = Pace(), INTERVAL
    for taken in (1.0, 0.1, 7.0):
        now += wait - 0.1
        assert not pace.is_due
        now += 0.2
        assert pace.is_due
        with pace.writing():
            now += taken
        wait = max(INTERVAL, WORK_RATIO * taken)
    assert wait == 140
    now += wait - 0.1
    assert not pace.is_due
