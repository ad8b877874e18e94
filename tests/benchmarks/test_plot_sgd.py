import json

from benchmarks import plot_sgd, sgd_report
from benchmarks.rounds import Timing


def test_the_axis_of_times_spans_what_was_measured(tmp_path, monkeypatch):
    seconds = {("numpy_loop", "rows"): 9e-4, ("engine_with_data", ""): 2e-5}
    rounds = sgd_report.rounds_table(
        800, 40, {name: Timing((value,), 1.0) for name, value in seconds.items()}, steps=100
    )
    rounds.to_csv(tmp_path / "sgd_rounds.csv", index=False)
    (tmp_path / "sgd.json").write_text(json.dumps({"sgemm_gflops": 100.0}), encoding="utf-8")
    figures = []
    monkeypatch.setattr(plot_sgd, "_save", lambda figure, *rest: figures.append(figure))
    plot_sgd.draw_comparison(tmp_path)
    left, right = figures[0].axes[0].get_xlim()
    assert 0.2 / 2 < left < 0.2
    assert 9 < right < 2 * 9
