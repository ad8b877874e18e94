"""Settings as stages get them, with all defaults in place: what tests of several stages share."""

from collections.abc import Mapping
from typing import Any

from meanfield.experiment import Experiment
from meanfield.nested import with_value

STEP: dict[str, Any] = {
    "kind": "ridge",
    "activation": {
        "kind": "piecewise_linear",
        "knots": [0.5, 1.5],
        "values": [-2.5, 7.5],
        "left_slope": 0.0,
        "right_slope": 0.0,
    },
}
"""Ridge neurons with the activation of Figure 1."""

RIDGE: dict[str, Any] = {
    "law": {"kind": "isotropic_gaussians", "dimension": 6, "delta": 0.5},
    "neuron": STEP,
    "sgd": {
        "neurons": 4,
        "step_size": 1e-3,
        "schedule": {"kind": "constant", "value": 1.0},
        "decay": 0.0,
        "inverse_temperature": None,
        "precision": "float32",
        "store_path": False,
    },
}
"""A run of SGD."""


def settings_of(experiment: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an experiment with other values at some keys, "law.delta" and such."""
    raw: Any = experiment
    for key, value in changes.items():
        raw = with_value(raw, tuple(key.split(".")), value)
    return Experiment.model_validate(raw).model_dump(mode="json")
