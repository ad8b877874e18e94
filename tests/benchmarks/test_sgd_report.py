import json

import pandas as pd
import pytest

from benchmarks import sgd_report
from benchmarks.rounds import Timing


@pytest.fixture
def rounds():
    """Two sizes, a peer with two variants, the engine; 100 steps a unit."""
    seconds = {
        (800, 40): {("loop", "rows"): 9e-4, ("loop", "columns"): 6e-4,
                    ("engine_with_data", ""): 2e-4},
        (4000, 100): {("loop", "rows"): 8e-3, ("loop", "columns"): 9e-3,
                      ("engine_with_data", ""): 1e-3},
    }  # fmt: skip
    return pd.concat(
        sgd_report.rounds_table(
            *size,
            {name: Timing((value, 0.9 * value, 5 * value), 1.0) for name, value in own.items()},
            steps=100,
        )
        for size, own in seconds.items()
    )


def test_medians_and_spread_are_per_step(rounds):
    table = sgd_report.medians(rounds)
    assert len(table) == 6
    first = table.iloc[0]
    assert (first["median"], first["min"], first["max"]) == pytest.approx((9, 8.1, 45))


def test_the_fastest_variant_depends_on_the_size(rounds):
    best = sgd_report.fastest(sgd_report.medians(rounds))
    loops = best[best["implementation"] == "loop"]
    assert list(loops["variant"]) == ["columns", "rows"]
    plain = sgd_report.plain(sgd_report.medians(rounds))
    assert list(plain[plain["implementation"] == "loop"]["variant"]) == ["rows", "rows"]


def test_ratios_are_to_the_engine(rounds):
    ratios = sgd_report.ratios(sgd_report.fastest(sgd_report.medians(rounds)))
    assert list(ratios.index) == ["loop"]
    assert ratios.loc["loop", (800, 40)] == pytest.approx(3)
    assert ratios.loc["loop", (4000, 100)] == pytest.approx(8)
    assert "3.00" in sgd_report.format_ratios(ratios, "fastest")
    with pytest.raises(ValueError, match="'nothing' was not measured"):
        sgd_report.ratios(sgd_report.medians(rounds), base="nothing")


def test_the_document_has_the_agreed_shape(rounds):
    best = sgd_report.fastest(sgd_report.medians(rounds))
    document = json.loads(json.dumps(sgd_report.document({"cpu": "x"}, 98.7654, best)))
    assert list(document) == ["machine", "sgemm_gflops", "rows"]
    assert document["machine"] == {"cpu": "x"}
    assert document["sgemm_gflops"] == 98.77
    assert len(document["rows"]) == 4
    assert document["rows"][0] == {
        "neurons": 800, "dimension": 40, "implementation": "loop", "us_per_step": 6.0,
    }  # fmt: skip


def test_the_table_of_a_size_marks_the_fastest(rounds):
    table = sgd_report.medians(rounds)
    text = sgd_report.format_size(table[table["neurons"] == 800], gflops=128.0)
    title, header, rows, columns, engine = text.splitlines()
    assert "(800, 40)" in title
    assert "us/step" in header
    assert "*" not in rows
    assert "*" in columns
    assert columns.split()[-1] == "3.00"
    # 4 x 800 x 40 operations in 2 us are 64 GFLOP/s, half of 128.
    assert engine.split()[-3:] == ["64.0", "50%", "1.00"]


def test_the_slope_is_the_exponent():
    x = [10.0, 100.0, 1000.0]
    assert sgd_report.slope(x, [3 * value**1.5 for value in x]) == pytest.approx(1.5)
    for wrong in ([1.0], [1.0, 0.0, 2.0]):
        with pytest.raises(ValueError, match="two or more positive points"):
            sgd_report.slope(wrong, wrong)


def test_a_busy_machine_is_reported():
    assert sgd_report.busy([1.0, 0.99]) == ""
    assert "80%" in sgd_report.busy([1.0, 0.8])
