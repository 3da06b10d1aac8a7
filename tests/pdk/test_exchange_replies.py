"""What downstream gets when a plugin answers: refusals, reply headers, methods and statuses without a body."""

import json
from collections.abc import Callable
from typing import Literal

import pytest

from harness.chains import acts, chain, walk_of
from outrider import Refusal, Request, Response
from outrider.testing import run
from outrider.verdict import Reply

GRPC = {"content-type": "application/grpc"}


def answer(answers: Response, method: str = "GET", headers: dict[str, str] | None = None) -> Reply:
    exchange = chain(acts(on_request=lambda _: answers)).begin(Request(method, "/", headers=headers or {}))
    verdict = walk_of(exchange.request_phase())
    assert isinstance(verdict, Reply)
    return verdict


def test_a_reply_is_sent_as_the_plugin_made_it() -> None:
    response = Response(418, body="short", headers=[("x-a", "1"), ("set-cookie", "a"), ("set-cookie", "b")])
    assert answer(response) == Reply(418, (("x-a", "1"), ("set-cookie", "a"), ("set-cookie", "b")), b"short", None)


def test_a_refusal_is_json_with_the_requests_id() -> None:
    refusal = Refusal(401, "Unauthorized", headers={"www-authenticate": "Key"})
    refused = answer(refusal, headers={"x-request-id": "id-1"})
    assert (refused.status, refused.grpc_status) == (401, None)
    assert dict(refused.headers) == {"www-authenticate": "Key", "content-type": "application/json"}
    assert json.loads(refused.body) == {"message": "Unauthorized", "request_id": "id-1"}


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("HEAD", 403), ("GET", 204), ("GET", 304)])
def test_a_reply_that_may_have_no_body_has_none(method: str, status: int) -> None:
    assert answer(Response(status, body=b"no"), method).body == b""
    assert answer(Refusal(status, "no"), method).body == b""


@pytest.mark.parametrize(
    ("status", "grpc_status"),
    [(400, 3), (401, 16), (403, 7), (404, 12), (413, 8), (429, 8), (500, 13), (502, 14), (503, 14), (418, 2)],
)
def test_a_refused_grpc_call_gets_a_grpc_status_and_the_bare_message(status: int, grpc_status: int) -> None:
    refused = answer(Refusal(status, "No ¶", headers={"retry-after": "7"}), "POST", GRPC)
    assert refused == Reply(status, (("retry-after", "7"),), "No ¶".encode(), grpc_status)


@pytest.mark.parametrize(
    ("content_type", "is_grpc"),
    [
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("application/grpc;charset=utf-8", True),
        ("application/grpc-web", False),
        ("application/grpcx", False),
        ("", False),
    ],
)
def test_only_grpc_calls_get_grpc_refusals(content_type: str, *, is_grpc: bool) -> None:
    refused = answer(Refusal(403, "No"), "POST", {"content-type": content_type})
    assert (refused.grpc_status is not None) is is_grpc


def test_a_fault_of_a_grpc_call_is_a_grpc_refusal_too() -> None:
    def fails(_: Request) -> None:
        raise RuntimeError

    exchange = chain(acts(on_request=fails)).begin(Request("POST", headers=GRPC))
    verdict = walk_of(exchange.request_phase())
    assert verdict == Reply(500, (), b"The request could not be checked", 13)


def test_a_response_hook_can_add_headers_to_a_grpc_refusal() -> None:
    def add(_: Request, response: Response) -> None:
        response.headers["x-a"] = "1"

    exchange = chain(acts(on_response=add), acts(on_request=lambda _: Refusal(403, "No"))).begin(
        Request("POST", headers=GRPC)
    )
    assert walk_of(exchange.request_phase()) == Reply(403, (("x-a", "1"),), b"No", 7)


Ending = Literal["passes", "replies", "refuses", "fails"]


def ends(ending: Ending) -> Callable[[Request], Response | None]:
    def hook(_: Request) -> Response | None:
        match ending:
            case "replies":
                return Response(200, headers={"x-trace": "of the reply", "x-other": "1"})
            case "refuses":
                return Refusal(403, "No", headers={"x-trace": "of the refusal", "x-other": "1"})
            case "fails":
                raise RuntimeError
            case "passes":
                return None

    return hook


def tells(request: Request) -> None:
    request.reply_headers["x-trace"] = "ours"
    request.reply_headers.append("x-trace", "twice")


@pytest.mark.parametrize("ending", ["passes", "replies", "refuses", "fails"])
def test_reply_headers_reach_downstream_whatever_answers_and_over_what_it_says(ending: Ending) -> None:
    upstream = Response(200, headers={"x-trace": "of upstream", "x-other": "1"})
    plugins = [acts(on_request=tells, replies=("X-Trace",)), acts(on_request=ends(ending))]
    outcome = run(plugins, Request(), response=upstream)
    assert outcome.headers["x-trace"] == "ours, twice"
    assert outcome.headers.get("x-other") == (None if ending == "fails" else "1")


def test_reply_headers_of_the_plugin_that_replies_itself_count() -> None:
    def replies(request: Request) -> Response:
        request.reply_headers["x-trace"] = "ours"
        return Response(200)

    assert run(acts(on_request=replies, replies=("x-trace",)), Request()).headers == {"x-trace": "ours"}


def test_a_reply_header_that_was_not_declared_is_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    def tells_more(request: Request) -> None:
        request.reply_headers["x-other"] = "1"

    assert run(acts(on_request=tells_more, replies=("x-trace",)), Request()).status == 500
    assert "Needs(reply_headers=('x-other',))" in caplog.text


@pytest.mark.parametrize("constant", [Response(403, headers={"x-a": "1"}), Refusal(403, "No", headers={"x-a": "1"})])
def test_one_object_can_answer_many_requests_and_nothing_of_one_reaches_another(constant: Response) -> None:
    def tags(request: Request, response: Response) -> None:
        response.headers.append("x-seen", request.path)

    def tells_session(request: Request) -> None:
        if request.path == "/first":
            request.reply_headers["x-session"] = "first"

    plugins = [
        acts(on_response=tags),
        acts(on_request=tells_session, replies=("x-session",)),
        acts(on_request=lambda _: constant),
    ]
    first, second = run(plugins, Request("GET", "/first")), run(plugins, Request("GET", "/second"))
    assert first.headers["x-session"] == "first"
    assert second.headers["x-seen"] == "/second"
    assert "x-session" not in second.headers
    assert dict(constant.headers) == {"x-a": "1"}
