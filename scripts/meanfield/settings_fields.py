"""What the settings models are built from: numbers, fields that document themselves, sections."""

from collections.abc import Iterator
from itertools import chain, pairwise
from math import isfinite
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


def problem(
    expected: str, at: tuple[str | int, ...] = (), choices: tuple[str, ...] = ()
) -> Exception:
    """Return an error about the value at a key below the checked one, and what was expected there.

    With `choices` it is the key itself that is wrong, and these are the right ones.
    """
    context = {"expected": expected, "at": at, "choices": choices}
    return PydanticCustomError("problem", "{expected}", context)


def _number(value: object) -> float:
    # Snakemake reads its config files by YAML 1.1, where 1e-6 is a string.
    if isinstance(value, str):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")
    try:
        value = float(value)
    except OverflowError:
        raise ValueError("too large") from None
    if not isfinite(value):
        raise ValueError("not finite")
    return value + 0.0  # -0.0 becomes 0.0: equal settings must have equal digests


def _whole(value: object) -> int:
    if isinstance(value, str):
        value = int(value) if value.strip().lstrip("+-").isdigit() else float(value)
    # Above 2^53 a float no longer says which whole number was meant.
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a whole number")
    return value


Number = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, BeforeValidator(_whole)]
Numbers = tuple[Number, ...]


def setting(
    meaning: str,
    *,
    allowed: str,
    unit: str = "none",
    symbol: str = "",
    provenance: str = "",
    default: Any = ...,
    **constraints: Any,
) -> Any:
    """Return a field that carries what messages, tables and schemas say about it."""
    extra: dict[str, Any] = {"allowed": allowed, "unit": unit, "symbol": symbol}
    if provenance:
        extra["provenance"] = provenance
    return Field(default, description=meaning, json_schema_extra=extra, **constraints)


class Section(BaseModel):
    """One level of a settings file; a key that it does not know is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def sections_of(annotation: Any) -> tuple[type[Section], ...]:
    """Return the sections that a field may hold: one of them, or one a kind; none for a value."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return (annotation,)
    if get_origin(annotation) is Annotated:
        return sections_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(chain(*map(sections_of, get_args(annotation))))
    return ()


def entries_of(annotation: Any) -> tuple[type[Section], ...]:
    """Return the sections that an entry of a field's list may be; none for a list of values."""
    return sections_of(get_args(annotation)[0]) if get_origin(annotation) is tuple else ()


def kind_of(section: type[Section]) -> str:
    """Return the value of `kind` that tells a section from the others that may stand there."""
    return str(get_args(section.model_fields["kind"].annotation)[0])


def dotted_keys(section: type[Section]) -> tuple[str, ...]:
    """Return every key of a section and of those below it, of whatever kind, as in `law.delta`."""
    return tuple(dict.fromkeys(_dotted_keys(section, "")))


def _dotted_keys(section: type[Section], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        yield prefix + name
        for below in sections_of(field.annotation):
            yield from _dotted_keys(below, f"{prefix}{name}.")


def increasing(values: Numbers) -> Numbers:
    """Return the values if each is larger than the one before it."""
    for index, (low, high) in enumerate(pairwise(values), start=1):
        if not low < high:
            raise problem(f"strictly increasing numbers, here more than {low!r}", (index,))
    return values


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values if no two are equal."""
    for index, value in enumerate(values):
        if value in values[:index]:
            raise problem("each entry only once", (index,))
    return values


def seed_keys(values: tuple[int, ...]) -> tuple[int, ...]:
    """Return the values if each can be the key of a random stream and no two are equal."""
    for index, seed in enumerate(values):
        if not 0 <= seed < 2**64:
            raise problem("a whole number, 0 <= seed < 2^64", (index,))
    return distinct(values)
