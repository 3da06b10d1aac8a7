"""Bodies of many megabytes in both directions: what passes piece by piece is never held."""

import hashlib
import threading
from http.client import HTTPConnection

import pytest

from harness.outrider import forget_peak, peak_memory
from harness.streaming import HELLO, Streams, head, response

MIB = 1024 * 1024
BLOCK = bytes(range(256)) * 256
GROWTH = 128 * MIB
"""Half of a body, and more than all buffers: Envoy's hold 10 MiB each where a plugin reads whole bodies."""


def peaks(streams: Streams) -> list[int]:
    """The most memory that the worker and Envoy have taken since `forget`."""
    return [peak_memory(pid) for pid in (*streams.gateway.workers(), streams.gateway.envoy())]


def forget(streams: Streams) -> None:
    for pid in (*streams.gateway.workers(), streams.gateway.envoy()):
        forget_peak(pid)


def grown(before: list[int], after: list[int]) -> int:
    return max(late - early for early, late in zip(before, after, strict=True))


def of(size: int) -> str:
    """The digest of a body of that size."""
    whole = hashlib.sha256()
    for _ in range(size // len(BLOCK)):
        whole.update(BLOCK)
    return whole.hexdigest()


def download(streams: Streams, route: str, size: int, case: str) -> str:
    """Fetches a body with a real client; the digest of what came."""
    client, digest = HTTPConnection("127.0.0.1", streams.gateway.port, timeout=60), hashlib.sha256()
    client.request("GET", route, headers={"x-case": case})
    upstream = streams.peer.accept()
    length = f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n".encode()
    sender = threading.Thread(target=upstream.send(length).pour, args=(size, BLOCK))
    sender.start()
    with client.getresponse() as answer:
        while piece := answer.read(len(BLOCK)):
            digest.update(piece)
    sender.join()
    client.close()
    return digest.hexdigest()


def upload(streams: Streams, route: str, size: int, case: str) -> int:
    """Sends a body, and gives how many bytes reached upstream, with their framing."""
    downstream = streams.send(head("POST", route, f"content-length: {size}", f"x-case: {case}"))
    upstream = streams.peer.accept()
    sender = threading.Thread(target=downstream.pour, args=(size, BLOCK))
    sender.start()
    came = 0
    while came < size:
        came += len(upstream.some())
    sender.join()
    upstream.send(HELLO)
    assert response(downstream).start.endswith("200 OK") if route == "/plain" else downstream.until(b"hello")
    return came


@pytest.mark.parametrize("route", ["/plain", "/observed"])
def test_a_big_download_takes_no_more_memory_than_a_small_one(streams: Streams, route: str) -> None:
    small, big = MIB, 256 * MIB
    forget(streams)
    assert download(streams, route, small, f"small {route}") == of(small)
    before = peaks(streams)
    assert download(streams, route, big, f"big {route}") == of(big)
    assert grown(before, peaks(streams)) < GROWTH
    if route == "/observed":
        assert streams.digest(f"big {route}", "response") == of(big)
        assert streams.ended(f"big {route}") == ["passed", 200, 0, big]


@pytest.mark.parametrize("route", ["/plain", "/observed"])
def test_a_big_upload_takes_no_more_memory_than_a_small_one(streams: Streams, route: str) -> None:
    small, big = MIB, 256 * MIB
    forget(streams)
    assert upload(streams, route, small, f"small up {route}") >= small
    before = peaks(streams)
    assert upload(streams, route, big, f"big up {route}") >= big
    assert grown(before, peaks(streams)) < GROWTH
    if route == "/observed":
        assert streams.digest(f"big up {route}", "request") == of(big)


@pytest.mark.parametrize("route", ["/upper", "/double"])
def test_a_client_that_does_not_read_holds_upstream_back_and_nobody_else(streams: Streams, route: str) -> None:
    streams.get(route)
    most = 400 * MIB
    length = f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {most}\r\n\r\n".encode()
    upstream = streams.peer.accept().send(length)
    assert upstream.fill(most) < most // 4
    other = streams.get("/plain")
    streams.peer.accept().send(HELLO)
    assert response(other).body == b"hello"
