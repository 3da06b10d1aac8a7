"""Bodies in chunks: what an answer to one may do, and what a fault in the middle does to both sides."""

from collections.abc import Iterable, Iterator
from typing import Literal

import pytest

from harness.bootstrap import ext_proc, mode
from harness.gateway import Start
from harness.http1 import request, send
from harness.peer import TRAILERS, Peer, client
from harness.process import Envoy, until
from harness.say import echoes, proceed, reply, request_body, response_body, sets
from harness.scripted import Messages, Processor, Script, each
from harness.upstream import Answer, Upstream
from outrider_envoy.proto.ext_proc_pb2 import BodyMutation, ProcessingRequest, ProcessingResponse

DUPLEX = "FULL_DUPLEX_STREAMED"
HEADERS = {"request_header_mode": "SEND", "response_header_mode": "SEND"}
SENT = {"request_trailer_mode": "SEND", "response_trailer_mode": "SEND"}
REQUEST = mode(**HEADERS, request_body_mode="STREAMED")
RESPONSE = mode(**HEADERS, response_body_mode="STREAMED")
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n"
BEGUN = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-secret: 1\r\n\r\n"
END = b"0\r\n\r\n"
# A cut connection is closed after Envoy's delay, of 1 s unless told otherwise.
SOON = {**TRAILERS, "delayed_close_timeout": "0.05s"}
BODY = BodyMutation(body=b"")
CLEAR = BodyMutation(clear_body=True)


def chunks(kind: str, *given: ProcessingResponse) -> Script:
    """These answers to the chunks of one direction, and answers that change nothing to everything else."""
    left = list(given)

    def answer(message: ProcessingRequest) -> Iterable[ProcessingResponse]:
        mine = message.WhichOneof("request") == kind
        yield left.pop(0) if mine and left else proceed(message)

    return each(answer)


@pytest.mark.parametrize("body", [b"longer body", b"s", b""])
def test_a_chunk_of_a_request_may_become_any_length(
    start: Start, processor: Processor, upstream: Upstream, body: bytes
) -> None:
    processor.script = chunks("request_body", request_body(body=body))
    assert request(start(ext_proc(processing_mode=REQUEST)), method="POST", body=b"hello").status == 200
    assert upstream.request.body == body
    assert upstream.request.get("content-length") is None


@pytest.mark.parametrize("body", [b"longer body", b"s", b""])
def test_a_chunk_of_a_response_may_become_any_length(
    start: Start, processor: Processor, upstream: Upstream, body: bytes
) -> None:
    upstream.answer = Answer(chunks=[b"hello"])
    processor.script = chunks("response_body", response_body(body=body))
    response = request(start(ext_proc(processing_mode=RESPONSE)))
    assert (response.body, response.get("content-length")) == (body, None)


@pytest.mark.parametrize("withheld", [BODY, CLEAR], ids=["empty", "cleared"])
def test_what_was_withheld_may_come_with_the_last_chunk(
    start: Start, processor: Processor, peer: Peer, withheld: BodyMutation
) -> None:
    nothing = request_body()
    nothing.request_body.response.body_mutation.CopyFrom(withheld)
    processor.script = chunks("request_body", nothing, nothing, request_body(body=b"one,two"))
    with client(start(ext_proc(processing_mode=REQUEST), clusters=[peer.cluster])) as downstream:
        downstream.send(CHUNKED).chunk(b"one")
        until(lambda: processor.streams and processor.stream.kinds.count("request_body") == 1)
        downstream.chunk(b"two")
        until(lambda: processor.stream.kinds.count("request_body") == 2)
        downstream.send(END)
        assert peer.accept().body() == b"one,two"
    assert [m.request_body.end_of_stream for m in processor.stream.received[1:]] == [False, False, True]


@pytest.mark.parametrize("sent", ["SEND", "SKIP"])
def test_before_trailers_no_chunk_ends_the_body_so_a_withheld_rest_is_lost(
    start: Start, processor: Processor, peer: Peer, sent: str
) -> None:
    processor.script = chunks("request_body", request_body(body=b""))
    asked = mode(request_body_mode="STREAMED", request_trailer_mode=sent)
    gateway = start(ext_proc(processing_mode=asked), clusters=[peer.cluster], manager=TRAILERS)
    with client(gateway).send(CHUNKED).chunk(b"hello").send(b"0\r\nx-t: 1\r\n\r\n"):
        assert peer.accept().until(b"x-t: 1\r\n\r\n") == b"0\r\nx-t: 1\r\n\r\n"
    assert processor.stream.kinds == (["request_body", "request_trailers"] if sent == "SEND" else ["request_body"])
    assert not processor.stream.first.request_body.end_of_stream


def test_a_header_that_the_answer_to_a_later_chunk_sets_is_ignored(
    start: Start, processor: Processor, peer: Peer
) -> None:
    processor.script = chunks("request_body", request_body(sets(("x-set", "1"))))
    with client(start(ext_proc(processing_mode=REQUEST), clusters=[peer.cluster])).send(CHUNKED) as downstream:
        upstream = peer.accept()
        downstream.chunk(b"one")
        upstream.until(b"one\r\n")
    assert b"x-set" not in upstream.head


def test_no_chunk_comes_before_the_header_answer(start: Start, processor: Processor, peer: Peer) -> None:
    port = start(ext_proc(processing_mode=REQUEST, message_timeout="0.2s"), clusters=[peer.cluster])
    processor.script = each(lambda _: ())
    assert send(port, CHUNKED + b"3\r\none\r\n").status == 504
    assert processor.stream.kinds == ["request_headers"]


@pytest.mark.parametrize("name", ["STREAMED", DUPLEX])
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 200)])
def test_a_response_without_a_body_ends_with_its_headers(
    start: Start, processor: Processor, upstream: Upstream, name: str, method: str, status: int
) -> None:
    port = start(ext_proc(processing_mode=mode(**HEADERS, **SENT, response_body_mode=name)))
    upstream.answer = Answer(status=status)
    assert request(port, method=method).status == status
    assert processor.stream.kinds == ["request_headers", "response_headers"]
    assert processor.stream.received[1].response_headers.end_of_stream


def test_a_head_response_loses_its_content_length(start: Start, upstream: Upstream) -> None:
    upstream.answer = Answer(headers=[("x-up", "1")])
    response = request(start(ext_proc(processing_mode=RESPONSE)), method="HEAD")
    assert (response.get("content-length"), response.get("transfer-encoding")) == (None, "chunked")


Fault = Literal["abort", "reply", "silence", "close"]


def at_second(kind: str, fault: Fault, *, duplex: bool) -> Script:
    """Passes the first chunk on, and has this fault at the second."""

    def script(messages: Messages) -> Iterator[ProcessingResponse]:
        seen = 0
        for message in messages:
            seen += message.WhichOneof("request") == kind
            if seen < 2:
                yield (echoes if duplex else proceed)(message)
            elif fault == "abort":
                raise RuntimeError("the script failed, as it should")
            elif fault == "reply":
                yield reply(418, b"short")
            elif fault == "close":
                return

    return script


CUTS = [("STREAMED", "abort"), ("STREAMED", "reply"), ("STREAMED", "silence"), (DUPLEX, "abort"), (DUPLEX, "reply")]
FAULTS = pytest.mark.parametrize(("name", "fault"), CUTS)
STATUS = {"abort": b"500", "reply": b"418", "silence": b"504"}


def gateway(start: Start, processor: Processor, peer: Peer, kind: str, name: str, fault: Fault) -> Envoy:
    processor.script = at_second(kind, fault, duplex=name == DUPLEX)
    sent = mode(**HEADERS, **SENT, **{f"{kind}_mode": name})
    timeout = "0.2s" if fault == "silence" else "10s"
    filters = ext_proc(processing_mode=sent, message_timeout=timeout)
    return start.envoy(start.config(filters, clusters=[peer.cluster], manager=SOON))


def knows_of_the_close(envoy: Envoy) -> bool:
    return "ext_proc.streams_closed: 1" in envoy.admin("/stats?filter=streams_closed")


@FAULTS
def test_a_fault_at_a_chunk_of_the_request_is_told_downstream_and_cuts_upstream(
    start: Start, processor: Processor, peer: Peer, name: str, fault: Fault
) -> None:
    envoy = gateway(start, processor, peer, "request_body", name, fault)
    with client(envoy.port()).send(CHUNKED).chunk(b"one") as downstream:
        upstream = peer.accept()
        upstream.until(b"one\r\n")
        downstream.chunk(b"two")
        assert downstream.until(b"\r\n").split()[1] == STATUS[fault]
        assert upstream.rest() == b""


@FAULTS
def test_a_fault_at_a_chunk_of_the_request_cuts_a_response_that_began(
    start: Start, processor: Processor, peer: Peer, name: str, fault: Fault
) -> None:
    envoy = gateway(start, processor, peer, "request_body", name, fault)
    with client(envoy.port()).send(CHUNKED).chunk(b"one") as downstream:
        upstream = peer.accept()
        upstream.until(b"one\r\n")
        upstream.send(BEGUN).chunk(b"hi")
        downstream.until(b"hi\r\n")
        downstream.chunk(b"two")
        assert (downstream.rest(), upstream.rest()) == (b"", b"")
    assert processor.stream.kinds == ["request_headers", "request_body", "response_headers", "request_body"]


@FAULTS
def test_a_fault_at_a_chunk_of_the_response_cuts_it(
    start: Start, processor: Processor, peer: Peer, name: str, fault: Fault
) -> None:
    envoy = gateway(start, processor, peer, "response_body", name, fault)
    with client(envoy.port()).send(GET) as downstream:
        upstream = peer.accept().send(BEGUN).chunk(b"one")
        downstream.until(b"one\r\n")
        upstream.chunk(b"two")
        assert (downstream.rest(), upstream.rest()) == (b"", b"")


@pytest.mark.parametrize(("name", "lost"), [("STREAMED", b""), (DUPLEX, b"two")])
def test_after_a_clean_close_the_rest_of_the_request_passes_but_for_what_full_duplex_did_not_answer(
    start: Start, processor: Processor, peer: Peer, name: str, lost: bytes
) -> None:
    envoy = gateway(start, processor, peer, "request_body", name, "close")
    with client(envoy.port()).send(CHUNKED).chunk(b"one") as downstream:
        upstream = peer.accept()
        upstream.until(b"one\r\n")
        downstream.chunk(b"two")
        until(lambda: knows_of_the_close(envoy))
        downstream.chunk(b"three").send(END)
        assert upstream.body() == b"twothree".removeprefix(lost)


@pytest.mark.parametrize(("name", "lost"), [("STREAMED", b""), (DUPLEX, b"two")])
def test_after_a_clean_close_the_rest_of_the_response_passes_but_for_what_full_duplex_did_not_answer(
    start: Start, processor: Processor, peer: Peer, name: str, lost: bytes
) -> None:
    envoy = gateway(start, processor, peer, "response_body", name, "close")
    with client(envoy.port()).send(GET) as downstream:
        upstream = peer.accept().send(BEGUN).chunk(b"one")
        downstream.until(b"one\r\n")
        upstream.chunk(b"two")
        until(lambda: knows_of_the_close(envoy))
        upstream.chunk(b"three").send(END)
        assert downstream.body() == b"twothree".removeprefix(lost)


@pytest.mark.parametrize("name", ["STREAMED", DUPLEX])
def test_an_immediate_response_replaces_a_response_while_the_request_still_comes(
    start: Start, processor: Processor, peer: Peer, name: str
) -> None:
    def answer(message: ProcessingRequest) -> Iterable[ProcessingResponse]:
        yield reply(418, b"short") if message.HasField("response_headers") else echo(message)

    echo = echoes if name == DUPLEX else proceed
    processor.script = each(answer)
    sent = mode(**HEADERS, **SENT, request_body_mode=name)
    with client(start(ext_proc(processing_mode=sent), clusters=[peer.cluster], manager=SOON)) as downstream:
        downstream.send(CHUNKED).chunk(b"one")
        upstream = peer.accept()
        upstream.send(BEGUN).chunk(b"hi")
        seen = downstream.rest()
        assert (seen[:12], seen[-5:], b"x-secret" in seen) == (b"HTTP/1.1 418", b"short", False)
        upstream.rest()
