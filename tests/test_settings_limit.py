"""Which experiments have a limit, and what the others are told."""

from itertools import product
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from meanfield.experiment import Experiment
from meanfield.initial_measure import initial_measure
from meanfield.laws import make_law
from meanfield.settings_fields import kind_of
from meanfield.settings_neurons import ActivationSettings
from meanfield.start_axes import points_per_axis, start_axes

KNOTS: dict[str, Any] = {"kind": "piecewise_linear", "knots": [0, 1.5], "values": [-2.5, 7.5]}
ACTIVATIONS: list[dict[str, Any]] = [
    {**KNOTS, "knots": [0.5, 1.5]},
    *({"kind": kind_of(each)} for each in get_args(ActivationSettings)[1:]),
]
SMOOTH = [each for each in ACTIVATIONS if each["kind"] not in ("relu", "leaky_relu")]
ISOTROPIC = {"kind": "isotropic_gaussians", "dimension": 12, "delta": 0.5}
ANISOTROPIC = {"kind": "anisotropic_gaussians", "dimension": 12, "informative": 4, "delta": 0.5}
TEACHER = {"kind": "gaussian_teacher", "dimension": 2, "link": {"kind": "tanh"}}
DATA = {"kind": "data_set", "file": "data/a.csv"}
PYTHON = {"kind": "python", "file": "my_law.py", "dimension": 3}
POINT, GAUSSIAN = {"kind": "point", "value": 1}, {"kind": "gaussian", "scale": 0.8}
SPHERE = {"kind": "sphere", "radius": 0.8}
UNIFORM = {"kind": "uniform", "low": -1, "high": 1}
MIXTURE = {"kind": "mixture", "weights": [1, 2, 1], "components": [POINT, GAUSSIAN, SPHERE]}
ROUGH = {"kind": "mixture", "weights": [1, 2], "components": [GAUSSIAN, UNIFORM]}
TANH = {"kind": "ridge", "activation": {"kind": "tanh"}}
RELU = {"kind": "relu"}


def experiment(**sections: Any) -> dict[str, Any]:
    return {
        "title": "One",
        "law": ISOTROPIC,
        "neuron": TANH,
        "initial": GAUSSIAN,
        "time": {"horizon": 1, "snapshots": [0, 1]},
        "sgd": {"neurons": 8, "step_size": 1e-3},
        "dd": {"atoms": 8},
        **sections,
    }


def start(a: Any, b: Any, w: Any) -> dict[str, Any]:
    return {"kind": "product", "a": a, "b": b, "w": w}


@pytest.mark.parametrize(
    ("law", "activation", "perceptron"),
    [
        *product([ISOTROPIC], [*ACTIVATIONS, KNOTS], [False, True]),
        *product([ANISOTROPIC], SMOOTH, [False]),
        *product([ANISOTROPIC], [*ACTIVATIONS, KNOTS], [True]),
    ],
)
def test_every_activation_has_a_limit(law: Any, activation: Any, perceptron: bool) -> None:
    atoms = [8, 4] if law is ANISOTROPIC else 8
    for dimension in ("finite", "infinite"):
        chosen: dict[str, Any] = {"atoms": 8 if dimension == "infinite" else atoms}
        sections: dict[str, Any] = {"law": law, "dd": {**chosen, "dimension": dimension}}
        sections["neuron"] = {"kind": "ridge", "activation": activation}
        if perceptron:
            sections["neuron"] = {"kind": "perceptron", "activation": activation}
            sections["initial"] = start(POINT, POINT, GAUSSIAN)
        Experiment.model_validate(experiment(**sections))


@pytest.mark.parametrize(
    ("initial", "law", "infinite", "axes"),
    [
        (GAUSSIAN, ISOTROPIC, False, ("r",)),
        (GAUSSIAN, ISOTROPIC, True, ()),
        (SPHERE, ISOTROPIC, False, ()),
        (MIXTURE, ISOTROPIC, False, ("r",)),
        (GAUSSIAN, ANISOTROPIC, False, ("r1", "r2")),
        (SPHERE, ANISOTROPIC, False, ("r1",)),
        (MIXTURE, ANISOTROPIC, False, ("r1", "r2")),
        (start(POINT, SPHERE, GAUSSIAN), ISOTROPIC, False, ("r",)),
        (start(UNIFORM, ROUGH, GAUSSIAN), ANISOTROPIC, False, ("a", "b", "r1", "r2")),
        (start(UNIFORM, ROUGH, MIXTURE), ANISOTROPIC, True, ("a", "b")),
        (start(POINT, GAUSSIAN, POINT), ANISOTROPIC, False, ("b",)),
    ],
)
def test_points_are_asked_for_on_each_coordinate_spread_out(
    initial: Any, law: Any, infinite: bool, axes: tuple[str, ...]
) -> None:
    """The settings accept exactly those numbers of points that the measure is built from."""
    assert start_axes(initial, law["kind"], infinite=infinite) == axes
    neuron = RELU if initial["kind"] == "product" else TANH
    for atoms in (3, [3], [3, 3], [3, 3, 3, 3]):
        dd = {"atoms": atoms, "dimension": "infinite" if infinite else "finite"}
        settings = experiment(law=law, initial=initial, neuron=neuron, dd=dd)
        if len(axes) == (len(atoms) if isinstance(atoms, list) else min(1, len(axes))):
            settings = Experiment.model_validate(settings).model_dump(mode="json")
            initial_measure(
                settings["initial"], make_law(law), settings["dd"]["atoms"], infinite=infinite
            )
        else:
            with pytest.raises(ValidationError, match="spread out at the start"):
                Experiment.model_validate(settings)
            with pytest.raises(ValueError, match="spread out at the start"):
                initial_measure(initial, make_law(law), atoms, infinite=infinite)


def test_points_of_each_coordinate() -> None:
    assert points_per_axis(("a", "r"), [3, 4]) == {"a": 3, "r": 4}
    assert points_per_axis((), 800) == {}


@pytest.mark.parametrize(
    "sections",
    [
        {"law": DATA},
        {"law": TEACHER, "dd": {"rows": 50}},
        {"law": PYTHON, "dd": {"rows": 50, "seed": 3}},
        {"law": ANISOTROPIC, "dd": {"rows": 50}, "initial": UNIFORM},
        {"law": DATA, "neuron": RELU, "initial": start(ROUGH, POINT, UNIFORM)},
    ],
)
def test_the_empirical_problem_takes_every_law_and_start(sections: dict[str, Any]) -> None:
    dd = {"problem": "empirical", "atoms": 8} | sections.get("dd", {})
    Experiment.model_validate(experiment(**{**sections, "dd": dd}))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"law": TEACHER}, "no reduction is known for the law gaussian_teacher; .*empirical"),
        ({"law": DATA}, "for the law data_set; there is one for isotropic_gaussians, aniso"),
        ({"initial": UNIFORM}, "the start 'uniform' of the weights w .* Else dd: null"),
        ({"initial": ROUGH}, "the start 'uniform' of the weights w"),
        ({"sgd": {"neurons": 8, "step_size": 1e-3, "decay": 0.1}}, "not known with weight decay"),
        (
            {"law": ANISOTROPIC, "neuron": {"kind": "ridge", "activation": KNOTS}},
            "an activation without a knot at 0",
        ),
        (
            {"law": ANISOTROPIC, "neuron": {"kind": "ridge", "activation": {"kind": "relu"}}},
            "an activation without a knot at 0",
        ),
        ({"dd": {"rows": 5}}, "null, unless problem is empirical"),
        ({"dd": {"seed": 5}}, "1, unless problem is empirical"),
        ({"dd": {"problem": "empirical"}}, "a whole number, since problem is empirical"),
        ({"law": DATA, "dd": {"problem": "empirical", "rows": 5}}, "whose rows are all taken"),
        ({"law": DATA, "dd": {"problem": "empirical", "atoms": [5]}}, "a lone whole number"),
        ({"law": DATA, "dd": {"problem": "empirical", "dimension": "infinite"}}, "finite, since"),
        ({"law": ANISOTROPIC}, "a list of 2 whole numbers, .*: r1, r2"),
        (
            {
                "law": ANISOTROPIC,
                "dd": {"atoms": [4, 4]},
                "figure": {"kind": "figure_1", "histogram_times": [0, 1]},
            },
            "null: figure_1 draws the law of r",
        ),
    ],
)
def test_what_has_no_limit_is_told_the_choices(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Experiment.model_validate(experiment(**sections))
