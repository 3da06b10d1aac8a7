"""Which limit a descriptor falls under, and what it is counted as."""

from collections.abc import Sequence

import pytest
import yaml

from outrider.config.rate_limit_service import UNITS, Domain
from outrider_envoy.descriptors import Limit, Tree
from outrider_envoy.proto.rate_limit_pb2 import RateLimitResponse, RateLimitUnit

SHOP = """
domain: shop
descriptors:
  - key: to
    rate_limit: {unit: day, requests_per_unit: 1}
  - key: to
    value: "1"
    rate_limit: {unit: day, requests_per_unit: 2}
    descriptors:
      - key: by
        rate_limit: {unit: day, requests_per_unit: 3}
  - key: to
    value: 1*
    rate_limit: {unit: day, requests_per_unit: 4}
  - key: to
    value: 12*
    rate_limit: {unit: day, requests_per_unit: 5}
  - key: path
    value: /a/*/b/*
    share_threshold: true
    descriptors:
      - key: by
        rate_limit: {unit: day, requests_per_unit: 6}
  - key: only
    value: "x"
    rate_limit: {unit: day, requests_per_unit: 7}
  - key: whole
    value: ab*ba
    rate_limit: {unit: day, requests_per_unit: 8}
  - key: passed
    descriptors:
      - key: to
  - key: every
    value: "*"
    share_threshold: true
    rate_limit: {unit: day, requests_per_unit: 9}
"""
TREE = Tree(Domain.model_validate(yaml.safe_load(SHOP)))


def entries(text: str) -> list[tuple[str, str]]:
    """Of `a=1 b=2`."""
    pairs = (one.partition("=") for one in text.split(" ") if one)
    return [(key, value) for key, _, value in pairs]


def quota(text: str) -> int | None:
    found = TREE.find(entries(text))
    return found.applied.limit.quota if found and found.applied.limit else None


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("to=1", 2),  # the value before a wildcard, and this before the key alone
        ("to=13", 4),
        ("to=123", 4),  # the first wildcard that matches
        ("to=2", 1),
        ("to=", 1),
        ("to=1 by=x", 3),
        ("to=2 by=x", None),  # a way that was taken is not taken back
        ("to=13 by=x", None),
        ("to=1 by=x by=y", None),  # more entries than levels
        ("path=/a/1/b/2", None),  # fewer entries than levels
        ("path=/a/1/b/2 by=x", 6),
        ("path=/a//b/ by=x", 6),
        ("path=/a/b/1 by=x", None),
        ("only=x", 7),
        ("only=y", None),
        ("Only=x", None),
        ("whole=abba", 8),
        ("whole=ab-ba", 8),
        ("whole=aba", None),  # each character stands for one place in the pattern
        ("passed=1 to=1", None),  # a place without a limit
        ("by=x", None),
        ("", None),
    ],
)
def test_the_most_specific_place_with_as_many_levels_as_entries_decides(text: str, limit: int | None) -> None:
    assert quota(text) == limit


def key(*pairs: tuple[str, str]) -> bytes:
    found = TREE.find(pairs)
    assert found
    return found.key


def test_each_value_has_a_count_of_its_own_unless_the_file_says_otherwise() -> None:
    assert key(("to", "13")) != key(("to", "14"))
    assert key(("every", "1")) == key(("every", "2"))
    shared = [key(("path", f"/a/{value}/b/"), ("by", "x")) for value in "12"]
    assert shared[0] == shared[1] != key(("path", "/a/1/b/"), ("by", "y"))


def test_no_value_can_be_made_to_count_as_another_descriptor() -> None:
    assert key(("to", "1"), ("by", "2:to1:3")) != key(("to", "1"), ("by", "2"))
    assert key(("to", "2by1:x")) != key(("to", "1"), ("by", "x"))
    other = Tree(Domain.model_validate({"domain": "shop2:to", "descriptors": [{"key": "1"}]}))
    assert other.find(entries("1=1")) is None


@pytest.mark.parametrize("length", [1, 100, 100_000])
def test_a_key_is_short_however_long_the_value_is(length: int) -> None:
    one, other = key(("to", "2" * length)), key(("to", "2" * length + "3"))
    assert one != other
    assert max(len(one), len(other)) <= 128


def test_a_value_is_matched_in_time_in_proportion_to_its_length() -> None:
    """A regular expression would go on for years."""
    wild = {"key": "a", "value": "*".join(["", *("ab" * 20), "c"]), "rate_limit": {"unlimited": True}}
    tree = Tree(Domain.model_validate({"domain": "d", "descriptors": [wild]}))
    assert tree.find([("a", "ab" * 30_000)]) is None


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_told_as_envoy_numbers_them_and_understood_where_it_sends_them(unit: str) -> None:
    limit = {"unit": unit.upper(), "requests_per_unit": 5, "name": "five"}
    tree = Tree(Domain.model_validate({"domain": "d", "descriptors": [{"key": "a", "rate_limit": limit}]}))
    found = tree.find(entries("a=1"))
    assert found
    told = RateLimitResponse.DescriptorStatus.FromString(found.applied.told).current_limit
    assert (told.requests_per_unit, told.name) == (5, "five")
    assert RateLimitResponse.RateLimit.Unit.Name(told.unit) == unit.upper()
    own = TREE.override(entries("a=1"), 5, told.unit)
    assert own
    assert own.applied.limit == Limit(5, UNITS[unit])  # type: ignore[index]


def test_an_own_limit_counts_apart_from_those_of_the_file_and_from_those_in_other_units() -> None:
    own = [TREE.override(entries("to=1"), 5, unit) for unit in (RateLimitUnit.SECOND, RateLimitUnit.HOUR)]
    keys: Sequence[bytes] = [found.key for found in own if found]
    assert len({*keys, key(("to", "1"))}) == 3
    assert TREE.override(entries("to=1"), 5, RateLimitUnit.UNKNOWN) is None
    assert TREE.override(entries("to=1"), 5, 99) is None


def test_a_window_that_no_unit_has_is_told_without_one() -> None:
    limit = {"window": 7, "requests_per_unit": 5}
    found = Tree(Domain.model_validate({"domain": "d", "descriptors": [{"key": "a", "rate_limit": limit}]})).find(
        entries("a=1")
    )
    assert found
    assert found.applied.limit == Limit(5, 7)
    told = RateLimitResponse.DescriptorStatus.FromString(found.applied.told).current_limit
    assert told.unit == RateLimitResponse.RateLimit.UNKNOWN
