"""Bodies that pass piece by piece: what a chunk hook sees, how it ends a stream, and what is on the wire then."""

import json
import os
import signal
import threading
from collections.abc import Callable

import pytest

from harness.outrider import Outrider, is_alive, plugin, service
from harness.peer import Peer
from harness.process import until
from harness.streaming import CHUNKS, END, HELLO, Streams, head, response

Start = Callable[..., Outrider]
REFUSALS = [("raise", 500), ("abort 413", 413), ("wait 5", 503), ("longer", 500)]
DECISIONS = {"raise": "fault", "abort 413": "replied", "wait 5": "fault", "longer": "fault"}


def is_cut(rest: bytes) -> bool:
    """Whether a chunked body has no end."""
    return not rest.endswith(END)


def test_both_directions_stream_at_once(streams: Streams) -> None:
    downstream = streams.post("/upper", "x-case: at-once").chunk(b"one")
    upstream = streams.peer.accept()
    upstream.until(b"ONE\r\n")
    upstream.send(CHUNKS).chunk(b"a")
    downstream.until(b"A\r\n")
    downstream.chunk(b"two")
    upstream.until(b"TWO\r\n")
    upstream.chunk(b"b").send(END)
    assert downstream.until(END).endswith(b"B\r\n0\r\n\r\n")
    assert streams.ended("at-once") == ["passed", 200, 6, 2]


def test_a_body_may_grow_in_both_directions_and_no_old_length_is_left(streams: Streams) -> None:
    downstream = streams.send(head("POST", "/double", "content-length: 5") + b"hel")
    upstream = streams.peer.accept()
    downstream.send(b"lo")
    assert b"content-length" not in upstream.head.lower()
    assert upstream.body() == b"hheelllloo."
    upstream.send(HELLO)
    assert b"content-length" not in downstream.until(b"\r\n\r\n").lower()
    assert downstream.body() == b"hheelllloo."


def test_a_chunk_hook_may_add_a_body_where_there_is_none(streams: Streams) -> None:
    downstream = streams.get("/double")
    upstream = streams.peer.accept()
    assert upstream.body() == b"."
    upstream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    assert b"content-length" not in downstream.until(b"\r\n\r\n").lower()
    assert downstream.body() == b"."


@pytest.mark.parametrize(("script", "status"), REFUSALS)
def test_an_upload_that_a_chunk_hook_ends_is_refused_and_never_whole_upstream(
    streams: Streams, script: str, status: int
) -> None:
    case = f"upload {script}"
    downstream = streams.post("/chunked", f"x-request-chunk: {script}", f"x-case: {case}").chunk(b"one")
    upstream = streams.peer.accept()
    upstream.until(b"one\r\n")
    downstream.chunk(b"two!")
    refusal = response(downstream)
    assert refusal.status == status
    assert set(json.loads(refusal.body)) == {"message", "request_id"}
    assert upstream.rest() == b""
    assert streams.ended(case) == [DECISIONS[script], status, 7, None]


@pytest.mark.parametrize(("script", "status"), REFUSALS[:2])
def test_a_body_with_a_length_is_refused_in_the_middle_too(streams: Streams, script: str, status: int) -> None:
    raw = head("POST", "/chunked", "content-length: 10", f"x-request-chunk: {script}")
    downstream = streams.send(raw + b"one!")
    assert response(downstream).status == status
    assert is_cut(streams.peer.accept().rest())


@pytest.mark.parametrize(("script", "status"), REFUSALS)
def test_a_download_that_a_chunk_hook_ends_is_cut_and_upstream_closed(
    streams: Streams, script: str, status: int
) -> None:
    case = f"download {script}"
    downstream, upstream = streams.answered("/chunked", f"x-response-chunk: {script}", f"x-case: {case}")
    upstream.chunk(b"one")
    downstream.until(b"one\r\n")
    upstream.chunk(b"two!").chunk(b"three").send(END)
    assert downstream.rest() == b""
    assert upstream.rest() == b""
    assert streams.ended(case)[:2] == [DECISIONS[script], 200]


@pytest.mark.parametrize("script", ["raise", "abort 413"])
def test_an_upload_that_is_ended_after_the_response_began_cuts_both(streams: Streams, script: str) -> None:
    downstream = streams.post("/chunked", f"x-request-chunk: {script}").chunk(b"one")
    upstream = streams.peer.accept()
    upstream.until(b"one\r\n")
    upstream.send(CHUNKS).chunk(b"begun")
    downstream.until(b"begun\r\n")
    downstream.chunk(b"two!")
    assert is_cut(downstream.rest())
    assert is_cut(upstream.rest())


@pytest.mark.parametrize("script", ["raise", "wait 5", "longer"])
def test_a_chunk_hook_that_may_fail_is_left_out_from_then_on(streams: Streams, script: str) -> None:
    both = (f"x-request-chunk: {script}", f"x-response-chunk: {script}")
    downstream = streams.post("/tolerant", *both).chunk(b"one!").chunk(b"two!").send(END)
    upstream = streams.peer.accept()
    assert upstream.body() == b"one!two!"
    upstream.send(CHUNKS).chunk(b"one!").chunk(b"two!").send(END)
    downstream.until(b"\r\n\r\n")
    assert downstream.body() == b"one!two!"


def test_an_abort_is_a_decision_and_no_fault_that_may_happen(streams: Streams) -> None:
    downstream = streams.post("/tolerant", "x-request-chunk: abort 413").chunk(b"one!")
    assert response(downstream).status == 413
    assert is_cut(streams.peer.accept().rest())


def test_a_response_hook_may_reply_while_the_request_still_streams(streams: Streams) -> None:
    downstream = streams.post("/over", "x-take-over: 1", "x-case: take-over").chunk(b"one")
    upstream = streams.peer.accept()
    upstream.until(b"ONE\r\n")
    upstream.send(HELLO)
    reply = response(downstream)
    assert (reply.status, reply.body) == (418, b"short and stout")
    assert is_cut(upstream.rest())
    assert streams.ended("take-over")[:2] == ["replied", 418]


def test_compressed_bytes_pass_a_hook_as_they_are(streams: Streams) -> None:
    raw = bytes(range(256)) * 4
    downstream, upstream = streams.answered("/observed")
    upstream.chunk(raw).send(END)
    assert downstream.body() == raw


def test_a_client_that_leaves_is_told_once_and_upstream_closed(streams: Streams) -> None:
    downstream, upstream = streams.answered("/observed", "x-case: left")
    upstream.chunk(b"hello")
    downstream.until(b"hello\r\n")
    downstream.close()
    assert upstream.rest() == b""
    assert streams.ended("left") == ["aborted", 200, 0, 5]


def test_a_client_that_leaves_in_its_upload_is_told_once_and_upstream_gets_no_end(streams: Streams) -> None:
    downstream = streams.post("/observed", "x-case: gave-up").chunk(b"hello")
    upstream = streams.peer.accept()
    upstream.until(b"hello\r\n")
    downstream.close()
    assert upstream.rest() == b""
    assert streams.ended("gave-up") == ["aborted", None, 5, None]


def test_an_upstream_that_leaves_cuts_the_download(streams: Streams) -> None:
    downstream, upstream = streams.answered("/events", "x-case: upstream-left")
    upstream.chunk(b"data: 1\n\ndata: ")
    downstream.until(b"data: seen 1\n\n\r\n")
    upstream.close()
    assert downstream.rest() == b""
    assert streams.ended("upstream-left")[:2] == ["aborted", 200]


@pytest.mark.parametrize("piece", [10_000, 20 * 1024 * 1024])
def test_a_piece_may_grow_beyond_any_message(streams: Streams, piece: int) -> None:
    downstream = streams.get("/double", "connection: close")
    upstream = streams.peer.accept()
    length = f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {piece}\r\n\r\n".encode()
    sender = threading.Thread(target=upstream.send, args=(length + bytes(piece),))
    sender.start()
    downstream.until(b"\r\n\r\n")
    assert downstream.drain() > 2 * piece
    sender.join()


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_freezes_cuts_its_streams_and_nothing_passes_unseen(
    start: Start, shared_peer: Peer, stop: signal.Signals
) -> None:
    # A chunk of FULL_DUPLEX_STREAMED has no time-out in Envoy: it is the supervisor who ends a frozen worker.
    plugins = {"upper": b"DATA: 1\n\n\r\n", "events": b"data: seen 1\n\n\r\n"}
    gateway = start(*(service(name, shared_peer.port, plugin(name)) for name in plugins), workers=1)
    [worker] = gateway.workers()
    with Streams(gateway, shared_peer) as streams:
        wires = [streams.answered(f"/{name}") for name in plugins]
        for (downstream, upstream), expected in zip(wires, plugins.values(), strict=True):
            upstream.chunk(b"data: 1\n\n")
            downstream.until(expected)
        os.kill(worker, stop)
        for _, upstream in wires:
            upstream.chunk(b"data: 2\n\n").send(END)
        assert [wire.rest() for pair in wires for wire in pair] == [b""] * 4
    until(lambda: not is_alive(worker))
