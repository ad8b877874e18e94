"""A small project to load settings from: what the tests of the settings files share."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from meanfield.config_errors import ConfigError
from meanfield.config_files import Settings, load_settings
from meanfield.nested import merge

EXPERIMENT = """\
title: An experiment
law: {kind: isotropic_gaussians, dimension: 40, delta: 0.8}
neuron:
  kind: ridge
  activation:
    kind: piecewise_linear
    knots: [0.5, 1.5]
    values: [-2.5, 7.5]
initial: {kind: gaussian, scale: 0.8}
time: {horizon: 10, snapshots: [0, 0.1, 10]}
sgd: {neurons: 800, step_size: 1e-6}
dd: {atoms: 100}
"""


class Project(NamedTuple):
    """A folder with config files and experiments."""

    root: Path

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def load(self, *names: str, command_line: dict[str, Any] | None = None) -> Settings:
        """Load as Snakemake does: it merges the files by its own reader, then the command line."""
        files = [self.root / name for name in (names or ("config.yaml",))]
        merged: dict[str, Any] = {}
        for file in files:
            merged = merge(merged, yaml.safe_load(file.read_text(encoding="utf-8")) or {})
        merged = merge(merged, command_line or {})
        return load_settings(merged, files, self.root / "experiments", {"all", "run_sgd"})

    def message(self, *names: str, command_line: dict[str, Any] | None = None) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load(*names, command_line=command_line)
        assert "pydantic" not in str(caught.value)
        return str(caught.value).replace(f"{self.root}/", "")


def make_project(root: Path) -> Project:
    """Write a config and one experiment into a folder."""
    project = Project(root)
    project.write("config.yaml", "seeds: [3, 4]\n")
    project.write("experiments/one.yaml", EXPERIMENT)
    return project
