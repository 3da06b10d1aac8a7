"""Server-sent events through a plugin that rewrites each: at once, without an end, in constant memory."""

import threading

import pytest

from harness.outrider import forget_peak, peak_memory
from harness.streaming import END, Streams

MIB = 1024 * 1024
ROUTES = pytest.mark.parametrize("route", ["/events", "/async-events"])


@ROUTES
def test_each_event_is_passed_on_before_the_next_one_is_sent(streams: Streams, route: str) -> None:
    downstream, upstream = streams.answered(route)
    for number in range(50):
        upstream.chunk(b"data: %d\n\n" % number)
        assert downstream.until(b"\n\n\r\n").endswith(b"data: seen %d\n\n\r\n" % number)
    upstream.send(END)
    assert downstream.until(END) == END


@ROUTES
def test_an_event_in_pieces_comes_as_one(streams: Streams, route: str) -> None:
    downstream, upstream = streams.answered(route)
    upstream.chunk(b"data: 1\n\nda")
    downstream.until(b"data: seen 1\n\n\r\n")
    upstream.chunk(b"ta: 2")
    upstream.chunk(b"\n\ndata: 3\n\n")
    assert downstream.until(b"3\n\n\r\n").endswith(b"data: seen 2\n\ndata: seen 3\n\n\r\n")


@ROUTES
def test_what_is_held_at_the_end_is_not_lost(streams: Streams, route: str) -> None:
    downstream, upstream = streams.answered(route)
    upstream.chunk(b"data: 1\n\ndata: half").send(END)
    assert downstream.body() == b"data: seen 1\n\ndata: half"


@ROUTES
@pytest.mark.parametrize("body", [b"data: 1\n\ndata: half", b"data: half", b""])
def test_an_answer_in_one_piece_with_a_length_is_rewritten_too(streams: Streams, route: str, body: bytes) -> None:
    downstream = streams.get(route)
    length = b"content-length: %d\r\n" % len(body)
    streams.peer.accept().send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + length + b"\r\n" + body)
    headers = downstream.until(b"\r\n\r\n").lower()
    assert (b"content-length" in headers) == (not body)
    if body:
        assert downstream.body() == body.replace(b"data: 1", b"data: seen 1")


def test_an_endless_stream_takes_no_memory(streams: Streams) -> None:
    # Buffers fill while the first one runs; what came in the second is more than they and twice the bound.
    event = b"data: " + b"x" * 1000 + b"\n\n"
    block = b"%x\r\n%s\r\n" % (len(event) * 60, event * 60)
    before, after = (_peaks_of_a_stream(streams, block, size) for size in (64 * MIB, 192 * MIB))
    assert all(late - early < 64 * MIB for early, late in zip(before, after, strict=True)), (before, after)


def _peaks_of_a_stream(streams: Streams, block: bytes, size: int) -> list[int]:
    processes = [*streams.gateway.workers(), streams.gateway.envoy()]
    for pid in processes:
        forget_peak(pid)
    downstream, upstream = streams.answered("/events", "connection: close")
    sender = threading.Thread(target=lambda: upstream.pour(size, block) and upstream.send(END))
    sender.start()
    came = downstream.drain()
    sender.join()
    assert came > size
    return [peak_memory(pid) for pid in processes]
