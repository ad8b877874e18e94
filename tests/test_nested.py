"""Nested mappings: what merging, looking up and comparing give, and what they leave alone."""

import copy

import pytest

from meanfield.nested import ABSENT, difference, lookup, merge, with_value


def test_mappings_merge_and_lists_are_replaced() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": None}
    before = copy.deepcopy(base)
    merged = merge(base, {"a": {"c": [3]}, "d": {"e": 1}})
    assert merged == {"a": {"b": 1, "c": [3]}, "d": {"e": 1}}
    assert base == before


def test_lookup_goes_into_mappings_and_lists() -> None:
    content = {"a": {"b": [1, None]}}
    assert lookup(content, ("a", "b", 0)) == 1
    assert lookup(content, ("a", "b", 1)) is None
    assert lookup(content, ()) is content
    assert lookup(content, ("a", "c")) is lookup(content, ("a", "b", 2)) is ABSENT
    assert lookup(content, ("a", "b", 0, "c"), {}) == {}


def test_a_value_is_set_in_a_copy() -> None:
    content = {"a": {"b": 1}, "c": 2}
    before = copy.deepcopy(content)
    assert with_value(content, ("a", "d"), 3) == {"a": {"b": 1, "d": 3}, "c": 2}
    assert with_value(content, ("c", "d"), 3) == {"a": {"b": 1}, "c": {"d": 3}}
    assert content == before


@pytest.mark.parametrize(
    ("of", "against", "expected"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 2}}, {"b": {"d": 3}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1, 2]}),
        ({"a": ["1e-6"]}, {"a": [1e-6]}, {}),  # Snakemake's reader leaves a string
        ({"a": "x"}, {"a": 1}, {"a": "x"}),
        ({"a": 1}, {"a": 1, "b": 2}, {}),
    ],
)
def test_the_difference_is_what_the_other_lacks(of: dict, against: dict, expected: dict) -> None:
    assert difference(of, against) == expected
