"""Figures of a whole sweep: their data are the aggregate's, their words have its numbers."""

import importlib
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from meanfield import minima_data, minima_figure, path_figure, trap_figure
from meanfield.store import Origin, recorded_digest
from meanfield.sweep_curves import curve_data
from sweep_tree import SEEDS, statics_run, sweep_tree

ORIGIN = Origin("stage", "one", "all", {}, "code", "abc123")
STEP, WIDTH = "sgd.step_size", "sgd.neurons"
DELTA, SCALE = "law.delta", "initial.scale"
DELTAS = [0.0, 0.25, 0.5, 0.75]
BY_DELTA = {f"{d}_{s}": {DELTA: d, STEP: s} for d in (0.25, 0.5) for s in (1e-3, 1e-2)}
BY_SCALE = {f"{k}_{s}": {SCALE: k, STEP: s} for k in (0.1, 0.4) for s in (1e-3, 1e-2)}


def test_the_parts_add_up_to_the_distance_to_the_minimum() -> None:
    tree, points = sweep_tree(BY_DELTA, ["r"], statics_run(DELTAS))
    minimum = minima_data.minimum_data(tree, points)
    reached = minima_data.reached_data(tree, points, minimum)
    least = {0.25: 0.5625, 0.5: 0.25}
    for delta in least:
        for step in (1e-3, 1e-2):
            at = reached[reached["x"] == delta]
            own = at[(at[STEP] == step) | at[STEP].isna()].set_index("series")["y"]
            assert own["SGD"] - least[delta] == pytest.approx(own["time"] + own["width and step"])
            assert own["SGD"] == pytest.approx(0.3 + 10 * step)
            assert own["draws"] == pytest.approx(0.5 / 5)
    # The limit has no step: it stands there once for each Delta.
    assert len(reached[reached["series"] == "DD"]) == 2


def test_two_widths_tell_what_width_adds_from_what_the_step_adds() -> None:
    # R_N = 0.3 + 0.2 / N + 10 eps, whose parts are known.
    swept = {f"{n}_{s}": {DELTA: 0.5, WIDTH: n, STEP: s} for n in (2, 5) for s in (1e-3, 1e-2)}
    tree, points = sweep_tree(swept, ["r"], statics_run(DELTAS))
    reached = minima_data.reached_data(tree, points, minima_data.minimum_data(tree, points))
    for step in (1e-3, 1e-2):
        own = reached[(reached[STEP] == step) & (reached[WIDTH] == 5)].set_index("series")
        assert own["y"]["width"] == pytest.approx(0.2 / 5)
        assert own["y"]["step"] == pytest.approx(10 * step)
        # Both seeds are 0.01 off their mean, at both widths: which does not touch the difference.
        assert own["low"]["width"] == pytest.approx(0.2 / 5)
        assert own["high"]["step"] == pytest.approx(10 * step + 0.01)
    assert len(reached[reached["series"] == "SGD"]) == 4
    assert set(reached.loc[reached["series"] == "draws", "y"]) == {0.1, 0.25}
    words = minima_figure.describe("A figure", minima_data.minimum_data(tree, points), reached, 2)
    assert "of 0.1000 time 0.0500, width 0.0400, step 0.0100" in words


def test_the_risks_show_the_widest_networks_and_the_parts_all_by_name() -> None:
    swept = {f"{d}_{n}": {DELTA: d, WIDTH: n} for d in (0.25, 0.5) for n in (2, 5)}
    tree, points = sweep_tree(swept, ["r"], statics_run(DELTAS))
    minimum = minima_data.minimum_data(tree, points)
    reached = minima_data.reached_data(tree, points, minimum)
    figure, (left, right) = plt.subplots(1, 2)
    minima_figure.draw_risks(left, minimum, reached)
    minima_figure.draw_parts(right, reached)
    names = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in (left, right)]
    plt.close(figure)
    assert [name for name in names[0] if "SGD" in name] == ["SGD, $N = 5$, same $t$"]
    assert [name for name in names[1] if "SGD" in name] == ["SGD, $N = 5$", "SGD, $N = 2$"]
    words = minima_figure.describe("A figure", minimum, reached, 2)
    assert "marks for the runs of 5 and 2 neurons" in words


def test_minima_at_a_list_of_deltas_and_at_those_of_the_sweep() -> None:
    many = minima_data.minimum_data(*sweep_tree(BY_DELTA, ["r"], statics_run(DELTAS)))
    line = many[many["series"] == "inf R"]
    assert list(line["x"]) == DELTAS
    atoms = many[many["series"] == "atom"]
    assert np.isinf(atoms["y"]).sum() == len(DELTAS)
    assert atoms.groupby("x")["mass"].sum().to_list() == pytest.approx([1.0] * 4)
    marks = many[many["series"].str.startswith("Delta^")].set_index("series")
    assert marks["x"].to_dict() == {"Delta^l": 0.1, "Delta^h": 0.5}  # Delta^s is not known
    assert marks["y"]["Delta^h"] == pytest.approx(0.25)
    few = minima_data.minimum_data(*sweep_tree({"one": {DELTA: 0.5}}, ["r"], statics_run()))
    assert few.loc[few["series"] == "inf R", ["x", "y"]].to_numpy().tolist() == [[0.5, 0.25]]


def test_the_potential_is_that_at_the_end_and_the_dot_lies_on_it() -> None:
    tree, points = sweep_tree(BY_SCALE, ["r"])
    data = trap_figure.potential_data(tree, points, 3.0)
    assert sorted(data[SCALE].unique()) == [0.1, 0.4]
    line = data[data["quantity"] == "potential"]
    np.testing.assert_allclose(line["y"], (line["x"] - 2) ** 2)
    assert line["x"].max() == 3.0
    atoms = data[(data["quantity"] == "atom") & (data[SCALE] == 0.1)]
    assert list(atoms["x"]) == [0.5, 1.5, 1.5]  # masses 0.25 and 0.75
    np.testing.assert_allclose(atoms["y"], [2.25, 0.25, 0.25])


def test_the_largest_gap_is_that_to_the_limit_in_finite_d() -> None:
    kinds = {
        f"{step}_{kind}": {STEP: step, "dd.dimension": kind}
        for step in (1e-3, 1e-2)
        for kind in ("finite", "infinite_data")
    }
    data = curve_data(*sweep_tree(kinds, ["b", "a"]))
    assert path_figure.panels_of(data) == ["risk", "a", "b"]
    assert path_figure.gaps(data, "risk") == pytest.approx({1e-3: 0.01, 1e-2: 0.1})
    words = path_figure.describe("A figure", data, 2)
    for number in ("risk 0.3100", "risk 0.4000", "risk 0.3000", "within 0.0100", "t = 10"):
        assert number in words


@pytest.mark.parametrize(
    ("name", "swept", "statics", "numbers"),
    [
        ("figure_2", BY_DELTA, DELTAS, ("0.3100", "Delta^h = 0.5000")),
        ("figure_3", {"base": {}}, None, ("risk 0.3000",)),
        ("figure_4", BY_SCALE, None, ("0.3000", "0.310 with steps of 0.001", "kappa = 0.4")),
    ],
)
def test_a_script_draws_what_it_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    swept: dict[str, Any],
    statics: list[float] | None,
    numbers: tuple[str, ...],
) -> None:
    minimum = None if statics is None else statics_run(statics)
    tree, points = sweep_tree(swept, ["r"], minimum)
    script = importlib.import_module(f"plot_{name}")
    monkeypatch.setattr(script, "read_tree", lambda _: tree)
    outputs = {suffix: tmp_path / f"{name}.{suffix}" for suffix in ("png", "csv", "txt")}
    script.main(
        settings={"points": points, "title": "A figure", "figure": {"largest_radius": 3.0}},
        origin=ORIGIN,
        aggregate="one.nc",
        pictures=[outputs["png"]],
        table=outputs["csv"],
        alt_text=outputs["txt"],
    )
    assert {recorded_digest(path) for path in outputs.values()} == {"abc123"}
    assert len(pd.read_csv(outputs["csv"], comment="#")) > len(SEEDS)
    words = outputs["txt"].read_text()
    assert "Assumptions of the theorems: A1 holds: xi is constant." in words
    for number in numbers:
        assert number in words
