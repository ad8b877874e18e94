"""Output times hold every snapshot once, and turn into steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meanfield.timeline import output_times, steps_at


@given(
    horizon=st.floats(0.1, 100),
    fractions=st.lists(st.integers(0, 10**6), min_size=1, max_size=6, unique=True),
    points=st.integers(2, 200),
)
def test_times_increase_and_hold_every_snapshot(
    horizon: float, fractions: list[int], points: int
) -> None:
    snapshots = sorted(horizon * f / 10**6 for f in fractions)
    times = output_times({"horizon": horizon, "snapshots": snapshots, "curve_points": points})
    assert np.all(np.diff(times) > 0)
    assert set(snapshots) <= set(times)
    assert times[0] == 0
    assert times[-1] == pytest.approx(horizon, rel=1e-15)


def test_a_snapshot_on_the_grid_appears_once() -> None:
    times = output_times({"horizon": 1.0, "snapshots": [0.3, 0.7], "curve_points": 11})
    assert len(times) == 11


def test_steps() -> None:
    np.testing.assert_array_equal(steps_at(np.array([0.0, 0.1, 10.0]), 1e-6), [0, 10**5, 10**7])
