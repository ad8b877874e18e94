"""What is asked of stored runs: |b|, the risk by the better way, the width."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr

from meanfield.experiment import Experiment
from meanfield.settings_fields import Section, sections_of
from meanfield.summaries import SYMBOLS, network_risk, swept_words, width, with_absolute_offset


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


def test_swept_settings_are_named_by_symbol() -> None:
    swept = {"initial.scale": 0.1, "sgd.step_size": 2e-06, "sgd.neurons": 80, "dd.nodes": 12}
    assert swept_words(swept) == "κ = 0.1, ε = 2e-6, N = 80, dd.nodes = 12"
    assert swept_words({"sgd.precision": "float64", "sgd.store_path": True}) == (
        "sgd.precision = float64, sgd.store_path = True"
    )


def test_symbols_are_those_of_the_settings() -> None:
    known = dict(_symbols(Experiment, ""))
    assert {key: known[key] for key in SYMBOLS} == SYMBOLS


def _symbols(section: type[Section], prefix: str) -> Iterator[tuple[str, str]]:
    for name, field in section.model_fields.items():
        extra: Any = field.json_schema_extra
        yield prefix + name, extra["symbol"]
        for below in sections_of(field.annotation):
            yield from _symbols(below, f"{prefix}{name}.")
