"""Which assumptions hold: for the figures, at the edges, and against gradients of U by sampling."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from meanfield.activations import ACTIVATIONS, make_activation
from meanfield.assumptions import Assumption, assumptions, in_words
from meanfield.experiment import Experiment

EXPERIMENTS = Path(__file__).resolve().parent.parent / "config/experiments"
ISOTROPIC = {"kind": "isotropic_gaussians", "dimension": 3, "delta": 0.5}
LAWS: dict[str, dict[str, Any]] = {
    "isotropic": ISOTROPIC,
    "anisotropic": {"kind": "anisotropic_gaussians", "dimension": 3, "informative": 1, "delta": 0},
    "teacher": {
        "kind": "gaussian_teacher",
        "dimension": 3,
        "link": {"kind": "tanh"},
        "coefficients": [1.0],
        "noise": 0.0,
    },
    "rows": {"kind": "data_set", "file": "rows.csv", "inputs": "x", "label": "y"},
    "own": {"kind": "python", "file": "law.py", "function": "draw", "dimension": 3},
}
RAMP = {"kind": "piecewise_linear", "knots": [0.5, 1.5], "values": [-2.5, 7.5]}
BENT_AT_0 = {"kind": "piecewise_linear", "knots": [0, 0.5, 1.5], "values": [-2.5, -4, 7.5]}
# Slope 1 between 0 and 0.3, and so no kink at 0.1, whatever rounding makes of the slopes there.
RAMP_FROM_0 = {"kind": "piecewise_linear", "knots": [0, 0.1, 0.3], "values": [0, 0.1, 0.3],
                 "left_slope": 0, "right_slope": 0}  # fmt: skip
KINDS: list[dict[str, Any]] = [
    RAMP if kind == "piecewise_linear" else {"kind": kind} | ({"slope": 0.1} if kind == "leaky_relu"
    else {}) for kind in ACTIVATIONS
]  # fmt: skip


def verdicts(
    law: str = "isotropic", activation: dict[str, Any] = RAMP, kind: str = "ridge", **sgd: Any
) -> dict[str, bool | None]:
    neuron = {"kind": kind} | ({} if kind == "relu" else {"activation": activation})
    found = assumptions({"law": LAWS[law], "neuron": neuron, "sgd": sgd})
    return {each.name: each.holds for each in found}


@pytest.mark.parametrize(
    ("figure", "fails"),
    [("figure_1", {}), ("figure_2", {}), ("figure_3", {"A1", "A2", "A3"}), ("figure_4", {"A3"})],
)
def test_the_figures(figure: str, fails: set[str]) -> None:
    content = yaml.safe_load((EXPERIMENTS / f"{figure}.yaml").read_text(encoding="utf-8"))
    found = assumptions(Experiment.model_validate(content).model_dump(mode="json"))
    assert [each.name for each in found] == ["A1", "A2", "A3"]
    assert {each.name for each in found if not each.holds} == set(fails)


@pytest.mark.parametrize(
    ("schedule", "holds"),
    [
        ({"kind": "constant", "value": 2.0}, True),
        ({"kind": "power", "c": 1.0, "t0": 0.0, "p": 0.25}, False),
        ({"kind": "power", "c": 1.0, "t0": 0.1, "p": 0.25}, True),
        ({"kind": "power", "c": 1.0, "t0": 0.0, "p": 0.0}, True),
        ({"kind": "piecewise", "times": [0, 1], "values": [1, 0.5]}, False),
        ({"kind": "piecewise", "times": [0, 1], "values": [1, 1]}, True),
    ],
)
def test_the_schedule_decides_a1(schedule: dict[str, Any], holds: bool) -> None:
    assert verdicts(schedule=schedule)["A1"] is holds


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"noise": 0.1}, False),
        ({"link": {"kind": "relu"}}, False),
        ({"link": {"kind": "relu"}, "coefficients": [0.0]}, True),
        ({"link": {"kind": "cosine"}}, True),
    ],
)
def test_a_teachers_labels_decide_a2(changes: dict[str, Any], holds: bool) -> None:
    law = LAWS["teacher"] | changes
    found = assumptions({"law": law, "neuron": {"kind": "ridge", "activation": RAMP}})
    assert found[1].holds is holds


@pytest.mark.parametrize(
    ("law", "activation", "bounded", "gradients", "smooth"),
    [
        ("isotropic", RAMP, True, True, False),
        ("anisotropic", BENT_AT_0, True, False, False),
        ("teacher", BENT_AT_0, True, False, False),
        ("isotropic", RAMP_FROM_0, True, False, False),
        ("isotropic", {"kind": "relu"}, False, False, False),
        ("isotropic", {"kind": "softplus"}, False, False, True),
        ("isotropic", {"kind": "tanh"}, True, True, True),
        ("anisotropic", {"kind": "cosine"}, True, True, True),
        ("rows", RAMP, True, False, False),
        ("rows", {"kind": "erf"}, True, True, True),
        ("own", RAMP, None, None, False),
        ("own", {"kind": "sigmoid"}, None, None, None),
        ("own", {"kind": "gelu"}, False, False, None),
    ],
)
def test_law_and_activation_decide_the_rest(
    law: str, activation: dict[str, Any], bounded: bool, gradients: bool, smooth: bool
) -> None:
    found = verdicts(law, activation, inverse_temperature=100.0)
    assert found == {"A1": True, "A2": bounded, "A3": gradients, "A4": smooth}


def test_slopes_that_differ_by_rounding_make_no_knot() -> None:
    line = {**RAMP_FROM_0, "left_slope": 1.0, "right_slope": 1.0}
    assert verdicts(activation=line, inverse_temperature=1.0)["A4"] is True


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("kind", ["perceptron", "relu"])
def test_an_output_weight_is_outside_of_a2_and_a3(law: str, kind: str) -> None:
    found = verdicts(law, {"kind": "tanh"}, kind)
    assert (found["A2"], found["A3"]) == (False, False)
    assert "A4" not in found  # without noise nobody asks


def gradients_of_u(activation: dict[str, Any], w: list[float], other: list[float]) -> Any:
    """Return grad_w U(w, w') for x ~ N(0, I_2), by a midpoint rule over directions and norms."""
    sigma = make_activation(activation)
    angles = 2 * np.pi * (np.arange(400) + 0.5) / 400
    norms = np.sqrt(-2 * np.log((np.arange(400) + 0.5) / 400))
    unit: NDArray[np.float64] = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    x = (norms[:, np.newaxis, np.newaxis] * unit).reshape(-1, 2)
    weights = sigma.derivative(x @ np.array(w)) * sigma(x @ np.array(other))
    return weights @ x / len(x)


@pytest.mark.parametrize("activation", [RAMP, BENT_AT_0, RAMP_FROM_0, *KINDS[1:]])
def test_gradients_of_u_jump_or_grow_where_a3_says_so(activation: dict[str, Any]) -> None:
    jumps, grows = [], []
    for other in ([1.0, 0.0], [0.0, 2.0], [-0.7, 0.7]):
        sides = [gradients_of_u(activation, [side * 1e-4, 0.0], other) for side in (1, -1)]
        jumps.append(np.abs(sides[0] - sides[1]).max())
        far = [gradients_of_u(activation, [1.0, 0.5], [size * each for each in other])
               for size in (100.0, 1000.0)]  # fmt: skip
        grows.append(np.linalg.norm(far[1]) / (np.linalg.norm(far[0]) + 0.01))
    # A gradient with a bounded derivative moves by O(1e-4); one that does not grow has a limit.
    fails = max(jumps) > 0.01 or max(grows) > 5
    assert verdicts(activation=activation)["A3"] is not fails


def test_points_that_agree_are_named_together() -> None:
    good, bad = Assumption("A1", True, "xi is constant"), Assumption("A1", False, "xi jumps")
    assert in_words({"one": [good], "two": [good]}) == "A1 holds: xi is constant"
    words = in_words({"one": [good], "two": [bad], "three": [good]})
    assert words == "At one, three: A1 holds: xi is constant. At two: A1 does not hold: xi jumps"
    assert str(Assumption("A2", None, "it depends")) == "A2 is not known to hold: it depends"
