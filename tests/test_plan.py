"""The plan: which jobs there are, what they share, and what their digests depend on."""

from pathlib import Path

import pytest

from meanfield.plan import Plan
from settings_project import EXPERIMENT, make_project

FIGURE = "figure: {kind: figure_1, histogram_times: [0, 10]}\n"
SWEEP = "sweep: {sgd.neurons: [40, 80], law.delta: [0.2, 0.5]}\n"


def plan_of(root: Path, experiment: str) -> Plan:
    project = make_project(root)
    project.write("experiments/one.yaml", experiment)
    return Plan(project.load())


def digests(plan: Plan) -> dict[str, str]:
    return {job.stage: job.digest for job in plan.jobs.values()}


def test_points_share_what_they_cannot_tell_apart(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, EXPERIMENT + FIGURE + SWEEP)
    counts: dict[str, int] = {}
    for stage, _, _ in plan.jobs:
        counts[stage] = counts.get(stage, 0) + 1
    assert counts == {
        "generate_data": 4,
        "run_sgd": 4,
        "solve_dd": 2,
        "aggregate_runs": 1,
        "plot_figure_1": 4,
    }
    files = [path for job in plan.jobs.values() for path in job.files]
    assert len(set(files)) == len(files)
    assert set(plan.expected_digests()) == set(files) == set(plan.stages())


def test_jobs_come_after_what_they_read(tmp_path: Path) -> None:
    seen: set[str] = set()
    for job in plan_of(tmp_path, EXPERIMENT + FIGURE + SWEEP).jobs.values():
        assert {other.file for other in job.upstream} <= seen
        seen |= set(job.files)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("step_size: 1e-6", "step_size: 2e-6", {"run_sgd"}),
        ("atoms: 100", "atoms: 120", {"solve_dd"}),
        ("delta: 0.8", "delta: 0.7", {"generate_data", "run_sgd", "solve_dd"}),
        ("title: An experiment", "title: Another", {"plot_figure_1"}),
    ],
)
def test_a_digest_covers_settings_and_everything_upstream(
    tmp_path: Path, old: str, new: str, changed: set[str]
) -> None:
    before = digests(plan_of(tmp_path, EXPERIMENT + FIGURE))
    after = digests(plan_of(tmp_path, (EXPERIMENT + FIGURE).replace(old, new)))
    found = {stage for stage in before if before[stage] != after[stage]}
    downstream = {"aggregate_runs", "plot_figure_1"} if changed != {"plot_figure_1"} else set()
    assert found == changed | downstream


def test_an_experiment_runs_the_stages_whose_sections_it_has(tmp_path: Path) -> None:
    theory = (
        EXPERIMENT.replace("sgd: {neurons: 800, step_size: 1e-6}", "sgd: null")
        .replace("dd: {atoms: 100}", "dd: null\nstatics: {nodes: 8}")
        .replace("initial: {kind: gaussian, scale: 0.8}", "initial: null")
        .replace("time: {horizon: 10, snapshots: [0, 0.1, 10]}", "time: null")
    )
    plan = plan_of(tmp_path, theory + "sweep: {law.delta: [0.2, 0.5]}\n")
    assert [stage for stage, _, _ in plan.jobs] == ["minimize_risk"] * 2 + ["aggregate_runs"]
    assert plan.points("minimize_risk") == ["delta-0.2", "delta-0.5"]
    rows = plan.find("aggregate_runs", "one").settings["points"]
    assert [row["runs"] for row in rows] == [
        {"minimize_risk": "delta-0.2"},
        {"minimize_risk": "delta-0.5"},
    ]
    settings = plan.find("minimize_risk", "one", "delta-0.5").settings
    assert set(settings) == {"law", "neuron", "statics"}


def test_the_limit_without_sgd_and_the_minimum_beside_both(tmp_path: Path) -> None:
    limit = EXPERIMENT.replace("sgd: {neurons: 800, step_size: 1e-6}", "sgd: null")
    plan = plan_of(tmp_path, limit)
    assert [stage for stage, _, _ in plan.jobs] == ["solve_dd", "aggregate_runs"]
    assert "sgd" not in plan.find("solve_dd", "one", "base").settings
    plan = plan_of(tmp_path, EXPERIMENT + "statics: {}\nsweep: {sgd.neurons: [40, 80]}\n")
    stages = [stage for stage, _, _ in plan.jobs]
    assert (stages.count("run_sgd"), stages.count("minimize_risk")) == (2, 1)
    assert len(plan.find("aggregate_runs", "one").sources("minimize_risk")) == 1


def test_an_experiment_without_figure_ends_with_its_aggregate(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, EXPERIMENT)
    assert plan.targets("one") == ["results/one.nc"]
    assert plan.figures == {}


def test_a_figure_of_the_whole_sweep_is_drawn_once(tmp_path: Path) -> None:
    figure = "statics: {}\nfigure: {kind: figure_2}\n"
    plan = plan_of(tmp_path, EXPERIMENT + figure + SWEEP)
    assert list(plan.figures) == ["one"]
    job = plan.find("plot_figure_2", "one")
    assert [row["swept"]["law.delta"] for row in job.settings["points"]] == [0.2, 0.5, 0.2, 0.5]
    assert job.files[0] == "results/figures/one.pdf"
    assert [other.stage for other in job.upstream] == ["aggregate_runs"]


def test_a_film_is_rendered_for_every_point_that_is_asked_for(tmp_path: Path) -> None:
    film = "film: {stills: [0, 10]}\n"
    plan = plan_of(tmp_path, EXPERIMENT + film)
    assert list(plan.films) == ["one"]
    assert set(plan.targets("one")) >= {"results/films/one.gif", "results/films/one.txt"}
    swept = plan_of(tmp_path, EXPERIMENT + film + SWEEP)
    assert len(swept.films) == 4
    chosen = "film: {stills: [0, 10], points: [neurons-40_delta-0.5]}\n"
    assert list(plan_of(tmp_path, EXPERIMENT + chosen + SWEEP).films) == [
        "one_neurons-40_delta-0.5"
    ]
