"""The model of config.yaml: what it accepts and refuses."""

from typing import Any

import pytest
from pydantic import ValidationError

from meanfield.config import Config


@pytest.mark.parametrize(
    "config",
    [
        {"seeds": []},
        {"seeds": [1, 1]},
        {"seeds": [-1]},
        {"seeds": [2**64]},
        {"seeds": [1.5]},
        {"seeds": [True]},
        {"seeds": 1},
        {"experiments": []},
        {"experiments": "figure_1"},
        {"experiments": ["figure_1", "figure_1"]},
        {"experiments": [1]},
        {"results_dir": "../results"},
        {"results_dir": "results/../.."},
        {"results_dir": "/results"},
        {"results_dir": "scripts"},
        {"results_dir": "my results"},
        {"results_dir": ""},
        {"results_dir": "."},
        {"results_dir": "-r"},
        {"results_dir": "results\n"},
        {"results_dir": "~/results"},
        {"batch": "all"},
        {"batch": "sweep", "backend": "cpu"},
        {"figure_formats": []},
        {"figure_formats": ["pdf", "pdf"]},
        {"figure_formats": ["jpeg"]},
        {"overrides": {"figure_1": 3}},
        {"overrides": []},
        {"seed": [1]},
    ],
)
def test_a_wrong_config_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(config)


def test_the_largest_seed_and_a_nested_results_folder_are_accepted() -> None:
    config = Config.model_validate({"seeds": [0, 2**64 - 1], "results_dir": "results/quick/"})
    assert config.seeds == (0, 2**64 - 1)
    assert config.results_dir == "results/quick"


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().seeds = (1,)
