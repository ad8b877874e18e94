"""What the workflow says of its input before any job starts, of itself, and of theory alone.

The messages themselves are tested without Snakemake, in `test_config_errors.py`.
"""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from meanfield.store import read_tree
from quick_project import QUICK, edit, planned, quick_figure_1, run, snakemake


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project without results."""
    return quick_figure_1(tmp_path / "project")


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "config/quick.yaml",
            "neurons: 200",
            "neurones: 200",
            ["overrides.figure_1.sgd.neurones", "did you mean 'neurons'"],
        ),
        ("config/experiments/figure_1.yaml", "dimension: 40", "dimension: [40", ["line"]),
        ("config/config.yaml", "[png]", "[png", ["line", "config.yaml"]),
    ],
)
def test_bad_input_is_one_clear_error_before_any_job(
    project: Path, file: str, old: str, new: str, expected: list[str]
) -> None:
    edit(project / file, old, new)
    status, output = snakemake(project, *QUICK, "--cores", "1")
    assert status != 0
    assert Path(file).name in output
    for text in expected:
        assert text in output
    assert "Traceback" not in output
    assert "rule " not in output
    assert not (project / "results").exists()


def test_experiment_named_like_a_rule_is_refused(project: Path) -> None:
    experiments = project / "config/experiments"
    shutil.copy(experiments / "figure_1.yaml", experiments / "audit.yaml")
    status, output = snakemake(project, *QUICK, "-n")
    assert status != 0
    assert "audit" in output
    assert "audit.yaml" in output


def test_interpreter_path_with_a_space_is_refused(project: Path, tmp_path: Path) -> None:
    if sys.prefix == sys.base_prefix:
        pytest.skip("needs to run in a virtual environment, to reach it by another path")
    environment = tmp_path / "with space"
    environment.symlink_to(sys.prefix)
    status, output = snakemake(project, *QUICK, "-n", python=str(environment / "bin/python"))
    assert status != 0
    assert "contains a space" in output


def test_an_experiment_of_theory_alone(project: Path) -> None:
    """Without SGD, times or a start: minima along a list of Delta, in one job."""
    text = (project / "config/experiments/figure_1.yaml").read_text()
    absent = ("initial", "time", "sgd", "dd", "figure", "film")
    settings = yaml.safe_load(text) | dict.fromkeys(absent)
    settings["statics"] = {"deltas": {"start": 0.2, "stop": 0.8, "count": 3}}
    (project / "config/experiments/theory.yaml").write_text(yaml.safe_dump(settings))
    edit(project / "config/config.yaml", "[figure_1]", "[figure_1, theory]")
    assert planned(project, "theory") - {"theory"} == {"minimize_risk", "aggregate_runs"}
    run(project, "theory")
    tree = read_tree(project / "results/quick/theory.nc")
    assert list(tree.children) == ["statics"]
    found = tree["statics"].sel(point="base")
    np.testing.assert_allclose(found.risk_min, [0.39514, 0.03089, 0.00310], atol=5.1e-6)
    assert planned(project, "theory") - {"theory"} == set()


def test_rules_are_documented_and_lint_is_clean(project: Path) -> None:
    status, output = snakemake(project, "--list-rules")
    assert status == 0
    rules = {path.stem for path in (project / "workflow/rules").glob("*.smk")}
    rules = rules - {"common", "plan"} | {"all", "figure_1"}
    for rule in rules:
        assert re.search(rf"^{rule} \(\w.*\.\)$", output, re.MULTILINE), f"{rule} has no docstring"
    status, output = snakemake(project, "--lint")
    assert status == 0, output
