"""Which processing modes an answer can change, and what becomes of content-length then."""

from collections.abc import Iterator, Sequence

import pytest

from harness.bootstrap import Config, ext_proc, ext_proc_per_route, mode, route
from harness.gateway import Start
from harness.http1 import Message, request
from harness.peer import Peer, client
from harness.say import (
    echoes,
    proceed,
    removes,
    request_body,
    request_headers,
    response_body,
    response_headers,
    sets,
    streamed,
)
from harness.scripted import Processor, Script, each
from harness.upstream import Answer, Upstream
from outrider_envoy.proto.ext_proc_pb2 import (
    ProcessingMode,
    ProcessingRequest,
    ProcessingResponse,
)

DUPLEX = "FULL_DUPLEX_STREAMED"
MODES = ["STREAMED", "BUFFERED", "BUFFERED_PARTIAL", DUPLEX]
LESSENED = ["STREAMED", "BUFFERED", "BUFFERED_PARTIAL"]
HEADERS = {"request_header_mode": "SEND", "response_header_mode": "SEND"}
TRAILERS = {"request_trailer_mode": "SEND", "response_trailer_mode": "SEND"}
ALL = ["request_headers", "request_body", "response_headers", "response_body"]
NOTHING = ProcessingMode(
    response_header_mode=ProcessingMode.SKIP,
    request_trailer_mode=ProcessingMode.SKIP,
    response_trailer_mode=ProcessingMode.SKIP,
)


def bodies(name: str) -> ProcessingMode:
    return ProcessingMode(request_body_mode=name, response_body_mode=name)


def both(name: str, **more: str) -> Config:
    """Everything is sent, both bodies alike."""
    return mode(**{**HEADERS, **TRAILERS, "request_body_mode": name, "response_body_mode": name, **more})


def with_duplex(*given: ProcessingResponse, duplex: bool) -> Script:
    """Gives these answers to their own kinds of message, and passes everything else on."""
    by_kind = {answer.WhichOneof("response"): answer for answer in given}

    def answer(message: ProcessingRequest) -> Iterator[ProcessingResponse]:
        yield by_kind.get(message.WhichOneof("request")) or (echoes if duplex else proceed)(message)

    return each(answer)


def port(
    start: Start,
    processing_mode: Config,
    *given: ProcessingResponse,
    processor: Processor,
    to: str = "",
    clusters: Sequence[Config] = (),
) -> int:
    """Of an Envoy with this mode, whose server gives these answers; `to` is the mode that they ask for."""
    processor.script = with_duplex(*given, duplex=DUPLEX in (*processing_mode.values(), to))
    return start(ext_proc(processing_mode=processing_mode, allow_mode_override=True), clusters=clusters)


def post(port: int) -> Message:
    return request(port, method="POST", body=b"hello")


def kinds(processor: Processor) -> list[str]:
    """Without the repetitions of a body that came in parts."""
    return list(dict.fromkeys(processor.stream.kinds))


@pytest.mark.parametrize("name", LESSENED)
def test_the_request_answer_may_lessen_every_mode_but_full_duplex(
    start: Start, processor: Processor, name: str
) -> None:
    assert post(port(start, both(name), request_headers(mode=NOTHING), processor=processor)).status == 200
    assert kinds(processor) == ["request_headers"]


@pytest.mark.parametrize("name", LESSENED)
def test_the_response_answer_may_lessen_every_mode_but_full_duplex(
    start: Start, processor: Processor, name: str
) -> None:
    sent = both(name, request_body_mode="NONE")
    assert post(port(start, sent, response_headers(mode=NOTHING), processor=processor)).status == 200
    assert kinds(processor) == ["request_headers", "response_headers"]


def test_an_override_is_ignored_where_both_modes_are_full_duplex(start: Start, processor: Processor) -> None:
    overrides = request_headers(mode=NOTHING), response_headers(mode=NOTHING)
    assert post(port(start, both(DUPLEX), *overrides, processor=processor)).status == 200
    assert kinds(processor) == ALL


@pytest.mark.parametrize("side", ["request_body_mode", "response_body_mode"])
def test_full_duplex_in_one_direction_keeps_the_other_from_being_lessened(
    start: Start, processor: Processor, side: str
) -> None:
    sent = both("STREAMED", **{side: DUPLEX})

    def answer(message: ProcessingRequest) -> Iterator[ProcessingResponse]:
        kind = message.WhichOneof("request")
        reply = echoes(message) if f"{kind}_mode" == side else proceed(message)
        if kind in {"request_headers", "response_headers"}:
            reply.mode_override.CopyFrom(NOTHING)
        yield reply

    gateway = port(start, sent, processor=processor)
    processor.script = each(answer)
    assert post(gateway).status == 200
    assert kinds(processor) == ALL


@pytest.mark.parametrize("name", MODES)
def test_the_request_answer_may_raise_both_bodies(start: Start, processor: Processor, name: str) -> None:
    gateway = port(start, mode(**HEADERS), request_headers(mode=bodies(name)), processor=processor, to=name)
    assert post(gateway).status == 200
    assert kinds(processor) == ALL


@pytest.mark.parametrize("name", MODES)
def test_the_response_answer_may_raise_its_body(start: Start, processor: Processor, name: str) -> None:
    gateway = port(start, mode(**HEADERS), response_headers(mode=bodies(name)), processor=processor, to=name)
    assert post(gateway).status == 200
    assert kinds(processor) == ["request_headers", "response_headers", "response_body"]


@pytest.mark.parametrize(("old", "new"), [("BUFFERED", "STREAMED"), ("STREAMED", "BUFFERED"), ("STREAMED", DUPLEX)])
def test_one_kind_of_body_may_become_another(start: Start, processor: Processor, old: str, new: str) -> None:
    # An answer that fits FULL_DUPLEX_STREAMED alone proves that it is in force.
    gateway = port(start, both(old), request_headers(mode=bodies(new)), processor=processor, to=new)
    assert post(gateway).status == 200
    assert kinds(processor) == ALL


@pytest.mark.parametrize(
    ("sent", "override", "comes"),
    [
        ("SEND", ProcessingMode.DEFAULT, True),
        ("SKIP", ProcessingMode.DEFAULT, False),
        ("SKIP", ProcessingMode.SEND, True),
        ("SEND", ProcessingMode.SKIP, False),
    ],
)
def test_an_unset_header_mode_keeps_the_configured_one(
    start: Start, processor: Processor, sent: str, override: ProcessingMode.HeaderSendMode, *, comes: bool
) -> None:
    sends = mode(request_header_mode="SEND", response_header_mode=sent)
    overrides = request_headers(mode=ProcessingMode(response_header_mode=override))
    request(port(start, sends, overrides, processor=processor))
    assert ("response_headers" in processor.stream.kinds) == comes


def test_an_unset_body_mode_is_none(start: Start, processor: Processor) -> None:
    one = ProcessingMode(request_body_mode=ProcessingMode.STREAMED)
    post(port(start, both("STREAMED"), request_headers(mode=one), processor=processor))
    assert kinds(processor) == ["request_headers", "request_body", "response_headers"]


@pytest.mark.parametrize("mine", [request_headers(mode=NOTHING), response_headers(mode=NOTHING)], ids=["1", "2"])
def test_an_override_acts_on_the_mode_of_the_route(
    start: Start, processor: Processor, mine: ProcessingResponse
) -> None:
    routes = [route("/", **ext_proc_per_route(overrides={"processing_mode": both("STREAMED")}))]
    processor.script = with_duplex(mine, duplex=False)
    assert post(start(ext_proc(processing_mode=mode(), allow_mode_override=True), routes=routes)).status == 200
    asked = ["request_headers", "request_body", "response_headers"]
    assert kinds(processor) == (asked[:1] if mine.HasField("request_headers") else asked)


def test_bodies_that_do_not_wait_for_the_header_answer_cannot_be_lessened(start: Start, processor: Processor) -> None:
    processor.script = with_duplex(request_headers(mode=NOTHING), duplex=False)
    extra = {"allow_mode_override": True, "send_body_without_waiting_for_header_response": True}
    assert post(start(ext_proc(processing_mode=both("STREAMED"), **extra))).status == 200
    assert "request_body" in processor.stream.kinds


@pytest.mark.parametrize(("name", "length"), [("STREAMED", None), ("BUFFERED_PARTIAL", None), ("BUFFERED", "5")])
def test_a_lessened_request_has_lost_its_content_length_unless_it_was_buffered(
    start: Start, processor: Processor, upstream: Upstream, name: str, length: str | None
) -> None:
    post(port(start, both(name), request_headers(mode=NOTHING), processor=processor))
    assert upstream.request.get("content-length") == length


def test_the_header_answer_may_restore_the_content_length_of_a_lessened_request(
    start: Start, processor: Processor, upstream: Upstream
) -> None:
    restored = request_headers(sets(("content-length", "5")), mode=NOTHING)
    post(port(start, both("STREAMED"), restored, processor=processor))
    assert (upstream.request.get("content-length"), upstream.request.body) == ("5", b"hello")
    assert upstream.request.get("transfer-encoding") is None


@pytest.mark.parametrize("restores", [True, False])
def test_the_header_answer_may_restore_the_content_length_of_a_lessened_response(
    start: Start, processor: Processor, upstream: Upstream, *, restores: bool
) -> None:
    upstream.answer = Answer(chunks=[b"hello"])
    changes = [sets(("content-length", "5"))] if restores else []
    sent = both("STREAMED", request_body_mode="NONE")
    response = request(port(start, sent, response_headers(*changes, mode=NOTHING), processor=processor))
    assert (response.body, response.get("content-length")) == (b"hello", "5" if restores else None)


def test_a_response_lessened_by_the_request_answer_keeps_its_content_length(
    start: Start, processor: Processor, upstream: Upstream
) -> None:
    upstream.answer = Answer(chunks=[b"hello"])
    assert (
        request(port(start, both("STREAMED"), request_headers(mode=NOTHING), processor=processor)).get(
            "content-length"
        )
        == "5"
    )


def changed(kind: str, name: str) -> ProcessingResponse:
    """One chunk of another length; `kind` is request_body or response_body."""
    if name == DUPLEX:
        return streamed(kind, b"longer body")
    return request_body(body=b"longer body") if kind == "request_body" else response_body(body=b"longer body")


RAISED = pytest.mark.parametrize("name", ["STREAMED", DUPLEX])
REMOVED = pytest.mark.parametrize("removed", [True, False], ids=["removed", "kept"])


@RAISED
@REMOVED
def test_a_raised_request_keeps_a_content_length_that_a_changed_chunk_makes_a_lie(
    start: Start, processor: Processor, peer: Peer, name: str, *, removed: bool
) -> None:
    raises = request_headers(*([removes("content-length")] if removed else []), mode=bodies(name))
    answers = raises, changed("request_body", name)
    gateway = port(start, mode(**HEADERS), *answers, processor=processor, to=name, clusters=[peer.cluster])
    with client(gateway) as downstream:
        downstream.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n")
        upstream = peer.accept()
        downstream.send(b"hello")
        upstream.until(b"longer body")
    assert (b"content-length: 10\r\n" in upstream.head) != removed


@RAISED
@REMOVED
def test_a_raised_response_keeps_a_content_length_that_a_changed_chunk_makes_a_lie(
    start: Start, processor: Processor, peer: Peer, name: str, *, removed: bool
) -> None:
    raises = response_headers(*([removes("content-length")] if removed else []), mode=bodies(name))
    answers = raises, changed("response_body", name)
    gateway = port(start, mode(**HEADERS), *answers, processor=processor, to=name, clusters=[peer.cluster])
    with client(gateway).send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n") as downstream:
        upstream = peer.accept().send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
        head = downstream.until(b"\r\n\r\n")
        upstream.send(b"hello")
        downstream.until(b"longer body")
    assert (b"content-length: 10\r\n" in head) != removed
