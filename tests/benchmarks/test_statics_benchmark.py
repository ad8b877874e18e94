"""The routes that the benchmark of the statics compares reach the same minimum."""

import numpy as np

from benchmarks.statics import by_nnls, by_slsqp, certified, judge, table


def test_all_routes_reach_the_minimum_as_far_as_they_say() -> None:
    risks, gaps = zip(
        *(judge(0.5, result) for result in (certified(0.5), by_nnls(501, 0.5), by_slsqp(0.5))),
        strict=True,
    )
    assert gaps[0] <= 1e-8
    # What a route may exceed the minimum by is the gap that it is judged to have.
    assert np.all(np.array(risks) - risks[0] <= np.array(gaps) + 1e-12)
    assert np.all(np.array(risks) - risks[0] >= -1e-12)
    np.testing.assert_allclose(risks, risks[0], atol=1e-5)


def test_the_table_has_a_line_for_every_row() -> None:
    rows = [
        {"route": "one", "delta": 0.5, "seconds": 0.01, "risk": 0.03, "gap": 1e-9},
        {"route": "whole", "delta": None, "seconds": 2.0},
    ]
    lines = table({"rows": rows}).splitlines()
    assert len(lines) == 3
    assert lines[1].split() == ["one", "0.5", "0.0100", "0.03000000", "1.0e-09"]
    assert lines[2].split() == ["whole", "2.0000"]
