"""What is asked of stored runs: |b|, the risk by the better way, the width."""

import numpy as np
import xarray as xr

from meanfield.summaries import network_risk, width, with_absolute_offset


def test_absolute_offset_stands_after_the_invariants() -> None:
    omega = xr.DataArray(
        [[1.0, -2.0, 3.0]], dims=("neuron", "invariant"), coords={"invariant": ["a", "b", "r"]}
    )
    found = with_absolute_offset(omega)
    assert list(found.invariant.values) == ["a", "b", "r", "|b|"]
    np.testing.assert_array_equal(found.values, [[1.0, -2.0, 3.0, 2.0]])
    radii = omega.sel(invariant=["r"])
    xr.testing.assert_identical(with_absolute_offset(radii), radii)


def test_risk_is_the_sum_of_its_parts_where_they_are_known() -> None:
    sgd = xr.Dataset(
        {
            "risk": ("time", [1.0, 2.0]),
            "reduced_risk": ("time", [0.7, np.nan]),
            "fluctuation": ("time", [0.2, np.nan]),
        }
    )
    np.testing.assert_allclose(network_risk(sgd), [0.9, 2.0])


def test_width_does_not_count_padding() -> None:
    omega = np.ones((1, 1, 3, 1))
    omega[:, :, 2] = np.nan
    sgd = xr.Dataset({"omega": (("seed", "time", "neuron", "invariant"), omega)})
    assert width(sgd) == 2
