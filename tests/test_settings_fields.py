"""Fields and sections: what every key of the settings says about itself."""

from collections.abc import Iterator

import pytest

from meanfield.config import Config
from meanfield.experiment import Experiment
from meanfield.settings_fields import Section, dotted_keys, entries_of, sections_of


def sections(section: type[Section]) -> Iterator[type[Section]]:
    yield section
    for field in section.model_fields.values():
        for below in sections_of(field.annotation) + entries_of(field.annotation):
            yield from sections(below)


@pytest.mark.parametrize("root", [Config, Experiment])
def test_every_field_says_what_it_is(root: type[Section]) -> None:
    for section in sections(root):
        for name, field in section.model_fields.items():
            extra = field.json_schema_extra
            assert field.description, name
            assert isinstance(extra, dict), name
            assert extra["allowed"], name
            assert extra["unit"] in ("1", "count", "1/s", "none"), name
            assert "symbol" in extra, name


def test_keys_are_listed_with_those_below_them() -> None:
    keys = list(dotted_keys(Experiment))
    assert {"law", "law.delta", "neuron.activation.knots", "dd.nodes"} <= set(keys)
    assert {"law.link.slope", "initial.w.components", "sgd.schedule.p"} <= set(keys)
    assert len(keys) == len(set(keys))
