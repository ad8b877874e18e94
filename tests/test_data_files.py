"""Data sets in files: the formats agree, and errors name file, row and column."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from meanfield.data_files import read_data

X = np.array([[1.0, 2.5], [3.0, -4e-3], [5.0, 6.0]])
Y = np.array([1.0, -1.0, 0.5])


def test_the_formats_agree(tmp_path: Path) -> None:
    csv, npz, netcdf = tmp_path / "a.csv", tmp_path / "a.npz", tmp_path / "a.nc"
    csv.write_text('\ufeffp, "label",q\n1,1,2.5\n\n3.0,-1,-4e-3\n5,.5,6\n', encoding="utf-8")
    np.savez(npz, inputs=X.astype(int) * 0 + X, label=Y)
    xr.Dataset({"inputs": (("row", "column"), X), "label": ("row", Y)}).to_netcdf(netcdf)
    for file in (csv, npz, netcdf):
        data = read_data(file, "inputs", "label")
        np.testing.assert_array_equal(data.x, X)
        np.testing.assert_array_equal(data.y, Y)


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([[1, 0], [2, 1]]), y=np.array([True, False]))
    assert read_data(tmp_path / "a.npz").y.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.csv: expected a first line that names the columns, 'y' among them; got nothing"),
        ("1,2\n3,4\n", "'y' among them; got 1, 2"),
        ("y\n1\n2\n", "got no column of inputs"),
        ("y,p,p\n", "a.csv, column 3: got the name 'p'; expected a name that no other column has"),
        ("y,,p\n", "a.csv, column 2: got the name ''"),
        ("y,p\n1,2\n", "a.csv: got 1 rows; expected at least 2"),
        ("y,p\n1,2\n3,\n", r"a.csv, row 2 \(line 3\), column 'p': missing value, got ''"),
        ("y,p\n1,2\n\nNA,1\n", r"a.csv, row 2 \(line 4\), column 'y': missing value, got 'NA'"),
        ("y,p\n1,nan\n3,4\n", r"row 1 \(line 2\), column 'p': missing value, got 'nan'"),
        ("y,p\n1,2\n3,blue\n", r"row 2 \(line 3\), column 'p': got 'blue'; expected a finite"),
        ("y,p\n1,2\n3,1_0\n", r"row 2 \(line 3\), column 'p': got '1_0'; expected a finite"),
        ("y,p\n1,2\n3,inf\n", r"row 2 \(line 3\), column 'p': got 'inf'; expected a finite"),
        ("y,p\n1,2\n3,1e39\n", r"row 2, column 'p': got 1e\+39; expected a number finite in f"),
        ("y,p,q\n1,2,3\n4,5\n", r"row 2 \(line 3\), column 'q': got a row of 2 entries; exp.* 3"),
        ("y,p\n1,2\n4,5,6\n", r"row 2 \(line 3\), after column 'p': got a row of 3 entries"),
        ("y,p,q\n1,2,3\n4,2,5\n", "rows 1 to 2, column 'p': constant, every value is 2"),
        ("y,p\n1,2\n1,3\n", "rows 1 to 2, column 'y': constant, every value is 1"),
        ('y,p\n1,2\n3,"4\n', "a.csv, row 2: not readable as CSV"),
    ],
)
def test_errors_in_a_csv_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_data(tmp_path / "a.csv")
    assert str(caught.value).startswith(str(tmp_path / "a.csv"))


@pytest.mark.parametrize("suffix", ["npz", "nc"])
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[0], Y, r"got 'x' of shape \(2,\) and 'y' of shape \(3,\); expected \(n, d\) and \(n,\)"),
        (X, Y[:2], r"got 'x' of shape \(3, 2\) and 'y' of shape \(2,\)"),
        (np.where(X == 6, np.nan, X), Y, r"row 3, column 'x\[2\]': missing value, got nan"),
        (X, np.where(Y == -1, np.nan, Y), "row 2, column 'y': missing value, got nan"),
        (np.where(X == 6, np.inf, X), Y, r"row 3, column 'x\[2\]': got inf; expected a number fin"),
        (np.where(X == 6, "red", "1"), Y, r"row 3, column 'x\[2\]': got red; expected a number"),
        (np.ones((3, 2)) * [[1], [2], [1]] * [1, 0] + 1, Y, r"column 'x\[2\]': constant, every"),
        (X, np.ones(3), "column 'y': constant, every value is 1"),
    ],
)
def test_errors_in_an_array(tmp_path: Path, suffix: str, x: Any, y: Any, message: str) -> None:
    file = tmp_path / f"a.{suffix}"
    if suffix == "npz":
        np.savez(file, x=x, y=y)
    else:
        names = [f"d{index}" for index in range(x.ndim)]
        xr.Dataset({"x": (names, x), "y": ("rows", y)}).to_netcdf(file)
    with pytest.raises(ValueError, match=message) as caught:
        read_data(file)
    assert str(caught.value).startswith(str(file))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.csv: no such file"):
        read_data(tmp_path / "a.csv")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match=r"a.txt: got a file .txt; expected .csv, .npz or .nc"):
        read_data(tmp_path / "a.txt")
    for name, kind in (("a.npz", "an NPZ archive"), ("a.nc", "NetCDF")):
        (tmp_path / name).write_text("not one")
        with pytest.raises(ValueError, match=f"{name}: not readable as {kind}"):
            read_data(tmp_path / name)
    (tmp_path / "b.csv").write_bytes(b"y,p\n1,2\n\xff,3\n")
    with pytest.raises(ValueError, match=r"b.csv, row \d: not readable as CSV in UTF-8"):
        read_data(tmp_path / "b.csv")
    np.savez(tmp_path / "b.npz", x=X)
    with pytest.raises(ValueError, match=r"b.npz: no array 'y'; there is x"):
        read_data(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", x=np.array([[None, 1]]), y=Y)
    with pytest.raises(ValueError, match=r"c.npz: 'x' cannot be read; expected an array of n"):
        read_data(tmp_path / "c.npz")


@pytest.mark.parametrize("suffix", ["npz", "nc"])
def test_damaged_data_are_noticed(tmp_path: Path, suffix: str) -> None:
    x, file = np.random.default_rng(0).normal(size=(500, 20)), tmp_path / f"a.{suffix}"
    if suffix == "npz":
        np.savez_compressed(file, x=x, y=x[:, 0])
    else:
        data = xr.Dataset({"x": (("row", "column"), x), "y": ("row", x[:, 0])})
        data.to_netcdf(file, encoding={"x": {"zlib": True, "fletcher32": True}})
    content = bytearray(file.read_bytes())
    content[30_000:30_100] = bytes(100)
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"a.{suffix}: 'x' cannot be read; expected an array of"):
        read_data(file)


def test_attributes_that_do_not_decode_are_noticed(tmp_path: Path) -> None:
    x = ("row", "column"), X, {"scale_factor": "much"}
    xr.Dataset({"x": x, "y": ("row", Y)}).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(ValueError, match=r"a\.nc: 'x' cannot be read; expected an array"):
        read_data(tmp_path / "a.nc")
