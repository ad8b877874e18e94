"""Nested mappings, as YAML files hold them: look up, merge, change, compare."""

import itertools
from collections.abc import Mapping
from typing import Any

Key = tuple[str | int, ...]

ABSENT: Any = object()
"""What `lookup` finds where there is nothing; a value may be `None`."""


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` changed by `change`: mappings are merged, everything else is replaced."""
    merged = dict(base)
    for key, value in change.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = value
    return merged


def lookup(content: Any, key: Key, default: Any = ABSENT) -> Any:
    """Return what stands at a key, `default` if nothing does."""
    for part in key:
        inside = isinstance(content, Mapping) and part in content
        listed = isinstance(content, list) and isinstance(part, int) and part < len(content)
        if not (inside or listed):
            return default
        content = content[part]
    return content


def with_value(content: Mapping[str, Any], key: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a copy in which the value stands at a key; sections on the way are made."""
    first, *rest = key
    if not rest:
        return {**content, first: value}
    below = content.get(first)
    below = below if isinstance(below, Mapping) else {}
    return {**content, first: with_value(below, tuple(rest), value)}


def difference(of: Mapping[str, Any], against: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of one nested mapping that another does not agree with."""
    different: dict[str, Any] = {}
    for key, value in of.items():
        other = against.get(key, ABSENT)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            if below := difference(value, other):
                different[key] = below
        elif not _same(value, other):
            different[key] = value
    return different


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            itertools.starmap(_same, zip(one, other, strict=True))
        )
    if isinstance(one, str) and isinstance(other, int | float):
        one, other = other, one
    if isinstance(one, int | float) and isinstance(other, str):
        # Snakemake's reader leaves 1e-6 a string where ours makes it a number.
        try:
            return one == float(other)
        except ValueError:
            return False
    return bool(one == other)
