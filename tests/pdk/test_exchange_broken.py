"""Replies that no gateway could send, and what a hook may not do to the objects that it is given."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.chains import HookFunction, acts, acts_in, returns
from outrider import Headers, Refusal, Request, Response
from outrider.testing import run

HOOKS = ["on_request", "on_request_body", "on_response", "on_response_body"]


def assert_refused(hook: str, function: HookFunction) -> None:
    outcome = run(acts_in({hook: function}), Request("POST"), b"body")
    assert (outcome.status, set(json.loads(outcome.body))) == (500, {"message", "request_id"})
    assert (outcome.upstream is None) is hook.startswith("on_request")


def broken(change: str, value: object) -> HookFunction:
    """A reply that was good until `change` got another value."""

    def hook(*_: object) -> Response:
        response = Response(403, body=b"no")
        setattr(response, change, value)
        return response

    return hook


def replies(status: Any = 200, **given: Any) -> HookFunction:
    def hook(*_: object) -> Response:
        return Response(status, **given)

    return hook


def refusal_with(value: Any) -> HookFunction:
    def hook(*_: object) -> Response:
        refusal = Refusal(403, "No")
        refusal.message = value
        return refusal

    return hook


BAD_REPLIES: dict[str, HookFunction] = {
    "status 0": replies(0),
    "status 101": replies(101),
    "status 199": replies(199),
    "status 600": replies(600),
    "status True": replies(status=True),
    "status 200.0": replies(200.0),
    "status '200'": replies("200"),
    "status None": replies(None),
    "a status set later": broken("status", 99),
    "a body of numbers": replies(body=[1]),
    "a body of the wrong type": broken("body", "text"),
    "no body": broken("body", None),
    "headers of garbage": broken("headers", "x-a: 1"),
    "no headers": broken("headers", None),
    "headers that are a dict": broken("headers", {"content-length": "3"}),
    "headers that look like some": broken("headers", SimpleNamespace(fields=lambda: [("content-length", "3")])),
    "a header of the gateway": replies(headers={"Content-Length": "3"}),
    "a pseudo-header": replies(headers={":status": "200"}),
    "a line break in a header": replies(headers={"x-a": "1\r\nx-b: 2"}),
    "a header that is no text": replies(headers={"x-a": 1}),
    "a refusal that is no text": refusal_with(object()),
}


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", BAD_REPLIES)
def test_a_reply_that_no_gateway_could_send_is_a_fault(hook: str, name: str) -> None:
    assert_refused(hook, BAD_REPLIES[name])


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("value", [None, "garbage", {}, {"x": "y"}, Headers({"x": "y"})])
@pytest.mark.parametrize("then", ["goes on", "fails"])
def test_replacing_the_requests_headers_is_a_fault_of_who_did_it(hook: str, value: object, then: str) -> None:
    def breaks(request: Request, *_: object) -> None:
        request.headers = cast("Headers", value)
        if then == "fails":
            raise RuntimeError

    assert_refused(hook, breaks)


@pytest.mark.parametrize("hook", ["on_response", "on_response_body"])
@pytest.mark.parametrize("change", ["headers", "body"])
@pytest.mark.parametrize("answered_by", ["upstream", "plugin"])
def test_breaking_a_response_is_a_fault_of_who_did_it(hook: str, change: str, answered_by: str) -> None:
    def breaks(_: Request, response: Response, *__: object) -> None:
        setattr(response, change, "garbage")

    answers = acts(on_request=lambda _: Response(200) if answered_by == "plugin" else None)
    outcome = run([acts_in({hook: breaks}), answers], Request())
    assert (outcome.status, set(json.loads(outcome.body))) == (500, {"message", "request_id"})


def test_a_context_that_can_not_be_copied_stops_a_plugin_that_may_fail() -> None:
    def breaks(request: Request) -> None:
        request.context["x"] = (one for one in "no JSON")

    outcome = run([acts(on_request=breaks), acts(on_request=returns(None), on_error="continue")], Request())
    assert outcome.status == 500
