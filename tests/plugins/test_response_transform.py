"""response-transform: what downstream gets in place of what upstream sent."""

import gzip
import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from outrider import Consumer, Plugin, Refusal, Request, Response
from outrider.headers import HeaderSource
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


def change(config: dict[str, Any], response: Response, *, method: str = "GET", headers: HeaderSource = ()) -> Outcome:
    plugin = TypeAdapter(ResponseTransform).validate_python(config)
    outcome = run([AsAlice(), plugin], Request(method, headers=headers), response=response)
    assert outcome.error is None
    return outcome


def of_json(status: int = 200, body: bytes = b'{"a":1}', **headers: str) -> Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, body=body, headers={"content-type": "application/json"} | fields)


ADD = {"add": {"json": {"/b": "{response.status}"}}}


def test_a_json_body_changes_and_loses_what_described_it() -> None:
    outcome = change(ADD, of_json(etag='"1"', accept_ranges="bytes", content_digest="d", x_a="1"))
    assert outcome.body == b'{"a":1,"b":200}'
    assert outcome.headers == {"content-type": "application/json", "x-a": "1"}


def test_a_header_that_is_configured_stands_beside_a_new_body() -> None:
    config = ADD | {"replace": {"headers": {"etag": "x"}}, "append": {"headers": {"etag": "{response.headers.etag}"}}}
    assert change(config, of_json(etag='"1"')).headers["etag"] == '"1"'


@pytest.mark.parametrize("sent", [of_json(body=b'{"b": 1}', etag='"1"'), of_json(body=b""), Response(body=b"{}")])
def test_a_body_that_needs_no_change_stays_as_it_is(sent: Response) -> None:
    outcome = change(ADD, sent)
    assert outcome.body == sent.body
    assert outcome.headers == dict(sent.headers)


def test_a_body_of_its_own_takes_the_place_of_any() -> None:
    config = {
        "body": {"code": "{response.status}", "path": "{request.path}"},
        "status": 200,
        "if_status": ["400-599"],
    }
    outcome = change(config, Response(503, body=b"<html>", headers={"content-type": "text/html", "etag": "x"}))
    assert (outcome.status, outcome.headers) == (200, {"content-type": "application/json"})
    assert json.loads(outcome.body) == {"code": 503, "path": "/"}


@pytest.mark.parametrize(
    ("statuses", "changed"), [([200], True), (["200-299"], True), ([404, "500-599"], False), ([], True)]
)
def test_only_responses_of_its_statuses_are_changed(statuses: list[int | str], changed: bool) -> None:
    config = {"if_status": statuses, "status": 299, "add": {"json": {"/b": 1}, "headers": {"x-b": "1"}}}
    outcome = change(config, of_json())
    assert (outcome.status == 299, outcome.body != b'{"a":1}', "x-b" in outcome.headers) == (changed,) * 3


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_response_without_a_body_keeps_its_status_and_gets_none(status: int) -> None:
    config = {"body": {}, "status": 200, "add": {"headers": {"x-b": "1"}}}
    outcome = change(config, Response(status, headers={"etag": "x"}))
    assert (outcome.status, outcome.body, outcome.headers) == (status, b"", {"etag": "x", "x-b": "1"})


def test_the_answer_to_head_gets_no_body() -> None:
    outcome = change(ADD | {"status": 299}, of_json(body=b""), method="HEAD")
    assert (outcome.status, outcome.body) == (299, b"")


@pytest.mark.parametrize(
    "sent",
    [
        of_json(body=b"{"),
        of_json(body=b'{"a":1,"a":2}'),
        of_json(content_encoding="br"),
        of_json(206),
        of_json(content_range="bytes 0-6/9"),
        of_json(body=b'"' + b"x" * 100 + b'"'),
    ],
)
def test_a_body_that_can_not_be_changed_is_refused_or_passed_as_it_is(sent: Response) -> None:
    config = ADD | {"max_body": 100}
    outcome = change(config, sent)
    assert outcome.status == 502
    assert b"Upstream's response can't be changed" in outcome.body
    passed = change(config | {"on_bad_body": "pass"}, sent)
    assert (passed.status, passed.body, passed.headers) == (sent.status, sent.body, dict(sent.headers))


def test_upstream_is_asked_for_whole_bodies_that_can_be_read() -> None:
    headers = [("accept-encoding", "br, gzip;q=0.5, *"), ("range", "bytes=0-1"), ("if-none-match", "x")]
    upstream = change(ADD, of_json(), headers=headers).upstream
    assert upstream is not None
    assert dict(upstream.headers) == {"accept-encoding": "gzip;q=0.5", "if-none-match": "x"}
    upstream = change(ADD, of_json(), headers=[("accept-encoding", "br")]).upstream
    assert upstream is not None
    assert dict(upstream.headers) == {"accept-encoding": "identity"}


def test_a_large_or_packed_response_is_changed_too() -> None:
    body = json.dumps({"a": "x" * 100_000}).encode()
    outcome = change(ADD, of_json(body=gzip.compress(body), content_encoding="gzip"))
    assert json.loads(gzip.decompress(outcome.body))["b"] == 200
    assert json.loads(change(ADD, of_json(body=body)).body)["b"] == 200


def test_a_refusal_of_a_later_plugin_is_changed_too() -> None:
    plugin = TypeAdapter(ResponseTransform).validate_python({"rename": {"json": {"/message": "/error/title"}}})
    outcome = run([plugin, Refuse()], Request())
    assert (outcome.status, json.loads(outcome.body)["error"]) == (403, {"title": "no GET"})


def test_with_changes_of_bodies_the_other_phases_are_asked_for() -> None:
    plugin = TypeAdapter(ResponseTransform).validate_python(ADD)
    assert plugin.hooks() == {"on_request", "on_response", "on_response_body"}
    assert plugin.needs().facts == {"headers", "method"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"add": {"headers": {"x-a": "{response.code}"}}}, "has an unknown reference"),
        ({"remove": {"headers": ["transfer-encoding"]}}, "belongs to the gateway"),
        ({"remove": {"query": ["a"]}}, "Unexpected keyword"),
        ({"remove": {"json": ["a"]}}, "no JSON pointer"),
        ({"add": {"json": {"/a": "{response.code}"}}}, "has an unknown reference"),
        ({"body": "{", "status": 200}, "write it twice"),
        ({"body": {}, "add": {"json": {"/a": 1}}}, "keep one of them"),
        ({"status": 204}, "has no body"),
        ({"status": 199}, "greater than or equal to 200"),
        ({"if_status": ["5xx"]}, "no range of statuses"),
        ({"if_status": ["599-500"]}, "no range of statuses"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(ResponseTransform).validate_python(config)
    assert words in str(caught.value)
