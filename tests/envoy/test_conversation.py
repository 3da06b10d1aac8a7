"""One ext_proc stream, without a network: messages in the order in which Envoy sends them."""

import asyncio

import pytest

from harness import ask
from harness.chains import acts, passes
from harness.streams import Stream, is_untouched, sets
from outrider import Plugin, Refusal, Request, Response
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse

QUIET = acts(
    on_request=lambda _: None,
    on_request_body=passes,
    on_response=passes,
    on_response_body=passes,
)
NO_BODIES = acts(on_request=lambda _: None, on_response=passes)


def heard(into: list[str], name: str = "log") -> Plugin:
    return acts(on_request=lambda _: None, on_log=lambda _, log: into.append(f"{name} {log.ending} {log.status}"))


def status_of(answer: ProcessingResponse) -> int:
    """The status of a refusal; 0 for any other answer."""
    return answer.immediate_response.status.code if answer.HasField("immediate_response") else 0


@pytest.mark.parametrize("plugin", [QUIET, NO_BODIES], ids=["with bodies", "without"])
@pytest.mark.parametrize(
    "messages",
    [
        [ask.request_headers()],
        [ask.request_headers(end=True), ask.response_headers(end=True)],
        [ask.request_headers(), ask.request_body(b"in"), ask.response_headers(), ask.response_body(b"out")],
        [ask.request_headers(), ask.request_body(b"in", end=False), ask.request_trailers(), ask.response_headers()],
        [ask.request_headers(), ask.request_trailers(("x-a", "1")), ask.response_headers()],
        [ask.request_headers(end=True), ask.response_headers(), ask.response_trailers()],
        [
            ask.request_headers(end=True),
            ask.response_headers(),
            ask.response_body(b"out", end=False),
            ask.response_trailers(),
        ],
        [ask.request_headers(), ask.response_headers(status="413"), ask.response_body(b"too large")],
        [ask.response_headers()],
        [ask.response_headers(), ask.response_body(b"out"), ask.response_trailers()],
    ],
)
def test_every_message_of_a_quiet_chain_gets_its_own_kind_of_answer(
    plugin: Plugin, messages: list[ProcessingRequest]
) -> None:
    stream = Stream(plugin)
    for message in messages:
        assert is_untouched(stream.say(message), message)
    stream.close()


def test_every_chunk_of_a_body_that_nobody_wants_is_let_on() -> None:
    stream = Stream(NO_BODIES)
    stream.say(ask.request_headers())
    for message in (ask.request_body(b"a", end=False), ask.request_body(b"b", end=False), ask.request_body()):
        assert is_untouched(stream.say(message), message)


def test_a_request_body_may_go_on_while_the_answer_comes_already() -> None:
    bodies: list[bytes] = []
    stream = Stream(acts(on_response_body=lambda _, __, body: bodies.append(body)))
    late = ask.request_body(b"late")
    stream.say(ask.request_headers(), ask.response_headers())
    assert is_untouched(stream.say(late), late)
    stream.say(ask.response_body(b"out"))
    assert bodies == [b"out"]


def test_hooks_see_the_body_that_comes() -> None:
    bodies: list[bytes] = []
    stream = Stream(
        acts(
            on_request_body=lambda _, body: bodies.append(body),
            on_response_body=lambda _, __, body: bodies.append(body),
        )
    )
    stream.say(ask.request_headers(), ask.request_body(b"\x00in"), ask.response_headers(), ask.response_body(b"out"))
    assert bodies == [b"\x00in", b"out"]


@pytest.mark.parametrize(
    "messages",
    [
        [ask.request_headers(end=True), ask.response_headers(end=True)],
        [ask.request_headers(), ask.request_trailers(), ask.response_headers(), ask.response_trailers()],
    ],
)
def test_a_message_without_a_body_has_an_empty_one(messages: list[ProcessingRequest]) -> None:
    bodies: list[bytes] = []
    stream = Stream(
        acts(
            on_request_body=lambda _, body: bodies.append(body),
            on_response_body=lambda _, __, body: bodies.append(body),
        )
    )
    stream.say(*messages)
    assert bodies == [b"", b""]


def test_the_request_is_what_envoy_sent() -> None:
    seen: list[Request] = []
    Stream(acts(on_request=seen.append)).say(
        ask.request_headers(
            ("x-a", "1"),
            ("x-b", b"caf\xe9"),
            ("x-a", "2"),
            ("x-empty", ""),
            method="POST",
            path="/a//b?x=%zz",
            host="Shop.example:8080",
            attributes={"source.address": "[2001:db8::1]:4711"},
        )
    )
    (request,) = seen
    assert (request.method, request.path, request.query) == ("POST", "/a//b", "x=%zz")
    assert (request.host, request.port, request.client) == ("shop.example", 8080, "2001:db8::1")
    assert request.headers.get_all("x-a") == ["1", "2"]
    assert request.headers["x-b"].encode("utf-8", "surrogateescape") == b"caf\xe9"
    assert request.headers["x-empty"] == ""
    assert not [name for name in request.headers if name.startswith(":")]


def test_the_response_is_what_envoy_sent() -> None:
    seen: list[Response] = []
    stream = Stream(acts(on_response=lambda _, response: seen.append(response)))
    stream.say(ask.request_headers(), ask.response_headers(("set-cookie", "a"), ("set-cookie", "b"), status="404"))
    (response,) = seen
    assert (response.status, response.headers.get_all("set-cookie")) == (404, ["a", "b"])


def test_a_client_that_nobody_asked_envoy_for_is_a_fault_that_names_the_remedy(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = Stream(acts(on_request=lambda request: request.client and None)).say(ask.request_headers())
    assert status_of(answer) == 500
    assert "add source.address to request_attributes" in caplog.text


def test_a_refusal_runs_each_hook_once_whatever_comes_after_it() -> None:
    ran: list[str] = []
    first = acts(
        on_request=lambda _: ran.append("request"),
        on_response=lambda _, __: ran.append("response"),
        on_log=lambda _, log: ran.append(log.ending),
    )
    stream = Stream(first, acts(on_request=lambda _: Refusal(401, "No")))
    stream.say(ask.request_headers(), ask.response_headers(status="401"))
    stream.close()
    assert ran == ["request", "response", "replied"]


def test_envoys_own_answer_ends_the_wait_for_a_body() -> None:
    ran: list[str] = []
    stream = Stream(
        acts(on_request=lambda _: None, on_response=lambda _, response: ran.append(f"first {response.status}")),
        acts(
            on_request_body=lambda _, __: ran.append("body"),
            on_response=lambda _, __: ran.append("second"),
        ),
    )
    headers, own = ask.request_headers(), ask.response_headers(status="413")
    assert is_untouched(stream.say(headers), headers)
    assert is_untouched(stream.say(own), own)
    assert ran == ["first 413"]


def test_async_hooks_are_waited_for_in_every_phase() -> None:
    ran: list[str] = []

    async def waits(*seen: object) -> None:
        await asyncio.sleep(0)
        ran.append("waited")
        del seen

    stream = Stream(acts(on_request=waits, on_request_body=waits, on_response=waits, on_response_body=waits))
    messages = [ask.request_headers(), ask.request_body(b"in"), ask.response_headers(), ask.response_body(b"out")]
    for message in messages:
        assert is_untouched(stream.say(message), message)
    assert ran == ["waited"] * 4


def test_the_end_is_heard_with_the_status_that_downstream_got() -> None:
    endings: list[str] = []
    stream = Stream(heard(endings))
    stream.say(ask.request_headers(), ask.response_headers(status="204", end=True))
    stream.close()
    stream.close()
    assert endings == ["log passed 204"]


def test_headers_set_for_the_answer_of_upstream_are_over_its_own() -> None:
    plugin = acts(on_request=lambda request: request.reply_headers.append("x-id", "7"), replies=("x-id",))
    answer = Stream(plugin).say(ask.request_headers(), ask.response_headers(("x-id", "upstream")))
    assert sets(answer.response_headers.response) == [("x-id", b"7", False)]
