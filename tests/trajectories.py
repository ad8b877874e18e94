"""What a run left, read back into memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meanfield.trajectory import Snapshot, Trajectory

Arrays = dict[str, NDArray[Any]]


def whole(run: Trajectory) -> Arrays:
    """Return the fields of all snapshots, and the parameters at the end as `final`."""
    fields = {name: np.concatenate(list(run.pieces(name))) for name in Snapshot._fields}
    return fields | {"final": run.theta()}


def check_same(found: Sequence[Arrays], expected: Sequence[Arrays]) -> None:
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in theirs.items():
            np.testing.assert_array_equal(mine[name], value, err_msg=name)
