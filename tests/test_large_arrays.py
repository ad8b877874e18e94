"""Large arrays are read and written in pieces, and are what they are when written at once."""

import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from meanfield import large_arrays
from meanfield.large_arrays import Pieces, read_rows
from meanfield.store import read, write
from test_store import ORIGIN


def test_a_large_array_is_read_by_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_arrays, "_READ_AT_ONCE", 7)
    theta = np.random.default_rng(0).normal(size=(2, 5, 3))
    data = xr.Dataset({"theta": (("seed", "neuron", "parameter"), theta), "risk": ((), 1.0)})
    write(data.assign_coords(seed=np.array([3, 2**64 - 1], np.uint64)), tmp_path / "a.nc",
          title="Trial", origin=ORIGIN, backend="numpy")  # fmt: skip
    rows = read_rows(tmp_path / "a.nc", "theta", "float32", seed=2**64 - 1)
    np.testing.assert_array_equal(rows, theta[1].astype("float32"))
    assert rows.dtype == np.float32
    assert set(read(tmp_path / "a.nc", without=["theta"]).data_vars) == {"risk"}


def test_several_threads_read_rows_at_once(tmp_path: Path) -> None:
    theta = np.arange(8 * 50 * 4, dtype=float).reshape(8, 50, 4)
    data = xr.Dataset(
        {"theta": (("seed", "neuron", "parameter"), theta)}, coords={"seed": np.arange(8)}
    )
    write(data, tmp_path / "a.nc", title="Trial", origin=ORIGIN, backend="numpy")
    with ThreadPoolExecutor(8) as pool:
        read_all = pool.map(
            lambda k: read_rows(tmp_path / "a.nc", "theta", "float64", seed=k % 8), range(160)
        )
        for k, rows in enumerate(read_all):
            np.testing.assert_array_equal(rows, theta[k % 8])


def test_a_variable_written_in_pieces_is_what_it_is_at_once(tmp_path: Path) -> None:
    theta = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    alive: list[weakref.ref[Any]] = []

    def pieces() -> Iterator[tuple[int, Any]]:
        for seed in range(3):
            assert all(each() is None for each in alive), "two pieces are in memory"
            piece = theta[seed].astype(np.float64)
            alive.append(weakref.ref(piece))
            yield seed, piece
            del piece

    dimensions = ("seed", "neuron", "parameter")
    small = xr.Dataset({"risk": ("seed", [0.5, 1.5, 2.5])}, coords={"seed": [4, 2, 9]})
    for name in ("first.nc", "second.nc"):
        large = {"theta": Pieces(dimensions, (3, 5, 4), "float32", pieces())}
        write(small, tmp_path / name, title="Trial", origin=ORIGIN, backend="numpy", large=large)
    together = small.assign(theta=(dimensions, theta))
    write(together, tmp_path / "once.nc", title="Trial", origin=ORIGIN, backend="numpy")
    found, expected = read(tmp_path / "first.nc"), read(tmp_path / "once.nc")
    xr.testing.assert_identical(found, expected)
    assert found.theta.dtype == np.float32
    assert (tmp_path / "first.nc").read_bytes() == (tmp_path / "second.nc").read_bytes()


def test_a_failure_between_pieces_keeps_the_old_file(tmp_path: Path) -> None:
    def pieces() -> Iterator[tuple[int, Any]]:
        yield 0, np.ones(2)
        raise ZeroDivisionError

    path, small = tmp_path / "a.nc", xr.Dataset({"risk": ((), 1.0)})
    write(small, path, title="Trial", origin=ORIGIN, backend="numpy")
    before = path.read_bytes()
    large = {"theta": Pieces(("neuron", "parameter"), (2, 2), float, pieces())}
    with pytest.raises(ZeroDivisionError):
        write(small, path, title="Trial", origin=ORIGIN, backend="numpy", large=large)
    with pytest.raises(ValueError, match="'nonsense'"):
        write(small, path, title="Trial", origin=ORIGIN, backend="numpy",
              large={"nonsense": large["theta"]})  # fmt: skip
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.nc"]
