"""The plan: which jobs a configuration asks for."""

from pathlib import Path

import pytest

from meanfield.plan import Plan
from settings_project import EXPERIMENT, Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def test_without_the_limit_sgd_runs_alone(project: Project) -> None:
    project.write("experiments/one.yaml", EXPERIMENT.replace("{atoms: 100}", "null"))
    plan = Plan(project.load())
    assert {job.stage for job in plan} == {"generate_data", "run_sgd", "aggregate_runs"}
    aggregate = plan.find("aggregate_runs", "one")
    assert [job.stage for job in aggregate.upstream] == ["run_sgd"]
    assert aggregate.settings["points"][0]["solve_dd"] is None
    assert aggregate.sources("solve_dd") == []


def test_the_limit_may_be_asked_for_at_some_points(project: Project) -> None:
    text = EXPERIMENT.replace("dd: {atoms: 100}", "sweep: {dd: [null, {atoms: 50}]}")
    project.write("experiments/one.yaml", text)
    rows = Plan(project.load()).find("aggregate_runs", "one").settings["points"]
    assert [row["solve_dd"] is None for row in rows] == [True, False]
    assert rows[0]["run_sgd"] == rows[1]["run_sgd"]
