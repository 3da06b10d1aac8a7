"""FULL_DUPLEX_STREAMED: any number of answers, at any time; what is lost, and what holds the sender back."""

from collections.abc import Callable, Iterable, Iterator

import pytest

from harness.bootstrap import ext_proc, mode
from harness.gateway import Start
from harness.http1 import send
from harness.peer import TRAILERS, Peer, client
from harness.process import until
from harness.say import common, echoes, proceed, request_body, request_headers, streamed
from harness.scripted import Messages, Processor, each
from harness.upstream import Answer, Upstream
from outrider_envoy.proto.ext_proc_pb2 import (
    HeadersResponse,
    ProcessingRequest,
    ProcessingResponse,
    TrailersResponse,
)

DUPLEX = "FULL_DUPLEX_STREAMED"
HEADERS = {"request_header_mode": "SEND", "response_header_mode": "SEND"}
SENT = {"request_trailer_mode": "SEND", "response_trailer_mode": "SEND"}
REQUEST = mode(**HEADERS, **SENT, request_body_mode=DUPLEX)
RESPONSE = mode(**HEADERS, **SENT, response_body_mode=DUPLEX)
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n"
POST = HEAD + b"5\r\nhello\r\n0\r\n\r\n"
WITH_TRAILERS = HEAD + b"5\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"
TRAILED = ProcessingResponse(request_trailers=TrailersResponse())

Answering = Callable[[ProcessingRequest], Iterable[ProcessingResponse]]


def on(kind: str, answer: Answering) -> Answering:
    """What this kind of message is answered with; everything else passes."""
    return lambda message: answer(message) if message.WhichOneof("request") == kind else [echoes(message)]


@pytest.fixture
def port(start: Start, peer: Peer) -> int:
    return start(ext_proc(processing_mode=REQUEST), clusters=[peer.cluster], manager=TRAILERS)


def seen(port: int, peer: Peer, raw: bytes) -> bytes:
    """The body that reaches upstream."""
    with client(port).send(raw):
        return peer.accept().body()


@pytest.mark.parametrize("side", ["request", "response"])
def test_without_the_trailers_of_its_direction_the_mode_is_refused(start: Start, side: str) -> None:
    sent = mode(**HEADERS, **{f"{side}_body_mode": DUPLEX})
    with pytest.raises(AssertionError, match=f"{side}_trailer_mode has to be set to SEND"):
        start(ext_proc(processing_mode=sent))


def test_a_chunk_may_have_several_answers(port: int, processor: Processor, peer: Peer) -> None:
    def split(message: ProcessingRequest) -> Iterator[ProcessingResponse]:
        for byte in message.request_body.body:
            yield streamed("request_body", bytes([byte]))
        if message.request_body.end_of_stream:
            yield streamed("request_body", end=True)

    processor.script = each(on("request_body", split))
    assert seen(port, peer, POST) == b"hello"


def test_a_chunk_may_be_answered_at_the_end(port: int, processor: Processor, peer: Peer) -> None:
    def late(message: ProcessingRequest) -> Iterator[ProcessingResponse]:
        if message.request_body.end_of_stream:
            yield streamed("request_body", b"HELLO", end=True)

    processor.script = each(on("request_body", late))
    assert seen(port, peer, POST) == b"HELLO"


@pytest.mark.parametrize("rest", [b"late", b""])
def test_a_withheld_rest_may_come_right_before_the_answer_to_the_trailers_and_is_lost_otherwise(
    port: int, processor: Processor, peer: Peer, rest: bytes
) -> None:
    def at_the_end(message: ProcessingRequest) -> Iterator[ProcessingResponse]:
        if message.HasField("request_trailers"):
            yield from [streamed("request_body", rest)] if rest else []
        if not message.HasField("request_body"):
            yield echoes(message)

    processor.script = each(at_the_end)
    assert seen(port, peer, WITH_TRAILERS) == rest
    assert processor.stream.kinds[:3] == ["request_headers", "request_body", "request_trailers"]


def test_an_answer_may_end_the_body_early(port: int, processor: Processor, peer: Peer) -> None:
    def early(message: ProcessingRequest) -> Iterator[ProcessingResponse]:
        if message.request_body.body:
            yield streamed("request_body", b"all", end=True)

    processor.script = each(on("request_body", early))
    assert seen(port, peer, POST) == b"all"


def test_chunks_come_before_the_header_answer(port: int, processor: Processor, peer: Peer) -> None:
    def later(message: ProcessingRequest) -> Iterator[ProcessingResponse]:
        if message.request_body.body:
            yield request_headers()
        if not message.HasField("request_headers"):
            yield echoes(message)

    processor.script = each(later)
    assert seen(port, peer, POST) == b"hello"


def plain(message: ProcessingRequest) -> Iterable[ProcessingResponse]:
    return [proceed(message)]


def before_the_headers(message: ProcessingRequest) -> Iterable[ProcessingResponse]:
    return [] if message.HasField("request_headers") else [echoes(message)]


def after_the_end(message: ProcessingRequest) -> Iterable[ProcessingResponse]:
    ended = streamed("request_body", b"a", end=True)
    return [ended, streamed("request_body", b"b")] if message.HasField("request_body") else [echoes(message)]


def after_the_trailers(message: ProcessingRequest) -> Iterable[ProcessingResponse]:
    if message.HasField("request_trailers"):
        return [TRAILED, streamed("request_body", b"late")]
    return [] if message.HasField("request_body") else [echoes(message)]


def after_the_last_header(message: ProcessingRequest) -> Iterable[ProcessingResponse]:
    return [echoes(message), streamed("request_body", b"added", end=True)]


WRONG = {
    "without streamed_response": (on("request_body", plain), POST),
    "body without streamed_response": (on("request_body", lambda _: [request_body(body=b"x")]), POST),
    "before the headers": (before_the_headers, POST),
    "after its end": (after_the_end, POST),
    "after the trailers": (after_the_trailers, WITH_TRAILERS),
    "after headers that ended the stream": (on("request_headers", after_the_last_header), GET),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_body_answer_out_of_place_is_500(port: int, processor: Processor, name: str) -> None:
    answer, raw = WRONG[name]
    processor.script = each(answer)
    assert send(port, raw).status == 500


def test_streamed_response_in_another_mode_is_500(start: Start, processor: Processor) -> None:
    processor.script = each(lambda message: [echoes(message)])
    assert send(start(ext_proc(processing_mode=mode(request_body_mode="STREAMED"))), POST).status == 500


MODES = ["BUFFERED", "STREAMED", DUPLEX]


@pytest.mark.parametrize("raw", [GET, POST], ids=["no body", "body"])
@pytest.mark.parametrize("name", MODES)
def test_continue_and_replace_gives_a_request_a_body_and_full_duplex_still_sends_the_old_one(
    start: Start, processor: Processor, upstream: Upstream, name: str, raw: bytes
) -> None:
    def answer(message: ProcessingRequest) -> Iterator[ProcessingResponse]:
        if message.HasField("request_headers"):
            yield request_headers(body=b"new body", replace=True)
        elif not message.HasField("request_body"):
            yield proceed(message)

    processor.script = each(answer)
    upstream.answer = Answer()
    assert send(start(ext_proc(processing_mode=mode(**HEADERS, **SENT, request_body_mode=name))), raw).status == 200
    assert upstream.request.body == b"new body"
    assert ("request_body" in processor.stream.kinds) == (name == DUPLEX and raw == POST)


@pytest.mark.parametrize("body", [b"", b"hello"])
@pytest.mark.parametrize("name", MODES)
def test_continue_and_replace_gives_a_response_a_body(
    start: Start, processor: Processor, upstream: Upstream, name: str, body: bytes
) -> None:
    replaced = HeadersResponse(response=common(body=b"new body", replace=True))

    def answer(message: ProcessingRequest) -> Iterator[ProcessingResponse]:
        if message.HasField("response_headers"):
            yield ProcessingResponse(response_headers=replaced)
        elif not message.HasField("response_body"):
            yield proceed(message)

    processor.script = each(answer)
    upstream.answer = Answer(chunks=[body])
    port = start(ext_proc(processing_mode=mode(**HEADERS, **SENT, response_body_mode=name)))
    assert send(port, GET).body == b"new body"


def test_no_timeout_applies_to_a_chunk(start: Start, processor: Processor, peer: Peer) -> None:
    def waits(messages: Messages) -> Iterator[ProcessingResponse]:
        for message in messages:
            if message.request_body.body:
                # Far longer than the timeout: done would mean that Envoy gave up.
                assert not processor.stream.done.wait(0.6)
            yield echoes(message)

    processor.script = waits
    port = start(ext_proc(processing_mode=REQUEST, message_timeout="0.2s"), clusters=[peer.cluster])
    assert seen(port, peer, POST) == b"hello"


LONG = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 64000000\r\n\r\n"


def taken(processor: Processor, kind: str) -> int:
    return sum(len(getattr(m, kind).body) for m in processor.stream.received if m.WhichOneof("request") == kind)


def unanswered(kind: str) -> Answering:
    return on(kind, lambda _: ())


def test_full_duplex_takes_any_amount_of_unanswered_request(port: int, processor: Processor) -> None:
    processor.script = each(unanswered("request_body"))
    with client(port).send(LONG) as downstream:
        downstream.send(bytes(16_000_000))
        until(lambda: taken(processor, "request_body") == 16_000_000)


def test_full_duplex_takes_any_amount_of_unanswered_response(start: Start, processor: Processor, peer: Peer) -> None:
    processor.script = each(unanswered("response_body"))
    with client(start(ext_proc(processing_mode=RESPONSE), clusters=[peer.cluster])).send(GET):
        upstream = peer.accept().send(b"HTTP/1.1 200 OK\r\ncontent-length: 64000000\r\n\r\n")
        upstream.send(bytes(16_000_000))
        until(lambda: taken(processor, "response_body") == 16_000_000)


def test_streamed_takes_little_more_unanswered_request_than_the_buffer_limit(
    start: Start, processor: Processor
) -> None:
    processor.script = each(lambda m: () if m.HasField("request_body") else [proceed(m)])
    with client(start(ext_proc(processing_mode=mode(**HEADERS, request_body_mode="STREAMED")))) as downstream:
        assert downstream.send(LONG).fill(64_000_000) < 16_000_000
        assert taken(processor, "request_body") < 4_000_000


def test_full_duplex_holds_the_sender_back_when_the_server_stops_reading(
    start: Start, processor: Processor, peer: Peer
) -> None:
    def stops(messages: Messages) -> Iterator[ProcessingResponse]:
        for message in messages:
            if message.HasField("request_body"):
                processor.stream.done.wait(15)
                return
            yield proceed(message)

    processor.script = stops
    with client(start(ext_proc(processing_mode=REQUEST), clusters=[peer.cluster])) as downstream:
        assert downstream.send(LONG).fill(64_000_000) < 64_000_000
