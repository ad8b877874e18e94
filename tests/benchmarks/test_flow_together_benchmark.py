from dataclasses import replace

import array_api_strict
import numpy as np
import pytest

from benchmarks import flow_together
from benchmarks.flow_cases import FIGURE_2
from meanfield.arrays import Backend
from meanfield.config_files import load_yaml

BACKENDS = [Backend("cpu", np, "Toy"), Backend("cupy", array_api_strict, "Toy")]


def test_the_sweep_is_that_of_figure_2() -> None:
    shipped = load_yaml(flow_together.ROOT / "config/experiments/figure_2.yaml")
    assert [case.law.delta for case in FIGURE_2] == shipped["sweep"]["law.delta"]  # type: ignore[union-attr]
    for case in FIGURE_2:
        found = {"atoms": case.atoms, "nodes": case.nodes, "tolerance": case.tolerance}
        assert found == shipped["dd"]
        assert case.horizon == shipped["time"]["horizon"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_both_ways_give_the_same_risks(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tuple(replace(case, atoms=8, nodes=2, horizon=0.1) for case in FIGURE_2[::9])
    monkeypatch.setattr(flow_together, "FIGURE_2", small)
    # The other is slow: solved once in either way.
    found = flow_together.together(1 if backend.name == "cpu" else 0, backend)
    assert all(row["seconds"] > 0 for row in found["rows"])
    assert found["flows"] == 2
    one_by_one, together = (row["right_hand_sides"] for row in found["rows"])
    assert one_by_one / 2 <= together < one_by_one
    assert found["largest_difference"] < 1e-10
