"""One ext_proc stream, without a network: what is refused, and that a refusal is final."""

import pytest

from harness import ask
from harness.chains import acts, acts_in, chain, passes, returns
from harness.streams import Stream, is_untouched
from outrider import Plugin, Refusal
from outrider_envoy.errors import ProtocolError
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse

QUIET = acts(
    on_request=lambda _: None,
    on_request_body=passes,
    on_response=passes,
    on_response_body=passes,
)
NO_BODIES = acts(on_request=lambda _: None, on_response=passes)


def status_of(answer: ProcessingResponse) -> int:
    """The status of a refusal; 0 for any other answer."""
    return answer.immediate_response.status.code if answer.HasField("immediate_response") else 0


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([ask.request_body(b"in")], id="a body first"),
        pytest.param([ask.request_trailers()], id="trailers first"),
        pytest.param([ask.request_headers(), ask.request_headers()], id="request headers twice"),
        pytest.param(
            [ask.request_headers(), ask.response_headers(), ask.request_headers()], id="headers twice, late"
        ),
        pytest.param([ask.response_headers(), ask.request_headers()], id="the response before the request"),
        pytest.param(
            [ask.request_headers(), ask.response_headers(), ask.response_headers()], id="response headers twice"
        ),
        pytest.param([ask.request_headers(), ask.response_body(b"out")], id="a response's body without its headers"),
        pytest.param([ask.request_headers(end=True), ask.response_trailers()], id="its trailers without its headers"),
        pytest.param([ProcessingRequest(request_headers={})], id="no headers at all"),
        pytest.param([ask.request_headers(path="")], id="no path"),
        pytest.param([ask.request_headers(method="")], id="no method"),
        pytest.param([ask.request_headers(), ask.response_headers(status=None)], id="no status"),
        pytest.param([ask.request_headers(), ask.response_headers(status="abc")], id="a status of letters"),
        pytest.param([ask.request_headers(), ask.response_headers(status="9" * 5000)], id="an endless status"),
    ],
)
@pytest.mark.parametrize("plugin", [QUIET, NO_BODIES], ids=["with bodies", "without"])
def test_messages_that_make_no_sense_are_refused(
    messages: list[ProcessingRequest], plugin: Plugin, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Stream(plugin).say(*messages)
    assert status_of(answer) == 500
    assert b'"message"' in answer.immediate_response.body
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "request refused: " in caplog.text


@pytest.mark.parametrize("before", [[], [ask.request_headers()]])
@pytest.mark.parametrize("raw", [b"", b"\x4a\x00", b"\x50\x01"], ids=["empty", "a later kind", "observability only"])
def test_a_message_of_an_unknown_kind_ends_the_stream_with_an_error(
    before: list[ProcessingRequest], raw: bytes
) -> None:
    stream = Stream(NO_BODIES)
    stream.say(*before)
    with pytest.raises(ProtocolError, match="unknown kind"):
        stream.say(ProcessingRequest.FromString(raw))
    stream.close()


@pytest.mark.parametrize("mode", [ask.Mode.NONE, ask.Mode.STREAMED, ask.Mode.BUFFERED_PARTIAL])
@pytest.mark.parametrize("hook", ["on_request_body", "on_response_body"])
def test_a_body_that_envoy_will_not_send_whole_is_refused_with_the_remedy(
    mode: ask.Mode, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    modes = (mode, ask.Mode.BUFFERED) if hook == "on_request_body" else (ask.Mode.BUFFERED, mode)
    messages = [ask.request_headers(modes=modes)]
    if hook == "on_response_body":
        messages.append(ask.response_headers())
    assert status_of(Stream(acts_in({hook: passes})).say(*messages)) == 500
    field = f"{hook.removeprefix('on_')}_mode"
    assert f"a plugin needs the body, and Envoy's {field} is not BUFFERED: set it so" in caplog.text


def test_a_body_that_nobody_needs_may_come_in_any_mode() -> None:
    message = ask.request_headers(modes=(ask.Mode.NONE, ask.Mode.STREAMED))
    assert is_untouched(Stream(NO_BODIES).say(message), message)


def test_no_body_needs_no_mode() -> None:
    message = ask.request_headers(end=True, modes=(ask.Mode.NONE, ask.Mode.NONE))
    assert is_untouched(Stream(QUIET).say(message), message)


@pytest.mark.parametrize(
    ("plugin", "before"),
    [
        (acts(on_request=lambda _: Refusal(401, "No")), [ask.request_headers()]),
        (acts(on_request_body=returns(Refusal(401, "No"))), [ask.request_headers(), ask.request_body()]),
        (acts(on_response=returns(Refusal(401, "No"))), [ask.request_headers(), ask.response_headers()]),
    ],
)
@pytest.mark.parametrize(
    "after",
    [
        ask.request_headers(),
        ask.request_body(b"in"),
        ask.request_trailers(),
        ask.response_headers(),
        ask.response_body(b"out"),
        ask.response_trailers(),
    ],
)
def test_a_refusal_is_final(plugin: Plugin, before: list[ProcessingRequest], after: ProcessingRequest) -> None:
    stream = Stream(plugin)
    assert status_of(stream.say(*before)) == 401
    assert status_of(stream.say(after)) == 401
    assert status_of(stream.say(after)) == 401


@pytest.mark.parametrize("route", ["nowhere", "", "Orders"])
def test_an_unknown_route_in_our_metadata_is_refused_without_a_guess(
    route: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = Stream(chains=[chain(QUIET)], route=route).say(
        ask.request_headers(attributes={"xds.route_name": "orders"})
    )
    assert status_of(answer) == 500
    assert f"outrider-route is {route!r}, which is no route of the file" in caplog.text


@pytest.mark.parametrize("after", [[], [ask.request_body(b"in")], [ask.response_headers()]])
def test_no_chain_is_a_refusal(after: list[ProcessingRequest]) -> None:
    answer = Stream(chains=[chain(QUIET)], route=None).say(ask.request_headers(), *after)
    assert status_of(answer) == 404
