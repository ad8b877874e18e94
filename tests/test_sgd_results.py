"""What several runs recorded, in parts, is stored by seed and output time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meanfield import trajectory
from meanfield.checkpoint import Checkpoint
from meanfield.large_arrays import Pieces
from meanfield.laws import make_law
from meanfield.sgd_results import as_dataset
from meanfield.trajectory import Records, Snapshot, Trajectory
from sample_settings import RIDGE

LAW = make_law(RIDGE["law"])
NEURONS, SNAPSHOTS = 4, 5
OUTPUTS = np.array([0, 1, 1, 2, 3, 3, 3, 4])
"""Output times may share a step."""


def snapshot(seed: int, step: int) -> Snapshot:
    """Return numbers that tell where they belong."""
    at = 100.0 * seed + step
    return Snapshot(
        omega=at + np.arange(NEURONS)[:, np.newaxis] / 10,
        risks=at + np.arange(5) / 10,
        mean_square_residual=np.array(at),
        theta=np.full((NEURONS, 6), at, np.float32),
    )


def record(folder: Path, seeds: list[int], saved: set[int]) -> list[Trajectory]:
    """Record networks of one checkpoint, which is saved after some of the snapshots."""
    records = Records(Checkpoint(folder / f"{seeds}.npz", "id"))
    for step in range(SNAPSHOTS):
        records.add([snapshot(seed, step) for seed in seeds])
        if step in saved:
            records.save({"step": step})
    return records.finish([np.full((NEURONS, 6), seed, np.float32) for seed in seeds])


def assembled(variable: Pieces) -> Any:
    array = np.full(variable.shape, np.nan, variable.dtype)
    for index, piece in variable.pieces:
        array[index] = piece
    return array


@pytest.mark.parametrize("held", [0, 2**26])
def test_every_number_finds_its_place(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    held: int,
) -> None:
    monkeypatch.setattr(trajectory, "_HELD_BYTES", held)
    runs = record(tmp_path, [7], {1, 3}) + record(tmp_path, [2, 5], {0})
    parts = {path.name for path in tmp_path.glob("[[]7[]].*.npz")}
    assert len(parts) == (SNAPSHOTS if held == 0 else 3)
    settings = RIDGE | {"sgd": RIDGE["sgd"] | {"store_path": True}}
    small, large = as_dataset(runs, OUTPUTS, settings, LAW)
    at = np.array([[100.0 * seed + step for step in OUTPUTS] for seed in (7, 2, 5)])
    np.testing.assert_array_equal(small.mean_square_residual, at)
    np.testing.assert_array_equal(small.risk, at)
    np.testing.assert_array_equal(small.fluctuation, at + 0.3)
    assert list(small.invariant.values) == ["r"]
    omega = at[:, :, np.newaxis] + np.arange(NEURONS) / 10
    np.testing.assert_array_equal(assembled(large["omega"])[..., 0], omega)
    path = np.broadcast_to(at[..., np.newaxis, np.newaxis], (*at.shape, NEURONS, 6))
    np.testing.assert_array_equal(assembled(large["theta_path"]), path)
    ends = np.broadcast_to(np.array([7, 2, 5])[:, np.newaxis, np.newaxis], (3, NEURONS, 6))
    np.testing.assert_array_equal(assembled(large["theta"]), ends)


def test_the_path_is_stored_only_where_it_was_kept(
    tmp_path: Path,
) -> None:
    _, large = as_dataset(record(tmp_path, [1], set()), OUTPUTS, RIDGE, LAW)
    assert set(large) == {"omega", "theta"}
