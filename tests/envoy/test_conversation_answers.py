"""The mutations of ext_proc, exactly as Envoy needs them."""

from typing import Any, cast

import pytest

from harness import ask
from harness.chains import acts, acts_in, change, returns
from harness.streams import Stream, is_marked, is_untouched, sets
from outrider import Refusal, Request, Response
from outrider_envoy.proto.ext_proc_pb2 import CommonResponse, ProcessingResponse

GIVEN = (("x-old", "1"), ("x-twice", "1"), ("x-twice", "2"), ("cookie", "a"), ("cookie", "b"))


@pytest.mark.parametrize(
    ("steps", "removed", "added"),
    [
        (["set x-new 1"], [], [("x-new", b"1", False)]),
        (["set X-NEW 1"], [], [("x-new", b"1", False)]),
        (["set x-old 2"], [], [("x-old", b"2", False)]),
        (["set x-twice 3"], [], [("x-twice", b"3", False)]),
        (["discard x-old"], ["x-old"], []),
        (["discard x-twice"], ["x-twice"], []),
        (["append x-old 2"], ["x-old"], [("x-old", b"1", False), ("x-old", b"2", True)]),
        (
            ["append set-cookie c", "append set-cookie d"],
            ["set-cookie"],
            [("set-cookie", b"c", False), ("set-cookie", b"d", True)],
        ),
        (["append x-new 1", "discard x-new"], ["x-new"], []),
        (["discard x-old", "append x-old 2"], [], [("x-old", b"2", False)]),
        (["set x-new caf\udce9"], [], [("x-new", b"caf\xe9", False)]),
        (["set x-new café"], [], [("x-new", "café".encode(), False)]),
        (["set x-new "], [], [("x-new", b"", False)]),
    ],
)
@pytest.mark.parametrize("hook", ["on_request", "on_request_body", "on_response", "on_response_body"])
def test_header_changes_are_written_as_envoy_applies_them(
    hook: str, steps: list[str], removed: list[str], added: list[tuple[str, bytes, bool]]
) -> None:
    of_response = hook.startswith("on_response")

    def changes(request: Request, *seen: Any) -> None:
        change(seen[0].headers if of_response else request.headers, *steps)

    stream = Stream(acts_in({hook: changes}))
    messages = [ask.request_headers(*GIVEN), ask.request_body(b"in")]
    if of_response:
        messages += [ask.response_headers(*GIVEN), ask.response_body(b"out")]
    answers = [(stream.say(message), message) for message in messages]
    (answer,) = [answer for answer, message in answers if not is_untouched(answer, message)]
    kind = hook.removeprefix("on_") + ("" if hook.endswith("_body") else "_headers")
    common: CommonResponse = getattr(answer, kind).response
    assert list(common.header_mutation.remove_headers) == removed
    assert sets(common) == added
    assert all(not option.header.value for option in common.header_mutation.set_headers)


def test_a_new_query_goes_upstream_in_the_path() -> None:
    def change(request: Request) -> None:
        request.query = "b=%20"

    answer = Stream(acts(on_request=change)).say(ask.request_headers(path="/a//b?a=1"))
    assert sets(answer.request_headers.response) == [(":path", b"/a//b?b=%20", False)]


def test_an_envoy_of_somebody_elses_gets_the_new_path_as_it_is() -> None:
    def change(request: Request) -> None:
        request.upstream_path = "/new"
        request.upstream_method = "PUT"

    answer = Stream(acts(on_request=change)).say(ask.request_headers(path="/a?a=1"))
    assert sets(answer.request_headers.response) == [(":method", b"PUT", False), (":path", b"/new?a=1", False)]


def test_a_new_status_goes_downstream() -> None:
    def change(_: Request, response: Response) -> None:
        response.status = 418

    answer = Stream(acts(on_response=change)).say(ask.request_headers(), ask.response_headers())
    assert sets(answer.response_headers.response) == [(":status", b"418", False)]


@pytest.mark.parametrize("body", [b"longer than it was", b"in", b"\x00\xff", b""])
@pytest.mark.parametrize("direction", ["request", "response"])
def test_a_replaced_body_has_its_length_beside_it(direction: str, body: bytes) -> None:
    stream = Stream(acts_in({f"on_{direction}_body": returns(body)}))
    messages = [ask.request_headers(), ask.request_body(b"in"), ask.response_headers(), ask.response_body(b"out")]
    answer = stream.say(*messages[: 2 if direction == "request" else 4])
    common: CommonResponse = getattr(answer, f"{direction}_body").response
    assert common.status == CommonResponse.CONTINUE
    assert common.body_mutation.WhichOneof("mutation") == "body"
    assert common.body_mutation.body == body
    assert sets(common) == [("content-length", str(len(body)).encode(), False)]


@pytest.mark.parametrize("direction", ["request", "response"])
def test_a_body_where_there_was_none_is_sent_with_the_headers(direction: str) -> None:
    stream = Stream(acts_in({f"on_{direction}_body": returns(b"new")}))
    messages = [ask.request_headers(end=True), ask.response_headers(end=True)]
    answer = stream.say(*messages[: 1 if direction == "request" else 2])
    common: CommonResponse = getattr(answer, f"{direction}_headers").response
    assert common.status == CommonResponse.CONTINUE_AND_REPLACE
    assert common.body_mutation.body == b"new"
    assert list(common.header_mutation.remove_headers) == ["content-length"]


def test_no_body_in_the_place_of_none_changes_nothing() -> None:
    message = ask.request_headers(end=True)
    stream = Stream(acts(on_request_body=returns(b""), on_response_body=returns(b"")))
    assert not stream.say(message).request_headers.response.HasField("body_mutation")
    assert not stream.say(ask.response_headers(end=True)).response_headers.response.HasField("body_mutation")


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200"), ("GET", "204"), ("GET", "304")])
def test_an_answer_that_may_have_no_body_gets_none(method: str, status: str) -> None:
    answer = ask.response_headers(status=status, end=True)
    stream = Stream(acts(on_response_body=returns(b"new")))
    assert is_untouched(stream.say(ask.request_headers(method=method), answer), answer)


@pytest.mark.parametrize("direction", ["request", "response"])
def test_changes_to_a_message_that_turned_out_to_have_only_trailers_are_refused(
    direction: str, caplog: pytest.LogCaptureFixture
) -> None:
    def changes(request: Request, *seen: Any) -> None:
        (request if direction == "request" else cast("Response", seen[0])).headers["x-a"] = "1"

    stream = Stream(acts_in({f"on_{direction}_body": changes}))
    messages = [ask.request_headers(), ask.request_trailers(), ask.response_headers(), ask.response_trailers()]
    answer = stream.say(*messages[: 2 if direction == "request" else 4])
    assert answer.immediate_response.status.code == 500
    assert "too far to be changed" in caplog.text


def refuse_with(response: Response, headers: tuple[tuple[str, str], ...] = ()) -> ProcessingResponse:
    return Stream(acts(on_request=lambda _: response)).say(ask.request_headers(*headers))


def test_a_reply_is_an_immediate_response() -> None:
    response = Response(418, body=b"short\xff", headers=[("x-a", "1"), ("set-cookie", "a"), ("set-cookie", "b")])
    immediate = refuse_with(response).immediate_response
    assert (immediate.status.code, immediate.body, immediate.details) == (418, b"short\xff", "outrider")
    added = [(one.header.key, one.header.raw_value, one.append.value) for one in immediate.headers.set_headers]
    assert added == [("x-a", b"1", False), ("set-cookie", b"a", False), ("set-cookie", b"b", True)]
    assert not immediate.headers.remove_headers
    assert not immediate.HasField("grpc_status")


def test_the_refusal_of_a_grpc_call_has_its_status_and_the_bare_message() -> None:
    immediate = refuse_with(Refusal(429, "Too many"), (("content-type", "application/grpc"),)).immediate_response
    assert (immediate.status.code, immediate.grpc_status.status, immediate.body) == (429, 8, b"Too many")


@pytest.mark.parametrize("status", [200, 204, 301, 401, 500, 599])
def test_an_immediate_response_always_has_its_status(status: int) -> None:
    assert refuse_with(Response(status)).immediate_response.status.code == status


@pytest.mark.parametrize("direction", ["request", "response"])
def test_a_reply_to_a_body_is_an_immediate_response_too(direction: str) -> None:
    stream = Stream(acts_in({f"on_{direction}_body": returns(Response(422))}))
    messages = [ask.request_headers(), ask.request_body(b"in"), ask.response_headers(), ask.response_body(b"out")]
    answer = stream.say(*messages[: 2 if direction == "request" else 4])
    assert answer.immediate_response.status.code == 422


def test_spoofed_identity_headers_are_removed_even_where_no_plugin_looks() -> None:
    answer = Stream(acts(on_request=lambda _: None)).say(
        ask.request_headers(("x-consumer-id", "root"), ("x_consumer_id", "root"), ("x-a", "1"))
    )
    mutation = answer.request_headers.response.header_mutation
    assert set(mutation.remove_headers) == {"x-consumer-id", "x_consumer_id"}
    assert not mutation.set_headers


def test_nothing_that_envoy_would_not_do_is_ever_asked_for() -> None:
    answer = Stream(acts(on_request=lambda request: change(request.headers, "set x-a 1"))).say(ask.request_headers())
    assert not answer.HasField("mode_override")
    assert is_marked(answer)
    assert not answer.HasField("override_message_timeout")
