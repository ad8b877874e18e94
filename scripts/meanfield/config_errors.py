"""What is said about wrong settings: the file that set the value, the key, what it may be."""

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from meanfield.nested import ABSENT, Key, lookup
from meanfield.settings_fields import Section, entries_of, kind_of, sections_of


class ConfigError(ValueError):
    """Settings that cannot be used; each problem names file, key, value and what is allowed."""

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        many = len(self.problems) > 1
        heading = (f"{len(self.problems)} problems in the settings:",) if many else ()
        super().__init__("\n".join(heading + self.problems))


class Layer(NamedTuple):
    """One origin of settings: its name, the key at which `content` stands in it, the content."""

    name: str
    prefix: Key
    content: Any


def messages(
    error: ValidationError,
    model: type[Section],
    layers: Sequence[Layer],
    swept: Mapping[str, int] | None = None,
) -> list[str]:
    """Return a line for everything that a model refused.

    Args:
        error: What it raised.
        model: The model.
        layers: Where the settings come from; later layers were merged onto earlier ones.
        swept: Swept key -> which of its listed values was in place.

    """
    errors = error.errors(include_url=False)
    within = {each["loc"][:length] for each in errors for length in range(len(each["loc"]))}
    # pydantic calls a list too short when its only entry is wrong; the entry says it better.
    kept = [each for each in errors if each["type"] != "too_short" or each["loc"] not in within]
    return [_problem(each, model, layers, swept or {}) for each in kept]


def _problem(
    details: Any, model: type[Section], layers: Sequence[Layer], swept: Mapping[str, int]
) -> str:
    owner, field, kinds, key = _resolve(model, details["loc"])
    context = details.get("ctx", {}) if details["type"] == "problem" else {}
    key += context.get("at", ())
    if details["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_kind(kinds, (*key, "kind"), layers, swept)
    missing = details["type"] == "missing"
    place, value = place_of(_in_sweep(key, swept), layers, missing)
    if details["type"] in ("extra_forbidden", "invalid_key"):
        return f"{place}: unknown key{known(str(key[-1]), tuple(owner.model_fields))}"
    allowed = context.get("expected")
    if allowed is None and field is not None and isinstance(field.json_schema_extra, dict):
        allowed = str(field.json_schema_extra["allowed"]).replace("`", "")
    allowed = allowed or details["msg"]
    if choices := context.get("choices"):
        return f"{place}: unknown key; expected {allowed}{_guess(str(key[-1]), choices)}"
    # What a check of several keys misses stands in no file: its default is not allowed.
    if context.get("at") and value is ABSENT:
        missing, place = True, place_of(_in_sweep(key, swept), layers, True)[0]
    if missing:
        return f"{place}: missing; expected {allowed}"
    # As it stands in the file, where there is one: the models have made a number of it by now.
    got = details["input"] if value is ABSENT else value
    guess = _guess(got, _words(field.annotation)) if field and isinstance(got, str) else ""
    return f"{place}: got {shown(got)}; expected {allowed}{guess}"


def _wrong_kind(
    kinds: Sequence[type[Section]], key: Key, layers: Sequence[Layer], swept: Mapping[str, int]
) -> str:
    words = [kind_of(section) for section in kinds]
    allowed = f"one of {', '.join(words)}"
    place, value = place_of(_in_sweep(key, swept), layers)
    if value is ABSENT:
        return f"{place}: missing; expected {allowed}"
    return f"{place}: got {shown(value)}; expected {allowed}{_guess(str(value), words)}"


def _resolve(
    model: type[Section], location: Sequence[str | int]
) -> tuple[type[Section], FieldInfo | None, tuple[type[Section], ...], Key]:
    """Follow an error's location, which names kinds and union members beside keys.

    Returns:
        The section that holds the last field, that field, the sections that may stand in it, and
        the keys alone.

    """
    owner: type[Section] = model
    sections: tuple[type[Section], ...] = (model,)
    field: FieldInfo | None = None
    key: Key = ()
    for part in location:
        if len(sections) > 1:  # the kind that the file chose, no key
            sections = tuple(each for each in sections if kind_of(each) == part)
            continue
        if sections:
            owner, field = sections[0], sections[0].model_fields.get(str(part))
            sections = sections_of(field.annotation) if field else ()
        elif field is not None and isinstance(part, int):
            sections = entries_of(field.annotation)
        elif isinstance(part, str) and (field is None or get_origin(field.annotation) is not dict):
            continue
        key += (part,)
    return owner, field, sections, key


def _in_sweep(key: Key, swept: Mapping[str, int]) -> Key:
    for name, index in swept.items():
        parts = tuple(name.split("."))
        if key[: len(parts)] == parts:
            return ("sweep", name, index, *key[len(parts) :])
    return key


def place_of(key: Key, layers: Sequence[Layer], missing: bool = False) -> tuple[str, Any]:
    """Return the file that set the value at a key, or should have, with the key; and the value."""
    order = layers if missing else tuple(reversed(layers))
    for length in range(len(key), -1, -1):
        for layer in order:
            if lookup(layer.content, key[:length]) is not ABSENT:
                place = f"{layer.name}: {_dotted(layer.prefix + key)}"
                return place, lookup(layer.content, key)
    return _dotted(key), ABSENT


def _dotted(key: Key) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def _words(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(itertools.chain(*(_words(each) for each in get_args(annotation))))


def _guess(got: str, choices: Collection[str]) -> str:
    close = get_close_matches(got, choices, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def known(got: str, choices: Collection[str]) -> str:
    """Return the end of a message about an unknown name: the known ones, and the likely one."""
    return f"; there is {', '.join(sorted(choices))}{_guess(got, choices)}"


def shown(value: Any) -> str:
    """Return a value as messages quote it: as JSON, cut off at 80 characters."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def shown_path(path: Path) -> str:
    """Return a path as messages name it: relative to the working folder if it lies below it."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else path)
