"""Bodies that stream: the mode that each message asks for, and the answers to its pieces."""

import asyncio
from typing import Any

import pytest

from harness import ask
from harness.chains import acts, acts_in, passes, returns
from harness.streams import Stream, is_marked, is_untouched, sets
from outrider import AbortError, LogRecord, Plugin, Refusal, Request
from outrider_envoy.modes import BUFFERED, DUPLEX, NONE, STREAMED, Mode
from outrider_envoy.proto.ext_proc_pb2 import ProcessingMode, ProcessingRequest

MIB = 1024 * 1024
LENGTH = ("content-length", "5")
UPGRADE = (("connection", "keep-alive, Upgrade"), ("upgrade", "websocket"))


def upper(*seen: Any) -> bytes:
    chunk: bytes = seen[-2]
    return chunk.upper()


def same(*seen: Any) -> bytes:
    chunk: bytes = seen[-2]
    return chunk


OBSERVES = acts(on_request_chunk=upper, on_response_chunk=upper)
RESIZES = acts(on_request_chunk=upper, on_response_chunk=upper, resizes=True)
SKIPS = acts(
    on_request=Request.skip_body,
    on_request_chunk=upper,
    on_response=lambda _, response: response.skip_body(),
    on_response_chunk=upper,
)


def asked(mode: ProcessingMode, direction: str) -> Mode:
    chosen: Mode = getattr(mode, f"{direction}_body_mode")
    return chosen


@pytest.mark.parametrize(
    ("plugin", "configured", "wanted"),
    [
        (RESIZES, STREAMED, DUPLEX),
        (RESIZES, BUFFERED, DUPLEX),
        (OBSERVES, BUFFERED, STREAMED),
        (SKIPS, STREAMED, NONE),
        (SKIPS, BUFFERED, NONE),
    ],
)
def test_the_answer_to_headers_asks_for_the_mode_that_fits_the_message(
    plugin: Plugin, configured: Mode, wanted: Mode
) -> None:
    stream = Stream(plugin)
    answer = stream.say(ask.request_headers(LENGTH, method="POST", modes=(configured, configured)))
    assert (asked(answer.mode_override, "request"), asked(answer.mode_override, "response")) == (wanted, configured)
    answer = stream.say(ask.response_headers(LENGTH))
    assert (asked(answer.mode_override, "request"), asked(answer.mode_override, "response")) == (wanted, wanted)
    assert answer.mode_override.response_header_mode == ProcessingMode.SEND, "unset, the filter's own would count"


def test_a_mode_that_fits_already_is_not_asked_for() -> None:
    answer = Stream(OBSERVES).say(ask.request_headers(LENGTH, method="POST", modes=(STREAMED, STREAMED)))
    assert not answer.HasField("mode_override")


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize(("configured", "restored"), [(STREAMED, True), (BUFFERED, False)])
def test_a_message_that_does_not_stream_after_all_gets_back_the_length_that_envoy_dropped(
    configured: Mode, end: bool, restored: bool
) -> None:
    stream = Stream(SKIPS)
    request = ask.request_headers(LENGTH, end=end, modes=(configured, configured))
    for message in (request, ask.response_headers(LENGTH, end=end)):
        answer = stream.say(message)
        part = answer.request_headers if answer.HasField("request_headers") else answer.response_headers
        assert sets(part.response) == ([("content-length", b"5", False)] if restored else [])


@pytest.mark.parametrize("plugin", [OBSERVES, RESIZES])
def test_a_body_that_comes_to_stream_goes_without_the_length_that_it_had(plugin: Plugin) -> None:
    """Envoy keeps it then, and a body of another length would smuggle a request behind it."""
    answer = Stream(plugin).say(ask.request_headers(LENGTH, method="POST", modes=(BUFFERED, NONE)))
    assert answer.request_headers.response.header_mutation.remove_headers == ["content-length"]


@pytest.mark.parametrize("mode", [NONE, ProcessingMode.BUFFERED_PARTIAL, ProcessingMode.GRPC])
@pytest.mark.parametrize("direction", ["request", "response"])
def test_an_envoy_that_sends_too_little_of_a_body_is_refused(
    direction: str, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Stream(acts_in({f"on_{direction}_chunk": upper}))
    answer = stream.say(ask.request_headers(method="POST", modes=(mode, mode)))
    if direction == "response":
        answer = stream.say(ask.response_headers())
    assert answer.immediate_response.status.code == 500
    assert f"{direction}_body_mode is not STREAMED" in caplog.text


@pytest.mark.parametrize("direction", ["request", "response"])
def test_a_piece_that_no_hook_changed_goes_on_untouched(direction: str) -> None:
    stream = Stream(acts_in({f"on_{direction}_chunk": same}))
    stream.say(ask.request_headers(method="POST"))
    if direction == "response":
        stream.say(ask.response_headers())
    message = ask.request_body(b"one", end=False) if direction == "request" else ask.response_body(b"one", end=False)
    assert is_untouched(stream.say(message), message)


def test_in_full_duplex_every_piece_is_sent_back() -> None:
    stream = Stream(RESIZES)
    stream.say(ask.request_headers(method="POST"))
    for body, end in ((b"one", False), (b"", True)):
        answer = stream.say(ask.request_body(body, end=end)).request_body.response.body_mutation.streamed_response
        assert (answer.body, answer.end_of_stream) == (body.upper(), end)


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 20 * MIB])
@pytest.mark.parametrize("end", [True, False])
def test_a_piece_that_grows_goes_out_in_answers_of_a_bounded_size(size: int, *, end: bool) -> None:
    stream = Stream(acts(on_request_chunk=returns(b"x" * size), resizes=True))
    stream.say(ask.request_headers(method="POST"))
    answers = asyncio.run(stream.tell_all(ask.request_body(b"one", end=end)))
    pieces = [answer.request_body.response.body_mutation.streamed_response for answer in answers]
    assert b"".join(piece.body for piece in pieces) == b"x" * size
    assert max(len(piece.body) for piece in pieces) <= MIB
    assert [piece.end_of_stream for piece in pieces] == [False] * (len(pieces) - 1) + [end]


def test_what_is_held_back_goes_out_before_the_trailers() -> None:
    def holds_back(*seen: Any) -> bytes:
        return b"rest" if seen[-1] else b""

    stream = Stream(acts(on_response_chunk=holds_back, resizes=True))
    stream.say(ask.request_headers(), ask.response_headers(), ask.response_body(b"data", end=False))
    answer = stream.say(ask.response_trailers()).response_body.response.body_mutation.streamed_response
    assert (answer.body, answer.end_of_stream) == (b"rest", False)
    assert not stream.conversation.rest, "the harness took it, as the server does"


def test_bytes_made_at_the_end_of_a_message_without_a_body_become_its_body() -> None:
    def exclaims(*seen: Any) -> bytes:
        chunk: bytes = seen[-2]
        return chunk + b"!"

    stream = Stream(acts(on_request_chunk=exclaims, resizes=True))
    answer = stream.say(ask.request_headers(end=True))
    assert is_marked(answer)
    assert answer.request_headers.response.body_mutation.body == b"!"


@pytest.mark.parametrize(("error", "status"), [(RuntimeError(), 500), (AbortError(Refusal(413, "Too much")), 413)])
def test_after_a_hook_has_ended_the_stream_every_answer_is_its_refusal(error: Exception, status: int) -> None:
    def ends(*_: object) -> bytes:
        raise error

    stream = Stream(acts(on_request_chunk=ends))
    stream.say(ask.request_headers(method="POST"))
    for message in (ask.request_body(b"one", end=False), ask.request_body(b"two"), ask.response_headers()):
        assert stream.say(message).immediate_response.status.code == status


@pytest.mark.parametrize(
    "messages",
    [
        (ask.request_headers(end=True),),
        (ask.request_headers(), ask.request_body(b"ok")),
        (ask.request_headers(), ask.request_trailers()),
    ],
)
@pytest.mark.parametrize("plugin", [OBSERVES, acts(on_request_body=passes), acts(on_request=passes)])
def test_what_comes_after_the_end_of_a_body_is_refused(
    plugin: Plugin, messages: tuple[ProcessingRequest, ...]
) -> None:
    stream = Stream(plugin)
    stream.say(*messages)
    assert stream.say(ask.request_body(b"evil")).immediate_response.status.code == 500


def test_a_body_that_still_comes_after_envoy_itself_has_answered_is_refused() -> None:
    stream = Stream(acts(on_request_body=passes))
    stream.say(ask.request_headers(), ask.response_headers(status="413"))
    assert stream.say(ask.request_body(b"evil")).immediate_response.status.code == 500


def test_a_stream_that_ends_within_a_body_is_undecided() -> None:
    stream = Stream(OBSERVES)
    stream.say(ask.request_headers(method="POST"), ask.request_body(b"one", end=False))
    assert stream.conversation.undecided
    stream.say(ask.request_body(b"two"))
    assert not stream.conversation.undecided


def test_both_directions_may_take_turns() -> None:
    stream = Stream(OBSERVES)
    stream.say(ask.request_headers(method="POST"))
    for message in (
        ask.request_body(b"one", end=False),
        ask.response_headers(),
        ask.response_body(b"uno", end=False),
        ask.request_body(b"two"),
        ask.response_body(b"dos"),
    ):
        assert stream.say(message).WhichOneof("response") == message.WhichOneof("request")


def test_no_body_is_put_in_front_of_an_upgrade() -> None:
    stream = Stream(acts(on_request_chunk=returns(b"more"), resizes=True))
    answer = stream.say(ask.request_headers(*UPGRADE)).request_headers.response
    assert not answer.HasField("body_mutation")
    assert not answer.status


@pytest.mark.parametrize("error", [RuntimeError(), AbortError(Refusal(413, "Enough"))])
def test_an_upload_that_a_hook_ended_was_not_aborted_by_downstream(error: Exception) -> None:
    def fails(*_: Any) -> None:
        raise error

    endings: list[str] = []

    def hears(_: Request, log: LogRecord) -> None:
        endings.append(log.ending)

    stream = Stream(acts_in({"on_request_chunk": fails, "on_log": hears}))
    stream.say(ask.request_headers(method="POST"), ask.request_body(b"one", end=False))
    stream.close()
    assert endings == ["replied" if isinstance(error, AbortError) else "fault"]


def test_a_response_hook_may_reply_while_the_request_still_streams() -> None:
    stream = Stream(acts(on_request_chunk=upper, on_response=returns(Refusal(502, "No"))))
    stream.say(ask.request_headers(method="POST"), ask.request_body(b"one", end=False))
    assert stream.say(ask.response_headers()).immediate_response.status.code == 502
    assert stream.say(ask.request_body(b"two")).immediate_response.status.code == 502


@pytest.mark.parametrize("plugin", [OBSERVES, RESIZES, acts(on_request_body=passes, on_response_body=passes)])
def test_an_upgrade_passes_after_its_headers(plugin: Plugin) -> None:
    mode = BUFFERED if "on_request_body" in plugin.hooks() else STREAMED
    stream = Stream(plugin)
    answer = stream.say(ask.request_headers(*UPGRADE, modes=(mode, mode)))
    assert is_marked(answer)
    assert asked(answer.mode_override, "request") == NONE
    answer = stream.say(ask.response_headers(*UPGRADE, status="101"))
    assert asked(answer.mode_override, "response") == NONE


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("POST", UPGRADE),
        ("GET", (*UPGRADE, LENGTH)),
        ("GET", (*UPGRADE, ("transfer-encoding", "chunked"))),
        ("GET", UPGRADE[:1]),
        ("GET", UPGRADE[1:]),
        ("GET", (("connection", "upgraded"), ("upgrade", "websocket"))),
    ],
)
def test_a_request_that_may_have_a_body_is_no_upgrade(method: str, fields: tuple[tuple[str, str], ...]) -> None:
    answer = Stream(acts(on_request_body=passes)).say(
        ask.request_headers(*fields, method=method, modes=(BUFFERED, NONE))
    )
    assert not is_marked(answer), "it waits for the body, or is refused"
    assert not answer.HasField("mode_override")


def test_an_upgrade_with_a_body_is_refused_where_plugins_read_bodies() -> None:
    """Envoy itself would wait for the end of the body for ever."""
    message = ask.request_headers(*UPGRADE, LENGTH, method="POST", modes=(BUFFERED, NONE))
    assert Stream(acts(on_request_body=passes)).say(message).immediate_response.status.code == 400
    assert is_marked(Stream(acts(on_request=passes)).say(message))
