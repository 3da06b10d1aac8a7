"""What a client may do with its connection: expect a go-ahead, send trailers, go on after a refusal, leave."""

import json
import socket
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path

import pytest

from harness import http1
from harness.outrider import Outrider, plugin, service
from harness.process import until
from harness.upstream import Upstream

Start = Callable[..., Outrider]
BODIES = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])  # ext_authz can't rewrite one
KEY = "x-api-key: alice-key"


def raw(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(stream: BufferedIOBase) -> http1.Message:
    message = http1.read(stream)
    assert message, "closed without a response"
    return message


@BODIES
def test_a_client_that_expects_a_go_ahead_gets_it_and_its_body_is_read(gateway: Outrider, upstream: Upstream) -> None:
    head = raw("POST /guarded HTTP/1.1", "host: a", KEY, "content-length: 5", "expect: 100-continue")
    with http1.connect(gateway.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(head)
        assert stream.readline().startswith(b"HTTP/1.1 100 ")
        assert stream.readline() == b"\r\n"
        connection.sendall(b"hello")
        assert answer(stream).status == 200
    assert (upstream.request.get("x-read"), upstream.request.body) == ("5", b"hello")


def test_a_client_that_expects_a_go_ahead_is_refused_before_it_sent_its_body(
    gateway: Outrider, upstream: Upstream
) -> None:
    head = raw("POST /orders HTTP/1.1", "host: a", "content-length: 5", "expect: 100-continue")
    with http1.connect(gateway.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(head)
        assert answer(stream).status == 401
    assert not upstream.requests


@BODIES
@pytest.mark.parametrize(("chunks", "expected"), [(b"5\r\nhello\r\n", b"hello and more"), (b"", b" and more")])
def test_trailers_of_a_body_that_a_plugin_reads_add_nothing_to_the_request(
    gateway: Outrider, upstream: Upstream, chunks: bytes, expected: bytes
) -> None:
    head = raw("POST /bodies HTTP/1.1", "host: a", "transfer-encoding: chunked", "x-body: longer")
    trailers = b"0\r\nx-consumer-username: root\r\nx-read: 99\r\n\r\n"
    assert http1.send(gateway.port, head + chunks + trailers).status == 200
    request = upstream.request
    assert (request.body, request.get("x-read")) == (expected, str(len(expected) - len(b" and more")))
    assert "x-consumer-username" not in dict(request.headers) | dict(request.trailers)


def test_a_connection_goes_on_after_a_refusal(gateway: Outrider, upstream: Upstream) -> None:
    with http1.connect(gateway.port) as connection, connection.makefile("rb") as stream:
        statuses: list[int] = []
        for credential in ("x-none: x", KEY, "x-api-key: wrong", KEY):
            connection.sendall(raw("GET /orders HTTP/1.1", "host: a", credential))
            statuses.append(answer(stream).status)
    assert statuses == [401, 200, 401, 200]
    assert len(upstream.requests) == 2


def test_the_body_of_a_refused_request_is_not_taken_for_the_next_request(
    gateway: Outrider, upstream: Upstream
) -> None:
    smuggled = raw("GET /open HTTP/1.1", "host: a", "x-smuggled: yes")
    refused = raw("POST /orders HTTP/1.1", "host: a", f"content-length: {len(smuggled)}", body=smuggled)
    with http1.connect(gateway.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(refused + raw("GET /orders HTTP/1.1", "host: a", KEY))
        assert answer(stream).status == 401
        after = http1.read(stream)
    # Envoy may close the connection, or go on with what really comes next.
    assert after is None or after.status == 200
    assert [request.path for request in upstream.requests] == ([] if after is None else ["/orders"])


def test_a_client_that_leaves_while_a_hook_waits_is_told_of_once_as_aborted(
    start: Start, upstream: Upstream, tmp_path: Path
) -> None:
    log = tmp_path / "ended"
    waits = plugin("script", timeout=60_000)
    gateway = start(service("left", upstream.port, plugin("outer", log=str(log)), waits))
    for how in ("reset", "closed"):
        with http1.connect(gateway.port) as connection:
            connection.sendall(raw("GET /left HTTP/1.1", "host: a", "x-script: wait 50", f"x-case: {how}"))
            until(lambda: gateway.metric("outrider_requests_in_flight") == 1)
            if how == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gateway.idle()
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert rows == [[how, "Outer", "aborted", None, None] for how in ("reset", "closed")]
    assert not upstream.requests
