"""Routes that Kong tries in another order than its documentation says."""

from pathlib import Path

import pytest

from outrider.config import load
from outrider_cli.routing_doubts import doubts

HEAD = '_format_version: "3.0"\nservices: [{name: s, url: "http://127.0.0.1:1", routes: [%s]}]\n'


# Which of the two takes a request was seen with Kong 3.9.1.
@pytest.mark.parametrize(
    ("first", "other", "told"),
    [
        ("paths: [/b], methods: [GET]", "paths: ['~/b/.*']", True),
        ("paths: [/a], methods: [GET]", "hosts: [x.test]", True),
        ("hosts: ['*.test'], paths: [/a]", "hosts: [x.test]", True),
        ("paths: [/a], headers: {x-a: ['1']}", "paths: [/a/b]", False),
        ("hosts: [x.test], paths: [/a]", "hosts: [x.test]", False),
        ("paths: ['~/b']", "paths: [/b/c]", False),
        # No request meets both.
        ("paths: [/b], methods: [GET]", "paths: ['~/c/.*']", False),
        ("hosts: [y.test], paths: [/b]", "hosts: ['*.other'], paths: ['~/b']", False),
        ("paths: [/b], methods: [GET], headers: {x-a: ['1']}", "paths: ['~/b'], methods: [PUT]", False),
    ],
)
def test_two_routes_that_change_places_in_kong_are_told(
    tmp_path: Path, first: str, other: str, *, told: bool
) -> None:
    file = tmp_path / "outrider.yaml"
    file.write_text(HEAD % f"{{name: first, {first}}}, {{name: other, {other}}}")
    found = list(doubts(load(file, {})))
    assert bool(found) == told
    assert all("Kong 3.9 tries other before first" in line for line in found)
