"""Arrays of NetCDF files that are read and written in pieces, since they are large."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import netCDF4
import numpy as np
import numpy.typing as npt
import xarray as xr

_READ_AT_ONCE = 1_000_000
"""Numbers that are read at once."""


class Pieces(NamedTuple):
    """A variable that is written piece by piece, as it need not fit into memory.

    Attributes:
        dimensions: their names.
        shape: as many sizes.
        dtype: type of the numbers.
        pieces: pairs of an index and the array that goes there; together they fill the variable.
    """

    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: npt.DTypeLike
    pieces: Iterable[tuple[Any, npt.NDArray[Any]]]


def append(path: Path, name: str, variable: Pieces, attributes: Mapping[str, str]) -> None:
    """Add a variable of real numbers to a file, and the dimensions that it lacks."""
    with netCDF4.Dataset(path, "a") as file:
        for dimension, size in zip(variable.dimensions, variable.shape, strict=True):
            if dimension not in file.dimensions:
                file.createDimension(dimension, size)
        file.set_fill_off()  # every number is written below
        stored = file.createVariable(
            name,
            np.dtype(variable.dtype),
            variable.dimensions,
            fill_value=np.nan,  # as xarray has it
        )
        stored.setncatts(attributes)
        for index, array in variable.pieces:
            stored[index] = array
            del array  # before the next one is made


# HDF5 is not safe for threads: two that open a file at once end in errors, or the process.
_ONE_READER = Lock()


def read_rows(
    path: str | Path, name: str, dtype: npt.DTypeLike, **labels: object
) -> npt.NDArray[Any]:
    """Read one large array, a few rows at a time, so that no other copy of it is made.

    May be called from several threads.

    Args:
        path: the file.
        name: name of the variable.
        dtype: type of the result.
        labels: dimension -> label of the entry that is wanted.

    Returns:
        The array, without the dimensions that labels were given for.
    """
    with _ONE_READER, xr.open_dataset(path, engine="netcdf4") as dataset:
        stored = dataset[name].sel(labels)
        rows = np.empty(stored.shape, dtype)
        length = max(1, _READ_AT_ONCE // max(1, rows[:1].size))
        for start in range(0, len(rows), length):
            rows[start : start + length] = stored[start : start + length].values
    return rows
