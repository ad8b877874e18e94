"""From files to points: reading, overrides, the choice of experiments, sweeps."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from meanfield.config_errors import ConfigError
from meanfield.config_files import load_settings, load_yaml
from meanfield.nested import merge
from meanfield.points import point_id, stage_settings
from settings_project import EXPERIMENT, Project, make_project

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


# --- reading ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["1e-6", "1E-6", "1.0e-6", "+1e-06", ".1e-5", "1.e-6"])
def test_exponents_are_numbers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"a: {text}\nb: 1e3x\nc: e5\n")
    assert load_yaml(path) == {"a": pytest.approx(1e-6, rel=1e-15), "b": "1e3x", "c": "e5"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", r"a\.yaml, line 3, column 2: not valid YAML: .*expected ',' or"),
        ("a:\n\t- 1\n", r"a\.yaml, line 2, column 1: not valid YAML: .*cannot start any token"),
        ("a: 1\nb: 2\na: 3\n", r"a\.yaml, line 3, column 1: .*'a' stands twice, first on line 1"),
        ("b:\n  c: {a: 1, a: 2}\n", r"line 2, column 13: .*'a' stands twice, first on line 2"),
        ("a: !!python/name:os.system x\n", r"a\.yaml, line 1, column 4: not valid YAML"),
        ("- 1\n- 2\n", r"a\.yaml: got \[1, 2\]; expected a mapping"),
        ("a: 2021-13-45\n", r"a\.yaml: not valid YAML: month"),
        ("a: \x01\n", r"a\.yaml: not valid YAML"),
    ],
)
def test_a_broken_file_is_reported_with_its_place(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        load_yaml(path)


def test_a_file_in_another_encoding_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("title: Größe".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"a\.yaml: not valid YAML: 'utf-8' codec"):
        load_yaml(path)


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("# nothing\n")
    assert load_yaml(path) == {}


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_yaml(tmp_path)


# --- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [["config.yaml"], ["config.yaml", "quick.yaml"]])
def test_the_project_s_own_settings_load(names: list[str]) -> None:
    files = [ROOT / "config" / name for name in names]
    merged: dict[str, Any] = {}
    for file in files:  # by PyYAML's reader, which Snakemake uses
        merged = merge(merged, yaml.safe_load(file.read_text(encoding="utf-8")))
    settings = load_settings(merged, files, ROOT / "config" / "experiments", {"all"})
    (point,) = settings.experiments["figure_1"]
    assert point.settings.law.model_dump()["delta"] == 0.8
    assert point.settings.sgd is not None
    if len(names) == 2:
        assert settings.config.results_dir == "results/quick"
        assert point.settings.sgd.neurons == 200
    else:
        assert point.settings.sgd.step_size == 1e-6


def test_seeds_become_part_of_the_point(project: Project) -> None:
    (point,) = project.load().experiments["one"]
    assert point.seeds == (3, 4)
    assert stage_settings(point, "run_sgd")["seeds"] == [3, 4]


def test_an_experiment_may_have_its_own_seeds(project: Project) -> None:
    project.write("experiments/one.yaml", EXPERIMENT + "seeds: [7]\n")
    (point,) = project.load().experiments["one"]
    assert point.seeds == (7,)
    assert stage_settings(point, "run_sgd")["seeds"] == [7]


def test_a_figure_says_what_it_misses_in_the_sweep(project: Project) -> None:
    project.write("experiments/one.yaml", EXPERIMENT + "figure: {kind: figure_4}\n")
    message = project.message()
    assert "experiments/one.yaml: figure.kind" in message
    assert "sweep over initial.scale" in message


@pytest.mark.parametrize(
    ("key", "values"),
    [("dd.dimension", "[finite, infinite_data]"), ("initial.scale", "[0.4, 0.8]")],
)
def test_a_figure_says_what_of_a_sweep_it_cannot_draw(
    project: Project, key: str, values: str
) -> None:
    """Its points would overwrite one another: they have the same Delta, step and width."""
    figure = "statics: {}\nfigure: {kind: figure_2}\n"
    drawn = "law.delta: [0.2, 0.5], sgd.neurons: [40, 80], sgd.step_size: [1e-4, 1e-5]"
    project.write("experiments/one.yaml", f"{EXPERIMENT}{figure}sweep: {{{drawn}}}\n")
    assert len(project.load().experiments["one"]) == 8
    project.write(
        "experiments/one.yaml", f"{EXPERIMENT}{figure}sweep: {{{drawn}, {key}: {values}}}\n"
    )
    message = project.message()
    assert message.startswith(f"experiments/one.yaml: sweep.{key}: got [")
    assert "figure_2 tells runs apart by law.delta, sgd.neurons, sgd.step_size alone" in message


def test_a_film_of_an_unknown_point_is_refused(project: Project) -> None:
    sweep = "sweep: {law.delta: [0.2, 0.5]}\n"
    film = "film: {stills: [0], points: [delta-0.2, delta-0.6]}\n"
    project.write("experiments/one.yaml", EXPERIMENT + sweep + film)
    message = project.message()
    assert "film.points[1]: no point" in message
    assert "delta-0.5" in message


def test_only_the_chosen_experiments_are_loaded(project: Project) -> None:
    project.write("experiments/two.yml", EXPERIMENT)
    project.write("experiments/broken.yaml", "title: [")
    project.write("experiments/.#one.yaml", "an editor's lock")
    project.write("config.yaml", "experiments: [two]\n")
    assert list(project.load().experiments) == ["two"]


def test_overrides_are_merged_in_the_order_of_the_files(project: Project) -> None:
    project.write("config.yaml", "overrides: {one: {sgd: {neurons: 100}, law: {delta: 0.5}}}")
    project.write("quick.yaml", "overrides: {one: {sgd: {step_size: 1e-4, neurons: 10}}}")
    settings = project.load("config.yaml", "quick.yaml").experiments["one"][0].settings
    assert settings.sgd is not None
    assert (settings.sgd.neurons, settings.sgd.step_size, settings.law.model_dump()["delta"]) == (
        10,
        1e-4,
        0.5,
    )


# --- experiments' files --------------------------------------------------------------------------


def test_two_files_of_one_name(project: Project) -> None:
    project.write("experiments/one.yml", EXPERIMENT)
    message = project.message()
    assert "experiments/one.yml" in message
    assert "experiments/one.yaml is an experiment of the same name" in message


@pytest.mark.parametrize("name", ["One", "1st", "one-two", "one two", "_one", "ü"])
def test_a_name_that_is_no_identifier(project: Project, name: str) -> None:
    project.write(f"experiments/{name}.yaml", EXPERIMENT)
    assert f"got the name {name!r}; expected a lower-case letter" in project.message()


def test_a_name_that_the_workflow_needs(project: Project) -> None:
    project.write("experiments/all.yaml", EXPERIMENT)
    assert "experiments/all.yaml: the workflow has a target 'all' already" in project.message()


def test_a_folder_without_experiments(project: Project) -> None:
    (project.root / "experiments/one.yaml").unlink()
    assert project.message().startswith("experiments: no experiment there")


# --- sweeps -------------------------------------------------------------------------------------


def test_a_sweep_is_the_product_of_its_lists(project: Project) -> None:
    sweep = "sweep:\n  law.delta: [0.2, 0.5]\n  sgd.neurons: [400, 8e2]\n  dd.tolerance: ['1e-6']\n"
    project.write("experiments/one.yaml", EXPERIMENT + sweep)
    points = project.load().experiments["one"]
    assert [point.swept for point in points] == [
        {"law.delta": delta, "sgd.neurons": neurons, "dd.tolerance": 1e-6}
        for delta in (0.2, 0.5)
        for neurons in (400, 800)
    ]
    assert [point.settings.law.model_dump()["delta"] for point in points] == [0.2, 0.2, 0.5, 0.5]
    assert all(point.settings.sweep == {} for point in points)
    assert point_id(points[3], "run_sgd") == "delta-0.5_neurons-800"
    assert point_id(points[3], "solve_dd") == "delta-0.5_tolerance-1e-06"
    assert point_id(points[3], "aggregate_runs") == "delta-0.5_neurons-800_tolerance-1e-06"


def test_what_is_swept_may_be_absent_from_its_section(project: Project) -> None:
    text = EXPERIMENT.replace(", delta: 0.8", "").replace("dd: {atoms: 100}\n", "")
    sweep = "sweep: {law.delta: [0.2, 0.5], dd.nodes: [8]}\n"
    project.write("experiments/one.yaml", text + sweep)
    assert len(project.load().experiments["one"]) == 2


def test_each_point_is_checked_as_a_whole(project: Project) -> None:
    sweep = "sweep: {time.horizon: [10, 5]}\n"
    project.write("experiments/one.yaml", EXPERIMENT + sweep)
    assert "time.snapshots[2]: got 10; expected a time in [0, horizon]" in project.message()


def test_a_whole_section_can_be_swept(project: Project) -> None:
    sweep = (
        "sweep:\n  sgd:\n"
        "  - {neurons: 10, step_size: 1e-4}\n"
        "  - {neurons: 10, step_size: 1e-5}\n"
        "  - {neurons: 20, step_size: 1e-5}\n"
    )
    project.write("experiments/one.yaml", EXPERIMENT + sweep)
    points = project.load().experiments["one"]
    data = [point_id(point, "generate_data") for point in points]
    assert re.fullmatch(r"sgd-[0-9a-f]{8}", data[0])
    assert data[0] == data[1] != data[2]  # the data do not depend on the step
    assert len({point_id(point, "run_sgd") for point in points}) == 3
    # Of the section the limit reads the schedule alone, which is the same in all three.
    assert len({point_id(point, "solve_dd") for point in points}) == 1


def test_a_fault_at_a_point_of_a_sweep_names_the_point(project: Project) -> None:
    project.write("experiments/one.yaml", EXPERIMENT + "sweep: {time.horizon: [10, 1]}\n")
    message = project.message()
    assert "time.snapshots[2]: got 10" in message
    assert message.endswith("; at the sweep's point time.horizon = 1")
