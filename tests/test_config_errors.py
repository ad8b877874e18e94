"""What the messages about wrong settings say."""

from pathlib import Path

import pytest

from settings_project import EXPERIMENT, Project, make_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("title:", "titel: x\ntitle:", "titel: unknown key; there is dd, figure"),
        (
            "delta: 0.8",
            "delta: 0.8, detla: 1",
            "law.detla: unknown key; there is delta, dimension, kind; did you mean 'delta'?",
        ),
        ("scale", "kappa: 1, scale", "initial.kappa: unknown key; there is kind, scale"),
        (
            "    knots",
            "    slope: 1\n    knots",
            "neuron.activation.slope: unknown key; there is kind, knots, left_slope, right_slope, "
            "values; did you mean 'left_slope'?",
        ),
        (
            "kind: piecewise_linear",
            "kind: piecewise_linaer",
            'neuron.activation.kind: got "piecewise_linaer"; expected one of piecewise_linear, '
            "relu, leaky_relu, tanh, erf, sigmoid, softplus, gelu, cosine; did you mean "
            "'piecewise_linear'?",
        ),
        (
            "[0.5, 1.5]",
            "[1.5, 0.5]",
            "neuron.activation.knots[1]: got 0.5; expected strictly increasing numbers, here more "
            "than 1.5",
        ),
        ("{atoms: 100}", "{atoms: 1}", "dd.atoms: got 1; expected a whole number, at least 2"),
        ("{atoms: 100}", "{atoms: [9, 1]}", "dd.atoms[1]: got 1; expected a whole number, at leas"),
        ("{atoms: 100}", "{atoms: many}", 'dd.atoms: got "many"; expected a whole number from 2'),
        (
            "[-2.5, 7.5]",
            "[-2.5]",
            "neuron.activation.values: got [-2.5]; expected 2 numbers, one a knot",
        ),
        ("delta: 0.8", "delta: 1", "law.delta: got 1; expected a number, 0 <= delta < 1"),
        ("delta: 0.8", "delta: .nan", "law.delta: got NaN; expected a number, 0 <= delta < 1"),
        (", delta: 0.8", "", "law.delta: missing; expected a number, 0 <= delta < 1"),
        (
            "[0, 0.1, 10]",
            "[0, 0.1, 12]",
            "time.snapshots[2]: got 12; expected a time in [0, horizon], that is [0, 10.0]",
        ),
        ("neurons: 800", "neurons: 0", "sgd.neurons: got 0; expected a whole number, at least 1"),
        ("neurons: 800", "neurons: true", "sgd.neurons: got true; expected a whole number"),
        (
            "1e-6",
            "1",
            "sgd.step_size: got 1; expected a step so small that the snapshots 0.0 and 0.1 fall",
        ),
        ("{atoms: 100}", "7", "dd: got 7; expected the keys of dd, or null"),
        (
            "{kind: gaussian, scale",
            "{scale",
            "initial.kind: missing; expected one of gaussian, sphere, uniform, point, mixture, ",
        ),
        ("{kind: gaussian, scale: 0.8}", "7", "initial: got 7; expected the keys of initial"),
        (
            "{kind: gaussian, scale: 0.8}",
            "{kind: mixture, weights: [1], components: [{kind: point, valeu: 1, value: 1}]}",
            "initial.components[0].valeu: unknown key; there is kind, value; did you mean 'value'?",
        ),
        (
            "{kind: gaussian, scale: 0.8}",
            "{kind: mixture, weights: [1], components: [{kind: pint}]}",
            'initial.components[0].kind: got "pint"; expected one of gaussian, sphere, uniform, '
            "point; did you mean 'point'?",
        ),
        (
            "{kind: gaussian, scale: 0.8}",
            "{kind: gaussian, scale: 2e6}",
            "initial.scale: got 2000000.0; expected a number above 0, at most 1e6",
        ),
        (
            "{kind: gaussian, scale: 0.8}",
            "{kind: point, value: -2e6}",
            "initial.value: got -2000000.0; expected a number, -1e6 <= value <= 1e6",
        ),
        (
            "{kind: gaussian, scale: 0.8}",
            "{kind: sphere, radius: 1e39}",
            "initial.radius: got 1e+39; expected a number above 0, at most 1e6",
        ),
        (
            "{kind: gaussian, scale: 0.8}",
            "{kind: uniform, low: -1e39, high: 1}",
            "initial.low: got -1e+39; expected a number, -1e6 <= low < high",
        ),
        (
            "{kind: gaussian, scale: 0.8}",
            "{kind: uniform, low: 0, high: 2e6}",
            "initial.high: got 2000000.0; expected a number above low, at most 1e6",
        ),
        (
            "isotropic_gaussians, dimension: 40",
            "anisotropic_gaussians, dimension: 40, informative: 40",
            "law.informative: got 40; expected a whole number below the dimension, 40",
        ),
        (
            "isotropic_gaussians, dimension: 40",
            "anisotropic_gaussians, dimension: 40, informative: 4",
            "dd.atoms: got 100; expected a list of 2 whole numbers, one for each coordinate that "
            "is spread out at the start: r1, r2",
        ),
        (
            "isotropic_gaussians, dimension: 40, delta: 0.8",
            "data_set, file: data.csv",
            'dd: got {"atoms": 100}; expected null, since no reduction is known for the law '
            "data_set",
        ),
        (
            "dd: {atoms: 100}",
            "sweep: {sgd.decay: [0, 0.5]}",
            "dd: missing; expected null, since the limit is not known with weight decay or noise",
        ),
        (
            "sgd: {neurons: 800, step_size: 1e-6}\ndd: {atoms: 100}",
            "sgd: null\ndd: null",
            "sgd: got null; expected the keys of sgd: with sgd, dd and statics null, nothing is",
        ),
        (
            "time: {horizon: 10, snapshots: [0, 0.1, 10]}\nsgd: {neurons: 800, step_size: 1e-6}",
            "time: null\nsgd: null",
            "time: got null; expected the keys of time, since dd is not null",
        ),
        (
            "initial: {kind: gaussian, scale: 0.8}",
            "initial: null",
            "initial: got null; expected the keys of initial, since sgd is not null",
        ),
        (
            "title:",
            "statics: {deltas: {start: 0.5, stop: 0.2, count: 3}}\ntitle:",
            "statics.deltas.stop: got 0.2; expected a number above start, 0.5",
        ),
        (
            "title:",
            "statics: {box: {r: [-1, 2]}}\ntitle:",
            "statics.box.r: got [-1, 2]; expected two increasing numbers, at least 0",
        ),
        (
            "dd: {atoms: 100}",
            "dd: null\nstatics: {}\nsweep: {neuron.activation: [{kind: gelu}]}",
            "statics.box: missing; expected ends of r as well: the mean of the activation gelu",
        ),
        (
            "title:",
            "sweep: {law.kind: [isotropic_gaussian]}\ntitle:",
            'sweep.law.kind[0]: got "isotropic_gaussian"; expected one of isotropic_gaussians, ',
        ),
        (
            "step_size: 1e-6",
            "step_size: 1e-6, schedule: {kind: power, p: 1}",
            "sgd.schedule.p: got 1; expected a number below 1: with t0 = 0",
        ),
        (
            "{atoms: 100}",
            "{1: 100}",
            "dd[1]: unknown key; there is atoms, dimension, nodes, problem",
        ),
        (
            "title:",
            "sweep: {law.detla: [0]}\ntitle:",
            "sweep.law.detla: unknown key; expected a dotted key below one of law, neuron, "
            "initial, time, sgd, dd, statics; did you mean 'law.delta'?",
        ),
        (
            "title:",
            "sweep: {law.delta: [0.5], law: [{kind: isotropic_gaussians}]}\ntitle:",
            "sweep.law.delta: got [0.5]; expected a key outside 'law', which is swept as well",
        ),
        (
            "title:",
            "sweep: {law.delta: [0, 1]}\ntitle:",
            "sweep.law.delta[1]: got 1; expected a number, 0 <= delta < 1",
        ),
        (
            "title:",
            "sweep: {neuron.activation.knots: [[0.5, 1.5], [0.5, x]]}\ntitle:",
            'sweep.neuron.activation.knots[1][1]: got "x"; expected a list of strictly increasing',
        ),
        (
            "title:",
            "sweep: {law.delta: [0.5, '0.5']}\ntitle:",
            'sweep.law.delta: got [0.5, "0.5"]; expected each value only once',
        ),
    ],
)
def test_a_message_names_file_key_value_and_range(
    project: Project, old: str, new: str, expected: str
) -> None:
    assert EXPERIMENT.count(old) == 1
    project.write("experiments/one.yaml", EXPERIMENT.replace(old, new))
    message = project.message()
    assert expected in message
    assert message.startswith("experiments/one.yaml: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed: [1]", "config.yaml: seed: unknown key; there is backend, batch, experiments, "),
        (
            "backend: cpu\nbatch: sweep",
            'config.yaml: batch: got "sweep"; expected point, since backend is cpu; sweep needs '
            "backend auto or cupy",
        ),
        (
            "batch: all",
            'config.yaml: batch: got "all"; expected point (the seeds of a point), ',
        ),
        ("seeds: [1, 1]", "config.yaml: seeds[1]: got 1; expected each entry only once"),
        ("seeds: []", "config.yaml: seeds: got []; expected a list of distinct whole numbers"),
        (
            "results_dir: my results",
            'results_dir: got "my results"; expected results or a folder below it',
        ),
        (
            "figure_formats: [pfd]",
            'figure_formats[0]: got "pfd"; expected a list of one or more of pdf, svg, png; '
            "did you mean 'pdf'?",
        ),
        ("experiments: one", 'experiments: got "one"; expected all, or a list of distinct names'),
        ("experiments: [1]", "experiments[0]: got 1; expected all, or a list of distinct names"),
        (
            "experiments: [one, onee]",
            "config.yaml: experiments[1]: no experiment 'onee'; there is one; did you mean 'one'?",
        ),
        (
            "overrides: {oen: {}}",
            "overrides.oen: no experiment 'oen'; there is one; did",
        ),
        ("overrides: {one: 3}", "overrides.one: got 3; expected a mapping from names"),
        (
            "overrides: {one: {sgd: {neurons: 0}}}",
            "config.yaml: overrides.one.sgd.neurons: got 0; expected a whole number, at least 1",
        ),
        (
            "overrides: {one: {sgd: {neuron: 5}}}",
            "config.yaml: overrides.one.sgd.neuron: unknown key; there is decay, ",
        ),
        (
            "overrides: {one: {sweep: {sgd.neurons: [5, 0]}}}",
            "config.yaml: overrides.one.sweep.sgd.neurons[1]: got 0; expected a whole number",
        ),
    ],
)
def test_a_message_about_the_config(project: Project, text: str, expected: str) -> None:
    project.write("config.yaml", text)
    message = project.message()
    assert expected in message
    assert message.startswith("config.yaml: ")
    assert "\n" not in message


def test_the_file_named_is_the_one_that_set_the_value(project: Project) -> None:
    project.write("config.yaml", "seeds: [1, 1]\noverrides: {one: {sgd: {neurons: 0}}}")
    project.write("quick.yaml", "seeds: [2]\noverrides: {one: {law: {delta: 2}}}")
    lines = project.message("config.yaml", "quick.yaml").splitlines()
    assert lines[0] == "2 problems in the settings:"
    assert lines[1].startswith("quick.yaml: overrides.one.law.delta: got 2;")
    assert lines[2].startswith("config.yaml: overrides.one.sgd.neurons: got 0;")


def test_a_missing_key_is_looked_for_in_the_experiment_s_file(project: Project) -> None:
    project.write("experiments/one.yaml", EXPERIMENT.replace("neurons: 800, ", ""))
    project.write("config.yaml", "overrides: {one: {sgd: {test_samples: 10}}}")
    assert project.message().startswith("experiments/one.yaml: sgd.neurons: missing; expected")


def test_values_of_the_command_line_are_named_as_such(project: Project) -> None:
    message = project.message(command_line={"seeds": [-1]})
    assert message.startswith("the command line (--config): seeds[0]: got -1; expected")
    change = {"overrides": {"one": {"dd": {"nodes": 0}}}}
    message = project.message(command_line=change)
    assert message.startswith("the command line (--config): overrides.one.dd.nodes: got 0")


def test_a_string_from_snakemake_s_reader_does_not_hide_the_file(project: Project) -> None:
    project.write("config.yaml", "overrides: {one: {sgd: {step_size: -1e-4}}}")
    message = project.message()
    assert message.startswith("config.yaml: overrides.one.sgd.step_size: got -0.0001; expected")


def test_all_problems_of_all_experiments_are_listed(project: Project) -> None:
    project.write("experiments/one.yaml", EXPERIMENT.replace("delta: 0.8", "delta: 1"))
    project.write("experiments/two.yaml", EXPERIMENT.replace("800", "0").replace("100", "0"))
    project.write("experiments/three.yaml", "title: [")
    lines = project.message().splitlines()
    assert lines[0] == "4 problems in the settings:"
    assert [line.split(":")[0].split(",")[0] for line in lines[1:]] == [
        "experiments/one.yaml",
        "experiments/three.yaml",
        "experiments/two.yaml",
        "experiments/two.yaml",
    ]


def test_a_problem_common_to_many_points_is_told_once(project: Project) -> None:
    text = EXPERIMENT.replace("neurons: 800", "neurons: 0")
    project.write("experiments/one.yaml", text + "sweep: {law.delta: [0.1, 0.2, 1]}\n")
    assert len(project.message().splitlines()) == 3
