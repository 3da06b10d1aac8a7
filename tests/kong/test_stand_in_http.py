"""HTTP/1.1 on both sides of the stand-in."""

import socket
import struct
import threading
from contextlib import suppress
from typing import Any

import pytest

from harness import http1
from harness.kong_gateway import running
from harness.process import until
from harness.upstream import Answer, Upstream
from outrider_kong.stand_in import settings


def gateway(upstream: Upstream, **service: Any) -> Any:
    route = {"name": "r", "paths": ["/r"]}
    return running(
        {"services": [{"name": "s", "host": "127.0.0.1", "port": upstream.port, "routes": [route], **service}]}
    )


def test_several_requests_use_one_connection(upstream: Upstream) -> None:
    with gateway(upstream) as kong, http1.connect(kong.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(
            b"GET /r/1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /r/2 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi"
        )
        connection.sendall(b"GET /nope HTTP/1.1\r\nhost: a\r\n\r\n")
        answers = [http1.read(stream) for _ in range(3)]
    assert [answer.status for answer in answers if answer] == [200, 200, 404]
    assert [request.path for request in upstream.requests] == ["/1", "/2"]


def test_a_body_in_chunks_goes_upstream_with_its_length(upstream: Upstream) -> None:
    head = b"POST /r HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    with gateway(upstream) as kong:
        assert http1.send(kong.port, head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").status == 200
    assert upstream.request.get("content-length") == "5"
    assert upstream.request.get("transfer-encoding") is None
    assert upstream.request.body == b"abcde"


def test_who_waits_for_a_continue_gets_it(upstream: Upstream) -> None:
    with gateway(upstream) as kong, http1.connect(kong.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"POST /r HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 100 \r\n"
        assert stream.readline() == b"\r\n"
        connection.sendall(b"hi")
        answer = http1.read(stream)
    assert answer
    assert answer.status == 200
    assert upstream.request.get("expect") is None


def test_head_has_no_body_but_its_length(upstream: Upstream) -> None:
    upstream.answer = Answer(chunks=[b"12345"])
    with gateway(upstream) as kong:
        route, none = (
            http1.send(kong.port, b"HEAD %s HTTP/1.1\r\nhost: a\r\n\r\n" % path) for path in (b"/r", b"/x")
        )
        assert (none.status, none.body) == (404, b"")
    assert upstream.request.method == "HEAD"
    assert (route.status, route.get("content-length"), route.body) == (200, "5", b"")


def test_an_answer_in_chunks_stays_one(upstream: Upstream) -> None:
    upstream.answer = Answer(chunks=[b"a", b"b"])
    with gateway(upstream) as kong:
        answer = http1.request(kong.port, "/r")
    assert answer.get("transfer-encoding") == "chunked"
    assert answer.body == b"ab"


def test_a_204_has_no_length(upstream: Upstream) -> None:
    upstream.answer = Answer(204)
    with gateway(upstream) as kong:
        answer = http1.request(kong.port, "/r")
    assert (answer.status, answer.get("content-length")) == (204, None)


def test_upstreams_hop_by_hop_headers_end_here(upstream: Upstream) -> None:
    hop = [
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "5"),
        ("x-end", "1"),
        ("server", "up"),
        ("via", "v"),
    ]
    upstream.answer = Answer(headers=hop)
    with gateway(upstream) as kong:
        answer = http1.request(kong.port, "/r")
    assert [answer.get(name) for name in ("x-hop", "keep-alive", "x-end", "server")] == [None, None, "1", "up"]
    assert answer.get("via") == "v, 1.1 kong/3.9.1"
    assert answer.get("x-kong-proxy-latency") is not None
    assert answer.get("x-kong-upstream-latency") is not None


def test_a_request_line_over_8_kb_is_a_414(upstream: Upstream) -> None:
    with gateway(upstream) as kong:
        assert http1.request(kong.port, "/r/" + "x" * 9000).status == 414
    assert not upstream.requests


@pytest.mark.parametrize(
    "raw",
    [
        b"NONSENSE\r\n\r\n",
        b"GET /r HTTP/1.1\r\nbad name: 1\r\n\r\n",
        b"GET /r HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 9000 + b"\r\n\r\n",
        b"GET /r HTTP/1.1\r\nhost: a\r\n" + b"x: yyyyyy\r\n" * 4000 + b"\r\n",
        b"GET /r HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    ],
)
def test_what_is_no_request_is_a_400(upstream: Upstream, raw: bytes) -> None:
    with gateway(upstream) as kong:
        assert http1.send(kong.port, raw).status == 400
    assert not upstream.requests


def test_an_upstream_that_is_late_is_a_504(upstream: Upstream) -> None:
    upstream.gate.clear()
    with gateway(upstream, read_timeout=50) as kong:
        answer = http1.request(kong.port, "/r")
        upstream.gate.set()
    assert answer.status == 504
    assert answer.body.startswith(b"The upstream server is timing out")


def test_an_upstream_that_breaks_off_breaks_the_answer_off(upstream: Upstream) -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        with gateway(upstream, port=listener.getsockname()[1]) as kong:
            answer = http1.request(kong.port, "/r")
    assert (answer.status, answer.get("content-length"), answer.body) == (200, "9", b"abc")


def test_an_upstream_that_resets_whoever_connects_is_a_502_every_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reset() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()

        thread = threading.Thread(target=reset)
        thread.start()
        service = {"name": "s", "url": f"http://127.0.0.1:{server.getsockname()[1]}", "retries": 0}
        with running({"services": [{**service, "routes": [{"name": "r", "paths": ["/r"]}]}]}) as kong:
            # The reset arrives before the request is written, or after it.
            assert {http1.request(kong.port, "/r").status for _ in range(100)} == {502}
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_two_lengths_of_upstream_are_a_502(upstream: Upstream) -> None:
    upstream.answer = Answer(headers=[("content-length", "9")], chunks=[b"abc"])
    with gateway(upstream) as kong:
        assert http1.request(kong.port, "/r").status == 502


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "application/json"),
        ("text/plain", "text/plain"),
        ("application/json;q=0.5, text/html;q=0.9", "text/html"),
        ("image/png, application/xml;q=0.1", "application/xml"),
        ("image/png", "application/json"),
        ("nonsense;;;q=x, text/plain;q=1..2,", "text/plain"),
    ],
)
def test_an_error_is_of_the_kind_that_downstream_likes(upstream: Upstream, accept: str, kind: str) -> None:
    with gateway(upstream) as kong:
        answer = http1.request(kong.port, "/nope", ("accept", accept))
    assert answer.get("content-type") == f"{kind}; charset=utf-8"
    assert b"no Route matched with those values" in answer.body


@pytest.mark.parametrize(
    ("conf", "kind"), [("", "text/plain"), ("error_default_type = application/json", "application/json")]
)
def test_nginxs_own_errors_are_plain_text_where_nothing_is_asked_for(
    upstream: Upstream, conf: str, kind: str
) -> None:
    route = {"name": "r", "paths": ["/r"]}
    dead = {"name": "s", "host": "127.0.0.1", "port": 9, "retries": 0, "routes": [route]}
    with running({"services": [dead]}, settings=settings.read(conf, {})) as kong:
        answer = http1.request(kong.port, "/r")
    assert (answer.status, answer.get("content-type")) == (502, f"{kind}; charset=utf-8")


def test_downstream_that_leaves_ends_the_wait_for_upstream(upstream: Upstream) -> None:
    upstream.gate.clear()
    with gateway(upstream) as kong:
        with http1.connect(kong.port) as connection:
            connection.sendall(b"GET /r HTTP/1.1\r\nhost: a\r\n\r\n")
            until(lambda: upstream.requests)
        kong.settle()
        upstream.gate.set()


def test_a_thousand_connections_that_are_left_do_no_harm(upstream: Upstream) -> None:
    with gateway(upstream) as kong:
        opened = [http1.connect(kong.port) for _ in range(200)]
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(http1.request(kong.port, "/r").status))
        asking.start()
        asking.join(10)
        for connection in opened:
            connection.close()
        kong.settle()
    assert answers == [200]
