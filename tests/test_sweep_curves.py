"""Curves over a sweep: one a run, the mean of the seeds in their range, a style a kind."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from meanfield.figures import use_style
from meanfield.sweep_curves import curve_data, draw_curves, legend_handles, styles_of
from sweep_tree import TIMES, sweep_tree

STEP, LIMIT = "sgd.step_size", "dd.dimension"
SWEPT = {
    f"{step}_{kind}": {STEP: step, LIMIT: kind}
    for step in (1e-3, 1e-2)
    for kind in ("finite", "infinite_data")
}


def test_points_that_share_a_run_share_its_curve() -> None:
    data = curve_data(*sweep_tree(SWEPT, ["a", "r1"]))
    assert set(data["quantity"]) == {"risk", "a", "r1"}
    risk = data[data["quantity"] == "risk"]
    sgd, dd = risk[risk["series"] == "SGD"], risk[risk["series"] == "DD"]
    assert len(sgd) == len(dd) == 2 * len(TIMES)
    assert sgd[LIMIT].isna().all()
    assert dd[STEP].isna().all()
    ends = sgd[sgd["t"] == TIMES[-1]].set_index(STEP)
    assert ends["y"].to_dict() == pytest.approx({1e-3: 0.31, 1e-2: 0.4})
    np.testing.assert_allclose(ends["high"] - ends["low"], 0.02)
    means = data[(data["quantity"] == "r1") & (data["series"] == "DD")]
    np.testing.assert_allclose(means["y"], 0.25 * 0.5 + 0.75 * 1.5)


def test_styles_tell_step_sizes_and_limits_apart() -> None:
    data = curve_data(*sweep_tree(SWEPT, ["r"]))
    styles = styles_of(data)
    assert list(styles) == [
        ("SGD", 1e-3),
        ("SGD", 1e-2),
        ("DD", "finite"),
        ("DD", "infinite_data"),
    ]
    assert len({(str(style.colour), str(style.dashes)) for style in styles.values()}) == 4
    assert styles["SGD", 1e-3].label == r"SGD, $\varepsilon = 10^{-3}$"
    assert len(legend_handles(styles, 2)) == 5
    assert len(legend_handles(styles, 1)) == 4


def test_every_curve_is_drawn_once_on_log_time() -> None:
    use_style()
    data = curve_data(*sweep_tree(SWEPT, ["r"]))
    figure, axes = plt.subplots()
    draw_curves(axes, data[data["quantity"] == "risk"], styles_of(data))
    assert len(axes.lines) == 4
    assert len(axes.collections) == 2  # the bands of the seeds
    assert all(np.min(line.get_xdata()) > 0 for line in axes.lines)
    plt.close(figure)


def test_without_a_sweep_there_are_two_curves() -> None:
    data = curve_data(*sweep_tree({"base": {}}, ["r"]))
    assert list(styles_of(data)) == [("SGD", None), ("DD", None)]
    assert [style.label for style in styles_of(data).values()] == ["SGD", "DD"]
