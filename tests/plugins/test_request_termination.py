"""request-termination: who gets the answer, and what it is."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from outrider import Request, Response
from outrider.testing import Outcome, run
from outrider_plugins.request_termination import RequestTermination

GRPC = {"content-type": "application/grpc"}


def ask(request: Request | None = None, **config: Any) -> Outcome:
    return run(RequestTermination(**config), request or Request())


def test_everybody_is_refused_with_503_and_nothing_goes_upstream() -> None:
    request = Request()
    outcome = ask(request)
    assert (outcome.status, outcome.upstream) == (503, None)
    assert outcome.headers["content-type"] == "application/json"
    assert json.loads(outcome.body) == {"message": "Service Unavailable", "request_id": request.id}


@pytest.mark.parametrize(
    ("config", "status", "message"),
    [
        ({"status": 404}, 404, "Not Found"),
        ({"status": 599}, 599, "The request was terminated"),
        ({"message": "Back at noon"}, 503, "Back at noon"),
        ({"status": 200, "message": "Nothing here"}, 200, "Nothing here"),
    ],
)
def test_status_and_message_are_those_of_the_configuration(config: dict[str, Any], status: int, message: str) -> None:
    outcome = ask(**config)
    assert (outcome.status, json.loads(outcome.body)["message"]) == (status, message)


def test_a_body_takes_the_place_of_the_refusal() -> None:
    outcome = ask(status=200, body="<p>café</p>", content_type="text/html; charset=utf-8")
    assert (outcome.status, outcome.body) == (200, "<p>café</p>".encode())
    assert outcome.headers == {"content-type": "text/html; charset=utf-8"}
    assert ask(body="closed").headers == {"content-type": "text/plain; charset=utf-8"}
    assert ask(body="").body == b""


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_is_answered_without_one(status: int) -> None:
    outcome = ask(status=status)
    assert (outcome.status, outcome.body, outcome.headers) == (status, b"", {})


def test_a_grpc_call_gets_the_message_in_its_own_terms() -> None:
    assert ask(Request("POST", headers=GRPC), message="Back at noon").body == b"Back at noon"


@pytest.mark.parametrize("config", [{"body": "closed"}, {"message": "closed"}])
def test_a_head_request_gets_no_body(config: dict[str, str]) -> None:
    assert ask(Request("HEAD"), **config).body == b""


@pytest.mark.parametrize(
    "request_",
    [
        Request(headers={"X-Maintenance": "1"}),
        Request(headers={"x-maintenance": ""}),
        Request(headers=[("x-maintenance", "a"), ("x-maintenance", "b")]),
        Request(target="/?x-maintenance=1"),
        Request(target="/?a=1&x-maintenance"),
        Request(target="/?x%2Dmaintenance=&b"),
        Request(target="/?x-maintenance=1&x-maintenance=2"),
    ],
)
def test_with_a_trigger_a_request_that_carries_it_is_answered(request_: Request) -> None:
    assert ask(request_, trigger="x-maintenance").status == 503


@pytest.mark.parametrize(
    "request_",
    [
        Request(),
        Request(target="/x-maintenance"),
        Request(target="/?a=x-maintenance&X-Maintenance=1&x-maintenanc=2"),
        Request(headers={"x-maintenance-window": "1", "x-a": "x-maintenance"}),
    ],
)
def test_with_a_trigger_any_other_request_goes_on(request_: Request) -> None:
    outcome = run(RequestTermination(trigger="x-maintenance"), request_, response=Response(201))
    assert outcome.status == 201
    assert outcome.upstream is request_


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"body": "a", "message": "b"}, "has a body and a message: keep one of them"),
        ({"content_type": "text/html"}, "has a content_type and no body"),
        ({"content_type": "text/html", "message": "a"}, "has a content_type and no body"),
        ({"body": "a", "content_type": "text/html\r\nx-a: b"}, "control character"),
        ({"status": 204, "body": "a"}, "status 204 has no body: leave body and message out"),
        ({"status": 304, "message": "a"}, "status 304 has no body"),
        ({"status": 199}, "greater than or equal to 200"),
        ({"status": 600}, "less than or equal to 599"),
        ({"trigger": ""}, "at least 1 character"),
    ],
)
def test_a_mistake_in_the_configuration_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        RequestTermination(**config)
    assert words in str(refused.value)


def test_it_looks_at_nothing_without_a_trigger() -> None:
    assert RequestTermination().needs().facts == frozenset()
    assert RequestTermination(trigger="x-a").needs().facts == {"headers", "path"}
