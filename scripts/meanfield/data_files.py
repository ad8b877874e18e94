"""Data sets in files: CSV, NumPy's NPZ and NetCDF, checked entry by entry.

Rows are counted from 1, without the header of a CSV file. Columns are named as the file names them;
those of an NPZ or NetCDF array are counted from 1.
"""

import csv
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

MISSING = ("", "na", "n/a", "nan", "null", "none", "?")
"""Entries of a CSV file, in lower case, that say that a value is missing."""


class Data(NamedTuple):
    """Inputs x (n, d) and labels y (n,), float64."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]


def read_data(file: str | Path, inputs: str = "x", label: str = "y") -> Data:
    """Read a data set and check every entry of it.

    Args:
        file: a .csv file, whose first line names the columns; or an .npz or .nc file with arrays
            of shapes (n, d) and (n,).
        inputs: name of the array of inputs in an .npz or .nc file. In a CSV file every column but
            the label is an input.
        label: name of the column or array of labels.

    Returns:
        The inputs and labels; n >= 2, every value finite in float32, no column constant there.

    Raises:
        ValueError: the file cannot be read, or holds missing values, constant columns, wrong shapes
            or entries that are not numbers; the message names file, row and column.
    """
    path = Path(file)
    if not path.is_file():
        raise ValueError(f"{file}: no such file; expected a data set (.csv, .npz or .nc)")
    readers = {".csv": _read_csv, ".npz": _read_npz, ".nc": _read_netcdf}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{file}: got a file {path.suffix or 'without suffix'}; expected .csv, "
                         ".npz or .nc")  # fmt: skip
    data, names = readers[path.suffix.lower()](path, inputs, label)
    _check(str(file), data, names)
    return data


class _Names(NamedTuple):
    """How messages name the columns of the inputs, and the label."""

    inputs: Sequence[str]
    label: str


# --- CSV ---------------------------------------------------------------------------------------


def _read_csv(path: Path, _inputs: str, label: str) -> tuple[Data, _Names]:
    rows: list[NDArray[np.float64]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, skipinitialspace=True, strict=True)
            header = _header(str(path), next(reader, []), label)
            for cells in reader:
                if cells:  # an empty line is no row
                    place = f"{path}, row {len(rows) + 1} (line {reader.line_num})"
                    rows.append(_numbers(place, cells, header))
    except (csv.Error, UnicodeDecodeError) as error:
        place = f"row {len(rows) + 1}"
        raise ValueError(f"{path}, {place}: not readable as CSV in UTF-8: {error}") from None
    table = np.array(rows).reshape(len(rows), len(header))
    at = header.index(label)
    names = _Names([name for name in header if name != label], label)
    return Data(np.delete(table, at, axis=1), table[:, at].copy()), names


def _header(file: str, cells: Sequence[str], label: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    expected = f"{file}: expected a first line that names the columns, {label!r} among them"
    if label not in names:
        raise ValueError(f"{expected}; got {', '.join(names) or 'nothing'}")
    if len(names) < 2:
        raise ValueError(f"{expected}; got no column of inputs")
    for index, name in enumerate(names):
        if not name or name in names[:index]:
            raise ValueError(f"{file}, column {index + 1}: got the name {name!r}; expected a name "
                             "that no other column has")  # fmt: skip
    return names


def _numbers(place: str, cells: Sequence[str], header: Sequence[str]) -> NDArray[np.float64]:
    if len(cells) < len(header):
        raise ValueError(
            f"{place}, column {header[len(cells)]!r}: got a row of {len(cells)} entries; "
            f"expected {len(header)}, one a column"
        )
    if len(cells) > len(header):
        raise ValueError(
            f"{place}, after column {header[-1]!r}: got a row of {len(cells)} entries; "
            f"expected {len(header)}, one a column"
        )
    try:
        values = np.array([float(cell) for cell in cells])
        # Python's float allows digits to be grouped by underscores.
        if np.isfinite(values).all() and "_" not in "".join(cells):
            return values
    except ValueError:
        pass
    for cell, column in zip(cells, header, strict=True):
        text = cell.strip()
        if text.lower() in MISSING:
            raise ValueError(f"{place}, column {column!r}: missing value, got {text!r}")
        try:
            number = float(text.replace("_", "?"))
        except ValueError:
            number = np.nan
        if not np.isfinite(number):
            raise ValueError(f"{place}, column {column!r}: got {text!r}; expected a finite number")
    return values


# --- NPZ and NetCDF ----------------------------------------------------------------------------


def _read_npz(path: Path, inputs: str, label: str) -> tuple[Data, _Names]:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path}: not readable as an NPZ archive")
    arrays = []
    with np.load(path, allow_pickle=False) as archive:
        for name in (inputs, label):
            _known(path, name, archive.files)
            try:
                arrays.append(archive[name])
            except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                # An array of Python objects is a ValueError about pickles.
                raise _unreadable(path, name, error) from None
    return _from_arrays(path, arrays[0], arrays[1], inputs, label)


def _read_netcdf(path: Path, inputs: str, label: str) -> tuple[Data, _Names]:
    try:
        # Missing values become NaN here; dates stay numbers.
        with xr.open_dataset(path, engine="netcdf4", decode_times=False) as dataset:
            names = [str(name) for name in dataset.variables]
            for name in (inputs, label):
                _known(path, name, names)
            arrays = []
            for name in (inputs, label):
                try:
                    arrays.append(dataset[name].values)
                except (OSError, RuntimeError, TypeError, ValueError) as error:
                    # Damaged data, or attributes by which they cannot be decoded.
                    raise _unreadable(path, name, error) from None
    except OSError as error:
        raise ValueError(f"{path}: not readable as NetCDF: {error}") from None
    return _from_arrays(path, arrays[0], arrays[1], inputs, label)


def _unreadable(path: Path, name: str, error: Exception) -> ValueError:
    return ValueError(f"{path}: {name!r} cannot be read; expected an array of numbers: {error}")


def _known(path: Path, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise ValueError(f"{path}: no array {name!r}; there is {', '.join(names) or 'nothing'}")


def _from_arrays(
    path: Path, x: NDArray[Any], y: NDArray[Any], inputs: str, label: str
) -> tuple[Data, _Names]:
    if x.ndim != 2 or x.shape[1] == 0 or y.shape != x.shape[:1]:
        raise ValueError(
            f"{path}: got {inputs!r} of shape {x.shape} and {label!r} of shape {y.shape}; expected "
            "(n, d) and (n,): n rows, d >= 1 columns"
        )
    columns = [f"{inputs}[{column}]" for column in range(1, x.shape[1] + 1)]
    data = Data(_as_numbers(path, x, columns), _as_numbers(path, y[:, None], [label])[:, 0])
    return data, _Names(columns, label)


def _as_numbers(path: Path, values: NDArray[Any], columns: Sequence[str]) -> NDArray[np.float64]:
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    for (row, column), value in np.ndenumerate(values):
        try:
            if values.dtype.kind in "cmM":
                raise TypeError
            float(value)
        except (TypeError, ValueError):
            raise ValueError(
                f"{path}, row {row + 1}, column {columns[column]!r}: got {value!s}; expected a "
                "number"
            ) from None
    return values.astype(np.float64)


# --- what holds for all ------------------------------------------------------------------------


def _check(file: str, data: Data, names: _Names) -> None:
    if len(data.x) < 2:
        raise ValueError(f"{file}: got {len(data.x)} rows; expected at least 2")
    table = np.column_stack(data)
    columns = [*names.inputs, names.label]
    with np.errstate(over="ignore"):
        single = table.astype(np.float32)
    if not np.isfinite(single).all():
        row, column = (int(index) for index in np.argwhere(~np.isfinite(single))[0])
        value = table[row, column]
        place = f"{file}, row {row + 1}, column {columns[column]!r}"
        if np.isnan(value):
            raise ValueError(f"{place}: missing value, got nan")
        raise ValueError(f"{place}: got {value:g}; expected a number finite in float32")
    constant = np.flatnonzero((single == single[0]).all(axis=0))
    if len(constant):
        raise ValueError(
            f"{file}, rows 1 to {len(table)}, column {columns[constant[0]]!r}: constant, every "
            f"value is {table[0, constant[0]]:g}; expected columns that vary (leave it out)"
        )
