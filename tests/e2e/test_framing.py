"""Whatever the chain of a route can become for one request, each message has the length that its headers tell.

Another one would be a second message for whoever reads it (RFC 9112, section 11.2).
"""

import pytest

from harness.peer import Wire
from harness.streaming import Streams, head

LENGTHS = [f"content-length: {len(body)}\r\n\r\n{body}" for body in ("hello", "")]


@pytest.mark.parametrize("path", ["/upper", "/double", "/events", "/whole", "/both", "/scoped", "/observed"])
@pytest.mark.parametrize("skip", [[], ["x-skip: request response"], ["x-skip-whole: request response"]])
@pytest.mark.parametrize("key", ["alice-key", "bob-key"])
@pytest.mark.parametrize("framing", [*LENGTHS, "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"])
def test_no_message_has_a_length_that_is_not_its_own(
    streams: Streams, path: str, skip: list[str], key: str, framing: str
) -> None:
    # The body comes after the headers have gone on: the order in which Envoy could lie about it.
    headers, body = framing.encode().split(b"\r\n\r\n", 1)
    downstream = streams.send(head("POST", path, f"x-api-key: {key}", *skip, headers.decode()))
    if path not in ("/whole", "/both") or "whole" in str(skip):
        upstream = streams.peer.accept()
        downstream.send(body)
    else:
        downstream.send(body)
        upstream = streams.peer.accept()
    sent = whole(upstream, upstream.head)
    upstream.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + headers + b"\r\n\r\n").send(body)
    came = whole(downstream, downstream.until(b"\r\n\r\n"))
    doubled = path == "/double" or (path == "/scoped" and key == "alice-key")
    given = 5 if b"hello" in body else 0
    assert len(sent) == len(came) == (2 * given + 1 if doubled else given)


def whole(wire: Wire, headers: bytes) -> bytes:
    """A body by the framing that its headers tell, and nothing behind it."""
    lines = headers.lower().split(b"\r\n")
    lengths = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
    assert len(lengths) + (b"transfer-encoding: chunked" in lines) <= 1
    body = wire.take(lengths[0]) if lengths else wire.body() if b"transfer-encoding: chunked" in lines else b""
    assert not lengths or not wire.extra
    return body
