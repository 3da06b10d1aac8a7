"""Values out of nested JSON data."""

from collections.abc import Mapping

import pytest

from outrider.consumer import JSON
from outrider_plugins.members import member

DATA: Mapping[str, JSON] = {
    "sub": "alice",
    "https://a.example/role": "admin",
    "a": {"b": {"c": 1}, "x.y": 2},
    "a.b": "own",
    "none": None,
    "list": [1],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [("sub", "alice"), ("https://a.example/role", "admin"), ("a.b", "own"), ("a.b.c", 1), ("list", [1])],
)
def test_an_own_name_comes_first_and_then_the_dotted_path(path: str, value: JSON) -> None:
    assert member(DATA, path) == value


@pytest.mark.parametrize("path", ["no", "a.no", "sub.no", "list.0", "none.no", "a.x.y", "a.", ".a", "", "."])
def test_what_no_step_leads_to_is_absent(path: str) -> None:
    assert member(DATA, path) is None
