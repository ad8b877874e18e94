"""The audit names what is missing, stale or of unknown origin, and how to remake it."""

from pathlib import Path

from audit import audit, report
from meanfield.store import stamp


def test_states(tmp_path: Path) -> None:
    for name, text in {"good": stamp("aa"), "old": stamp("bb"), "bare": "x"}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    expected = {str(tmp_path / f"{name}.csv"): "aa" for name in ("good", "old", "bare", "none")}
    states = {Path(path).stem: state for path, state in audit(expected).items()}
    assert states == {"old": "stale", "bare": "unknown", "none": "missing"}


def test_report_gives_a_remedy_that_names_each_stage_once() -> None:
    stages = {"a": "run_sgd", "b": "run_sgd", "c": "solve_dd"}
    text = report({"a": "stale", "b": "missing"}, stages, " --configfile q.yaml")
    assert "2 of 3 results" in text
    assert text.endswith("snakemake --cores all --configfile q.yaml --forcerun run_sgd")
    assert report({}, stages, "") == "All 3 results are up to date."
