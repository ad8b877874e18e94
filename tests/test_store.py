"""Files say how they were made, appear whole or not at all, and are equal when results are."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from meanfield.digests import settings_digest
from meanfield.store import Origin, read, read_tree, recorded_digest, stamp, write

ORIGIN = Origin("solve_dd", "trial", "base", {"a": [1, 0.5, None, True]}, "c0de", "d19e57")


def dataset() -> xr.Dataset:
    return xr.Dataset({"risk": ("time", [1.0, 0.5])}, coords={"time": [0.0, 1.0]})


def test_file_records_its_origin(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.nc"
    write(dataset(), path, title="Trial", origin=ORIGIN, backend="numpy")
    stored = read(path)
    assert json.loads(stored.attrs["settings"]) == ORIGIN.settings
    assert stored.attrs["settings_digest"] == settings_digest(ORIGIN.settings)
    assert stored.attrs["code_digest"] == "c0de"
    assert recorded_digest(path) == "d19e57"
    assert {"git_commit", "backend", "device", "library_versions", "license"} <= set(stored.attrs)
    assert "numpy" in json.loads(stored.attrs["library_versions"])
    assert all({"long_name", "units"} <= set(v.attrs) for v in stored.variables.values())
    np.testing.assert_array_equal(stored.risk, [1.0, 0.5])


def test_tree_keeps_its_groups(tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict({"/sgd": dataset(), "/dd": dataset()})
    write(tree, tmp_path / "tree.nc", title="Trial", origin=ORIGIN, backend="numpy")
    stored = read_tree(tmp_path / "tree.nc")
    assert set(stored.children) == {"sgd", "dd"}
    assert "units" in stored["sgd/risk"].attrs
    assert recorded_digest(tmp_path / "tree.nc") == "d19e57"


def test_equal_results_are_equal_files(tmp_path: Path) -> None:
    for name in ("first.nc", "second.nc"):
        write(dataset(), tmp_path / name, title="Trial", origin=ORIGIN, backend="numpy")
    assert (tmp_path / "first.nc").read_bytes() == (tmp_path / "second.nc").read_bytes()


def test_unknown_variable_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'nonsense'"):
        write(
            dataset().assign(nonsense=1.0),
            tmp_path / "f.nc",
            title="Trial",
            origin=ORIGIN,
            backend="numpy",
        )
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.nc"
    write(dataset(), path, title="Trial", origin=ORIGIN, backend="numpy")
    before = path.read_bytes()
    unwritable = dataset().assign(risk=("time", np.array([{}, {}], dtype=object)))
    with pytest.raises((ValueError, TypeError)):
        write(unwritable, path, title="Trial", origin=ORIGIN, backend="numpy")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["file.nc"]


def test_digest_of_other_files(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"# {stamp('abc123')}\nx\n1\n")
    (tmp_path / "bare.csv").write_text("x\n1\n")
    (tmp_path / "cut.nc").write_bytes(b"CDF")
    assert recorded_digest(tmp_path / "table.csv") == "abc123"
    assert recorded_digest(tmp_path / "bare.csv") is None
    assert recorded_digest(tmp_path / "cut.nc") is None
