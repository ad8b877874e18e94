"""The model of an experiment: what it accepts and refuses."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from meanfield.experiment import Experiment
from meanfield.settings_fields import dotted_keys

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
    "figure": {"layout": "figure_1", "histogram_times": [0, 10]},
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
    activation = experiment.neuron.activation
    assert (activation.left_slope, activation.right_slope) == (0, 0)
    assert (experiment.dd.atoms, experiment.dd.nodes, experiment.dd.tolerance) == (800, 24, 1e-6)
    assert (experiment.sgd.precision, experiment.sgd.test_samples) == ("float32", 10000)
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
        ("neuron.kind", "relu"),
        ("neuron.activation.kind", "piecewise_linaer"),
        ("neuron.activation.knots", []),
        ("neuron.activation.knots", 0.5),
        ("neuron.activation.knots", [1.5, 0.5]),
        ("neuron.activation.knots", [0.5, 0.5]),
        ("neuron.activation.knots", [0.5]),
        ("neuron.activation.knots", [0.0, 1.5]),
        ("neuron.activation.knots", ["-0.0", 1.5]),
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
        ("dd.nodes", 0),
        ("dd.tolerance", 0),
        ("dd.tolerance", 1),
        ("figure.layout", "figure_9"),
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
    Experiment.model_validate(EXPERIMENT)
    section = key.rpartition(".")[0]
    with pytest.raises(ValidationError, match="not permitted"):
        Experiment.model_validate(changed(f"{section}.surplus".lstrip("."), 1))


@given(
    knots=st.lists(
        st.floats(-10, 10).filter(lambda knot: knot != 0), min_size=1, max_size=6, unique=True
    )
)
def test_any_increasing_knots_but_zero_are_accepted(knots: list[float]) -> None:
    activation = {"kind": "piecewise_linear", "knots": sorted(knots), "values": knots}
    experiment = Experiment.model_validate(changed("neuron.activation", activation))
    assert experiment.neuron.activation.knots == tuple(sorted(knots))
