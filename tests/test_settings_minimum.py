"""Which experiments have a least risk that can be found, and what the others are told."""

from itertools import product
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from meanfield.domain import make_domain
from meanfield.experiment import Experiment
from meanfield.invariants import invariant_names
from meanfield.laws import make_law
from meanfield.neurons import make_neuron
from meanfield.problem import has_reduction, make_problem
from meanfield.search import on_grid
from meanfield.settings_fields import kind_of
from meanfield.settings_minimum import RADII
from meanfield.settings_neurons import ActivationSettings

RAMP: dict[str, Any] = {"kind": "piecewise_linear", "knots": [0.5, 1.5], "values": [-2.5, 7.5]}
ACTIVATIONS = [RAMP, *({"kind": kind_of(each)} for each in get_args(ActivationSettings)[1:])]
UNSETTLED = {"relu", "leaky_relu", "softplus", "gelu", "cosine"}
ISOTROPIC = {"kind": "isotropic_gaussians", "dimension": 12, "delta": 0.5}
ANISOTROPIC = {"kind": "anisotropic_gaussians", "dimension": 20, "informative": 8, "delta": 0.5}
LINE = {"kind": "anisotropic_gaussians", "dimension": 2, "informative": 1, "delta": 0.5}
TEACHER = {"kind": "gaussian_teacher", "dimension": 2, "link": {"kind": "tanh"}}
NEURONS = [
    {"kind": "relu"},
    *(
        {"kind": kind, "activation": each}
        for kind, each in product(("ridge", "perceptron"), ACTIVATIONS)
    ),
]


def check(law: Any, neuron: Any, statics: Any, **more: Any) -> Experiment:
    nothing: dict[str, Any] = dict.fromkeys(("initial", "time", "sgd", "dd"))
    sections = {"title": "One", "law": law, "neuron": neuron, "statics": statics}
    return Experiment.model_validate(nothing | sections | more)


def box_for(law: Any, neuron: Any) -> dict[str, Any]:
    """Return a box of the coordinates that need one."""
    names = ["a", "b"] if neuron["kind"] != "ridge" else []
    if neuron.get("activation", neuron)["kind"] in UNSETTLED:
        names += RADII[law["kind"]]
    return {name: [0, 1] if name.startswith("r") else [-1, 1] for name in names}


@pytest.mark.parametrize(("law", "neuron"), [*product([ISOTROPIC, ANISOTROPIC], NEURONS)])
def test_every_neuron_has_a_minimum_over_a_box(law: Any, neuron: Any) -> None:
    """What the settings allow has a problem and finite features, and what they refuse has not."""
    box = box_for(law, neuron)
    experiment = check(law, neuron, {"box": box, "grid": 3, "nodes": 2})
    assert experiment.statics is not None
    settings = experiment.model_dump(mode="json")
    made = make_law(settings["law"]), make_neuron(settings["neuron"])
    problem = make_problem(*made, 2)
    assert problem.invariant_names == invariant_names(*made)
    on_grid(problem, make_domain(problem.invariant_names, settings["statics"]["box"], 3))
    for name in box:
        rest = {other: ends for other, ends in box.items() if other != name}
        with pytest.raises(ValidationError, match=f"ends of {name} as well"):
            check(law, neuron, {"box": rest})


@pytest.mark.parametrize("law", [LINE, TEACHER])
def test_laws_without_a_reduction(law: Any) -> None:
    with pytest.raises(ValidationError, match=f"no reduction is known for the law {law['kind']}"):
        check(law, NEURONS[1], {})
    if law is LINE:
        assert not has_reduction(make_law(law), make_neuron({"kind": "relu"}))
        limit = {"initial": {"kind": "gaussian", "scale": 1}, "dd": {"atoms": [2, 2]}}
        time = {"horizon": 1, "snapshots": [0, 1]}
        with pytest.raises(ValidationError, match="with dimension 2 and informative 1; there is"):
            check(law, NEURONS[1], None, time=time, **limit)


def test_a_box_of_what_the_problem_has_not() -> None:
    with pytest.raises(ValidationError, match="one of r, the invariants for the law isotropic"):
        check(ISOTROPIC, NEURONS[1], {"box": {"r1": [0, 1]}})
