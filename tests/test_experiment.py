"""The model of an experiment: what it accepts and refuses."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from meanfield.experiment import Experiment
from meanfield.initial import make_initial
from meanfield.laws import make_law
from meanfield.schedules import make_schedule
from meanfield.settings_fields import dotted_keys
from meanfield.settings_neurons import PiecewiseLinearSettings, RidgeSettings

EXPERIMENT: dict[str, Any] = {
    "title": "An experiment",
    "law": {"kind": "isotropic_gaussians", "dimension": 40, "delta": 0.8},
    "neuron": {
        "kind": "ridge",
        "activation": {"kind": "piecewise_linear", "knots": [0.5, 1.5], "values": [-2.5, 7.5]},
    },
    "initial": {"kind": "gaussian", "scale": 0.8},
    "time": {"horizon": 10, "snapshots": [0, 0.1, 10]},
    "sgd": {"neurons": 800, "step_size": 1e-6},
    "figure": {"kind": "figure_1", "histogram_times": [0, 10]},
}


def changed(key: str, value: Any) -> dict[str, Any]:
    """Return the experiment with another value at a dotted key."""
    settings = copy.deepcopy(EXPERIMENT)
    *sections, last = key.split(".")
    place = settings
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value
    return settings


def test_defaults_are_filled_in() -> None:
    experiment = Experiment.model_validate(EXPERIMENT)
    assert isinstance(experiment.neuron, RidgeSettings)
    activation = experiment.neuron.activation
    assert isinstance(activation, PiecewiseLinearSettings)
    assert (activation.left_slope, activation.right_slope) == (0, 0)
    assert experiment.sgd is not None
    assert experiment.sgd.schedule.model_dump() == {"kind": "constant", "value": 1.0}
    assert (experiment.sgd.decay, experiment.sgd.inverse_temperature) == (0, None)
    assert experiment.dd is not None
    assert (experiment.dd.atoms, experiment.dd.nodes, experiment.dd.tolerance) == (800, 24, 1e-6)
    assert (experiment.sgd.precision, experiment.sgd.test_samples) == ("float32", 10000)
    assert experiment.time is not None
    assert experiment.time.curve_points == 101
    assert experiment.sweep == {}


def test_an_experiment_needs_no_figure() -> None:
    assert Experiment.model_validate(changed("figure", None)).figure is None


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("sgd.step_size", "1e-6", 1e-6),
        ("sgd.step_size", "1E-06", 1e-6),
        ("sgd.neurons", "800", 800),
        ("sgd.neurons", 8e2, 800),
        ("sgd.test_samples", "1e4", 10000),
        ("law.delta", 0, 0.0),
        ("law.delta", "-0.0", 0.0),
        ("sgd.neurons", 1, 1),
        ("law.dimension", 2, 2),
    ],
)
def test_numbers_are_accepted_in_every_spelling(key: str, value: Any, expected: Any) -> None:
    plain: Any = Experiment.model_validate(changed(key, value)).model_dump()
    for part in key.split("."):
        plain = plain[part]
    assert repr(plain) == repr(expected)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title", ""),
        ("title", 1),
        ("law.kind", "isotropic_gaussian"),
        ("law.dimension", 1),
        ("law.dimension", 40.5),
        ("law.dimension", True),
        ("law.delta", 1),
        ("law.delta", -0.1),
        ("law.delta", float("nan")),
        ("law.delta", True),
        ("law.delta", "much"),
        ("law.delta", None),
        ("law.delta", [0.8]),
        ("neuron.kind", "rigde"),
        ("neuron.kind", "relu"),
        ("neuron.activation.kind", "piecewise_linaer"),
        ("neuron.activation.knots", []),
        ("neuron.activation.knots", 0.5),
        ("neuron.activation.knots", [1.5, 0.5]),
        ("neuron.activation.knots", [0.5, 0.5]),
        ("neuron.activation.knots", [0.5]),
        ("neuron.activation.values", [1, 2, 3]),
        ("neuron.activation.left_slope", float("inf")),
        ("initial.scale", 0),
        ("initial.scale", 10**400),
        ("time.horizon", 0),
        ("time.horizon", 5),
        ("time.snapshots", []),
        ("time.snapshots", [0, 11]),
        ("time.snapshots", [-1, 0]),
        ("time.snapshots", [0, 2, 1]),
        ("time.curve_points", 1),
        ("sgd.neurons", 0),
        ("sgd.neurons", False),
        ("sgd.neurons", 1e300),
        ("sgd.neurons", "many"),
        ("sgd.step_size", 0),
        ("sgd.step_size", -1e-6),
        ("sgd.step_size", 1.0),  # snapshots 0 and 0.1 on one step
        ("sgd.step_size", 1e-18),  # horizon / step_size > 2^63
        ("sgd.step_size", 5e-324),  # horizon / step_size overflows
        ("sgd.step_size", 21),
        ("sgd.precision", "float16"),
        ("sgd.test_samples", 0),
        ("dd.atoms", 1),
        ("dd.atoms", [1]),
        ("dd.atoms", [8, 8]),
        ("dd.atoms", [2.5]),
        ("dd.nodes", 0),
        ("dd.tolerance", 0),
        ("dd.tolerance", 1),
        ("figure.kind", "figure_9"),
        ("seeds", []),
        ("seeds", [1, 1]),
        ("seeds", [-1]),
        ("seeds", 3),
        ("film", {"stills": [0, 3]}),  # no snapshot
        ("film", {"stills": [0, 10], "frames": 1}),
        ("film", {"stills": [0, 10], "points": []}),
        ("film", {"stills": [0, 10], "points": ["base", "base"]}),
        ("figure.histogram_times", [0, 0.5]),
        ("figure.histogram_times", [10, 0]),
        ("figure.histogram_times", []),
        ("figure.bins", 0),
        ("sweep", []),
        ("sweep", {"law.delta": []}),
        ("sweep", {"law.delta": 0.5}),
        ("sweep", {"law.detla": [0.5]}),
        ("sweep", {"title": ["a"]}),
        ("sweep", {"figure.bins": [10]}),
        ("sweep", {"time.snapshots.0": [1]}),
        ("sweep", {"law": [EXPERIMENT["law"]], "law.delta": [0.5]}),
    ],
)
def test_a_value_out_of_range_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Experiment.model_validate(changed(key, value))


@pytest.mark.parametrize("key", [*dotted_keys(Experiment)], ids=lambda key: key.replace(".", "_"))
def test_an_unknown_key_is_refused_at_every_level(key: str) -> None:
    section = key.rpartition(".")[0]
    # A section of several kinds is looked into once it says which it is.
    settings = {"sgd.schedule": {"kind": "constant", "surplus": 1}}
    if section in settings:
        with pytest.raises(ValidationError, match="not permitted"):
            Experiment.model_validate(changed(section, settings[section]))
        return
    with pytest.raises(ValidationError, match="not permitted"):
        Experiment.model_validate(changed(f"{section}.surplus".lstrip("."), 1))


@given(knots=st.lists(st.floats(-10, 10), min_size=1, max_size=6, unique=True))
def test_any_increasing_knots_are_accepted(knots: list[float]) -> None:
    activation = {"kind": "piecewise_linear", "knots": sorted(knots), "values": knots}
    experiment = Experiment.model_validate(changed("neuron.activation", activation))
    assert experiment.neuron.model_dump()["activation"]["knots"] == tuple(sorted(knots))


# --- kinds -------------------------------------------------------------------------------------

POINT, GAUSSIAN = {"kind": "point", "value": 1}, {"kind": "gaussian", "scale": 0.8}
MIXTURE = {"kind": "mixture", "weights": [1, 2], "components": [POINT, GAUSSIAN]}
PRODUCT = {"kind": "product", "a": POINT, "b": MIXTURE, "w": GAUSSIAN}
RELU = {"kind": "relu"}
ANISOTROPIC = {"kind": "anisotropic_gaussians", "dimension": 9, "informative": 4, "delta": 0.5}
TEACHER = {"kind": "gaussian_teacher", "dimension": 2, "link": {"kind": "tanh"}}
DATA = {"kind": "data_set", "file": "data/a.csv"}
PYTHON = {"kind": "python", "file": "my_law.py", "dimension": 3}


def alone(**sections: Any) -> dict[str, Any]:
    """Return the experiment of SGD alone, with other sections."""
    return {**EXPERIMENT, "dd": None, "figure": None, **sections}


@pytest.mark.parametrize(
    "sections",
    [
        {"law": ANISOTROPIC},
        {"law": TEACHER},
        {"law": {**TEACHER, "coefficients": [1, -1], "noise": 0.1}},
        {"law": DATA},
        {"law": PYTHON},
        {"neuron": RELU, "initial": PRODUCT},
        {"neuron": {"kind": "perceptron", "activation": {"kind": "gelu"}}, "initial": PRODUCT},
        {"neuron": {"kind": "ridge", "activation": {"kind": "leaky_relu"}}},
        {"initial": {"kind": "sphere", "radius": 1}},
        {"initial": {"kind": "uniform", "low": -1, "high": 1}},
        {"initial": MIXTURE},
        {"sgd": {**EXPERIMENT["sgd"], "decay": 0.1, "inverse_temperature": 100}},
    ],
)
def test_without_the_limit_all_kinds_are_accepted(sections: dict[str, Any]) -> None:
    experiment = Experiment.model_validate(alone(**sections))
    plain = experiment.model_dump(mode="json")
    assert Experiment.model_validate(plain) == experiment


@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "constant"},
        {"kind": "power", "p": 0.25},
        {"kind": "power", "c": 2, "t0": 1, "p": 1},
        {"kind": "piecewise", "times": [0, 1], "values": [1, 0.5]},
    ],
)
def test_the_limit_knows_all_schedules(schedule: dict[str, Any]) -> None:
    experiment = Experiment.model_validate(changed("sgd.schedule", schedule))
    assert experiment.sgd is not None
    settings = experiment.sgd.schedule.model_dump(mode="json")
    assert make_schedule(settings).integral(0.0) == 0


@pytest.mark.parametrize("initial", [GAUSSIAN, MIXTURE, PRODUCT, {**POINT, "value": "-1"}])
def test_initial_settings_make_initial_measures(initial: dict[str, Any]) -> None:
    neuron = RELU if initial is PRODUCT else EXPERIMENT["neuron"]
    experiment = Experiment.model_validate(alone(initial=initial, neuron=neuron))
    assert experiment.initial is not None
    drawn = make_initial(experiment.initial.model_dump(mode="json")).draw(1, 5, 3)
    assert drawn.shape == (5, 5 if initial is PRODUCT else 3)


@pytest.mark.parametrize("law", [ANISOTROPIC, {**TEACHER, "link": {"kind": "piecewise_linear",
                                 "knots": [0, 1], "values": [0, 1]}}])  # fmt: skip
def test_law_settings_make_laws(law: dict[str, Any]) -> None:
    experiment = Experiment.model_validate(alone(law=law))
    made = make_law(experiment.law.model_dump(mode="json"))
    assert made.dimension == law["dimension"]


@pytest.mark.parametrize(
    ("sections", "key"),
    [
        ({"law": {**ANISOTROPIC, "informative": 9}}, "below the dimension, 9"),
        ({"law": {**ANISOTROPIC, "informative": 0}}, "informative"),
        ({"law": {**TEACHER, "coefficients": [1, 2, 3]}}, "as the dimension, 2"),
        ({"law": {**TEACHER, "coefficients": [1, 1e7]}}, "from -1e6 to 1e6"),
        ({"law": {**TEACHER, "noise": -1}}, "noise"),
        ({"law": {**TEACHER, "link": {"kind": "step"}}}, "link"),
        ({"law": {**DATA, "file": "a.xlsx"}}, "file"),
        ({"law": {**PYTHON, "function": "a b"}}, "function"),
        ({"law": {**PYTHON, "file": "a.yaml"}}, "file"),
        ({"neuron": RELU}, "product, with laws of a, b and w"),
        ({"initial": PRODUCT}, "the law of w alone"),
        ({"initial": {"kind": "uniform", "low": 1, "high": 1}}, "high"),
        ({"initial": {"kind": "sphere", "radius": 0}}, "radius"),
        ({"initial": {**MIXTURE, "weights": [1]}}, "1 laws, one a weight"),
        ({"initial": {**MIXTURE, "weights": [1, 0]}}, "weights"),
        ({"initial": {**MIXTURE, "components": [POINT, MIXTURE]}}, "components"),
        ({"figure": EXPERIMENT["figure"]}, "it draws the limit"),
        ({"sgd": {**EXPERIMENT["sgd"], "decay": -1}}, "decay"),
        ({"sgd": {**EXPERIMENT["sgd"], "inverse_temperature": 0}}, "inverse_temperature"),
        ({"sgd": {**EXPERIMENT["sgd"], "schedule": {"kind": "power", "p": 1}}}, "below 1"),
        ({"sgd": {**EXPERIMENT["sgd"], "schedule": {"kind": "power", "t0": -1, "p": 1}}}, "t0"),
        (
            {
                "sgd": {
                    **EXPERIMENT["sgd"],
                    "schedule": {"kind": "piecewise", "times": [0, 1], "values": [1]},
                }
            },
            "2 numbers, one a time",
        ),
        (
            {
                "sgd": {
                    **EXPERIMENT["sgd"],
                    "schedule": {"kind": "piecewise", "times": [1], "values": [1]},
                }
            },
            "0, where time begins",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(sections: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError, match=key):
        Experiment.model_validate(alone(**sections))
