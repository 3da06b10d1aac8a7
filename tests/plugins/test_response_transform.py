"""response-transform: what downstream gets in place of what upstream sent."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from outrider import Consumer, Plugin, Refusal, Request, Response
from outrider.testing import Outcome, run
from outrider_plugins.response_transform import ResponseTransform


class AsAlice(Plugin):
    """Says who calls, as an auth plugin would."""

    priority = 1000

    def on_request(self, request: Request) -> None:
        request.consumer = Consumer("c-1", username="alice")
        request.context["team"] = "blue"


class Refuse(Plugin):
    """Refuses everything."""

    priority = 1

    def on_request(self, request: Request) -> Response:
        return Refusal(403, f"no {request.method}")


def transform(config: dict[str, Any], *headers: tuple[str, str], more: tuple[Plugin, ...] = ()) -> Outcome:
    changes = {field: {"headers": change} for field, change in config.items()}
    plugin = TypeAdapter(ResponseTransform).validate_python(changes)
    return run([AsAlice(), plugin, *more], Request(target="/orders"), response=Response(201, headers=headers))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"x-a": "1, 2"}),
        ({"remove": ["X-A"]}, {}),
        ({"rename": {"x-a": "x-b"}}, {"x-b": "1, 2"}),
        ({"replace": {"x-a": "3", "x-b": "4"}}, {"x-a": "3"}),
        ({"add": {"x-a": "3", "x-b": "4"}}, {"x-a": "1, 2", "x-b": "4"}),
        ({"append": {"x-a": "3"}}, {"x-a": "1, 2, 3"}),
    ],
)
def test_each_field_does_what_it_says(config: dict[str, Any], expected: dict[str, str]) -> None:
    assert transform(config, ("x-a", "1"), ("x-a", "2")).headers == expected


def test_references_know_the_request_and_the_response() -> None:
    value = "{response.status} {response.headers.server} {request.path} {consumer.username} {context.team}"
    outcome = transform({"add": {"x-about": value}}, ("server", "demo"))
    assert outcome.headers["x-about"] == "201 demo /orders alice blue"


def test_references_stand_for_the_response_as_it_was_before() -> None:
    config = {"remove": ["x-a"], "add": {"x-b": "{response.headers.x-a}"}}
    assert transform(config, ("x-a", "1")).headers == {"x-b": "1"}


def test_the_status_and_the_request_stay_as_they_are() -> None:
    outcome = transform({"add": {"x-a": "1"}})
    assert outcome.status == 201
    assert outcome.upstream is not None
    assert not outcome.upstream.headers.changed


def test_a_reply_of_a_later_plugin_is_changed_too() -> None:
    outcome = transform({"add": {"x-a": "{response.status}"}}, more=(Refuse(),))
    assert (outcome.status, outcome.headers["x-a"]) == (403, "403")


def test_only_the_response_phase_is_asked_for() -> None:
    assert ResponseTransform().hooks() == {"on_response"}


@pytest.mark.parametrize("field", ["remove", "rename", "replace", "add", "append"])
def test_changes_of_the_body_are_refused_in_a_sentence(field: str) -> None:
    with pytest.raises(ValidationError, match="changes of the body are not yet supported"):
        TypeAdapter(ResponseTransform).validate_python({field: {"json": {"/a": "b"}}})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"add": {"headers": {"x-a": "{response.code}"}}}, "has an unknown reference"),
        ({"remove": {"headers": ["transfer-encoding"]}}, "belongs to the gateway"),
        ({"remove": {"query": ["a"]}}, "Unexpected keyword"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(ResponseTransform).validate_python(config)
    assert words in str(caught.value)
