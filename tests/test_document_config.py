"""The generated settings guide and schemas: in step with the models, and right."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

import document_config
from meanfield.config import Config
from meanfield.experiment import Experiment
from meanfield.nested import merge
from meanfield.settings_fields import dotted_keys

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"


def test_the_committed_files_are_in_step() -> None:
    assert document_config.main(["--check"]) == 0


def test_check_reports_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert document_config.main(["--check"], tmp_path) == 1
    assert "config/README.md is out of step" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_writing_brings_the_files_into_step(tmp_path: Path) -> None:
    assert document_config.main([], tmp_path) == 0
    assert document_config.main(["--check"], tmp_path) == 0
    (tmp_path / "config/README.md").write_text("stale")
    assert document_config.main(["--check"], tmp_path) == 1


@pytest.mark.parametrize("model", [Config, Experiment])
def test_every_key_is_in_the_guide(model: Any) -> None:
    guide = document_config.readme()
    for key in dotted_keys(model):
        assert f"| `{key.rpartition('.')[2]}` |" in guide, key


def test_the_tables_are_whole() -> None:
    rows = [row for row in document_config.readme().splitlines() if row.startswith("| `")]
    cells = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    assert set(cells) == {7, 3}  # six columns for keys, two for stages


def test_the_examples_of_the_guide_are_valid() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", document_config.readme(), flags=re.DOTALL)
    experiment, sweep, theory, config = map(yaml.safe_load, examples)
    Experiment.model_validate(merge(experiment, sweep))
    Experiment.model_validate(theory)
    overrides = Config.model_validate(config).overrides
    figure = yaml.safe_load((CONFIG / "experiments/figure_1.yaml").read_text(encoding="utf-8"))
    Experiment.model_validate(merge(figure, overrides["figure_1"]))


def _numbers(content: Any) -> Any:
    """Read 1e-6 as YAML 1.2 does, and so as editors do."""
    if isinstance(content, dict):
        return {key: _numbers(value) for key, value in content.items()}
    if isinstance(content, str) and re.fullmatch(r"\d+e-?\d+", content):
        return float(content)
    return content


@pytest.mark.parametrize(
    "path", [*CONFIG.glob("*.yaml"), *CONFIG.glob("experiments/*.yaml")], ids=lambda path: path.name
)
def test_the_settings_files_satisfy_their_schemas(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    link = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert link
    schema = json.loads((path.parent / link[1]).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    content = _numbers(yaml.safe_load(text))
    assert list(validator.iter_errors(content)) == []
    assert list(validator.iter_errors({**content, "surplus": 1}))


@pytest.mark.parametrize("path", [*CONFIG.glob("experiments/*.yaml")], ids=lambda path: path.name)
def test_every_number_of_a_shipped_experiment_says_where_it_comes_from(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    numbered = {line for line, value in _scalars(yaml.compose(text)) if _is_number(value)}
    assert len(numbered) > 10
    tag = re.compile(r"#.*\[(P \d+%|D|C|S)\]")
    untagged = [lines[line] for line in sorted(numbered) if not tag.search(lines[line])]
    assert untagged == []


def _scalars(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Yield line and text of every value below a node; keys are none."""
    if isinstance(node, yaml.ScalarNode):
        yield node.start_mark.line, node.value
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _scalars(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _scalars(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
