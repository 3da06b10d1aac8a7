"""Plugins that read and rewrite whole bodies, and what is on the wire then."""

import pytest

from harness import http1
from harness.outrider import Outrider
from harness.upstream import Answer, Upstream
from outrider_envoy.limits import BODY_LIMIT

pytestmark = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])

KEY = ("x-api-key", "alice-key")
REWRITES = [
    ("", b"hello"),
    ("longer", b"hello and more"),
    ("shorter", b"hel"),
    ("same length", b"HELLO"),
    ("empty", b""),
    ("huge", b"x" * 2_000_000),
]


def chunked(gateway: Outrider, path: str, *headers: tuple[str, str], chunks: tuple[bytes, ...]) -> http1.Message:
    """Posts a body in chunks."""
    head = [f"POST {path} HTTP/1.1", "host: a", "transfer-encoding: chunked", *(f"{k}: {v}" for k, v in headers)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return http1.send(gateway.port, "\r\n".join([*head, "", ""]).encode() + body + b"0\r\n\r\n")


def assert_framed(message: http1.Message, body: bytes) -> None:
    """The body, and a length that fits it or none."""
    assert message.body == body
    assert message.get("content-length") in (str(len(body)), None)
    if message.get("content-length") is None and body:
        assert message.get("transfer-encoding") == "chunked"


@pytest.mark.parametrize(("how", "expected"), REWRITES)
def test_upstream_gets_the_body_that_the_plugin_made_of_it(
    gateway: Outrider, upstream: Upstream, how: str, expected: bytes
) -> None:
    assert gateway.request("/bodies", ("x-body", how), method="POST", body=b"hello").status == 200
    assert_framed(upstream.request, expected)
    assert upstream.request.get("x-read") == "5"


@pytest.mark.parametrize(("how", "expected"), REWRITES)
def test_a_body_in_chunks_is_read_and_rewritten_as_a_whole(
    gateway: Outrider, upstream: Upstream, how: str, expected: bytes
) -> None:
    assert chunked(gateway, "/bodies", ("x-body", how), chunks=(b"he", b"llo")).status == 200
    assert_framed(upstream.request, expected)
    assert upstream.request.get("x-read") == "5"


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "HEAD"])
def test_a_plugin_that_wants_the_body_of_a_request_without_one_gets_an_empty_one(
    gateway: Outrider, upstream: Upstream, method: str
) -> None:
    assert gateway.request("/bodies", method=method).status == 200
    assert upstream.request.get("x-read") == "0"
    assert upstream.request.body == b""


def test_an_empty_post_and_an_empty_chunked_one_are_read_as_empty(gateway: Outrider, upstream: Upstream) -> None:
    assert gateway.request("/bodies", method="POST", body=b"").status == 200
    assert chunked(gateway, "/bodies", chunks=()).status == 200
    assert [request.get("x-read") for request in upstream.requests] == ["0", "0"]


def test_a_plugin_can_give_a_body_to_a_request_without_one(gateway: Outrider, upstream: Upstream) -> None:
    assert gateway.request("/bodies", ("x-body", "longer")).status == 200
    assert_framed(upstream.request, b" and more")


@pytest.mark.parametrize(("how", "expected"), REWRITES)
@pytest.mark.parametrize("chunks", [(b"hello",), (b"he", b"llo")])
def test_downstream_gets_the_body_that_the_plugin_made_of_it(
    gateway: Outrider, upstream: Upstream, how: str, expected: bytes, chunks: tuple[bytes, ...]
) -> None:
    upstream.answer = Answer(headers=[("x-up", "there")], chunks=chunks)
    response = gateway.request("/bodies", ("x-response-body", how))
    assert (response.status, response.get("x-read"), response.get("x-up")) == (200, "5", "there")
    assert_framed(response, expected)


@pytest.mark.parametrize("status", [204, 304])
def test_a_response_that_has_no_body_is_read_as_empty(gateway: Outrider, upstream: Upstream, status: int) -> None:
    upstream.answer = Answer(status)
    response = gateway.request("/bodies")
    assert (response.status, response.get("x-read"), response.body) == (status, "0", b"")


def test_a_head_request_has_no_body_and_leaves_its_connection_usable(gateway: Outrider) -> None:
    with http1.connect(gateway.port) as connection, connection.makefile("rb") as stream:
        for _ in range(2):
            connection.sendall(b"HEAD /bodies HTTP/1.1\r\nhost: outrider.test\r\n\r\n")
            response = http1.read(stream, bodiless=True)
            assert response
            assert response.status == 200


@pytest.mark.parametrize(("how", "status"), [("reply", 418), ("raise", 500)])
def test_a_body_hook_that_answers_or_fails_keeps_the_request_from_upstream(
    gateway: Outrider, upstream: Upstream, how: str, status: int
) -> None:
    assert gateway.request("/bodies", ("x-body", how), method="POST", body=b"hello").status == status
    assert not upstream.requests


@pytest.mark.parametrize(("how", "status"), [("reply", 418), ("raise", 500)])
def test_a_response_body_hook_that_answers_or_fails_hides_upstreams_answer(
    gateway: Outrider, how: str, status: int
) -> None:
    response = gateway.request("/bodies", ("x-response-body", how))
    assert response.status == status
    assert b"headers" not in response.body


def test_a_body_at_the_limit_is_read_and_one_byte_more_is_413(gateway: Outrider, upstream: Upstream) -> None:
    body = b"x" * BODY_LIMIT
    assert gateway.request("/guarded", KEY, method="POST", body=body).status == 200
    assert upstream.request.get("x-read") == str(BODY_LIMIT)
    upstream.reset()
    assert gateway.request("/guarded", KEY, method="POST", body=body + b"x").status == 413
    assert not upstream.requests
    assert gateway.request("/guarded", KEY, method="POST", body=b"small").status == 200


def test_a_body_of_unknown_length_over_the_limit_is_413(gateway: Outrider, upstream: Upstream) -> None:
    chunks = (b"x" * (BODY_LIMIT // 2),) * 2 + (b"x",)
    assert chunked(gateway, "/guarded", KEY, chunks=chunks).status == 413
    assert not upstream.requests


def test_a_response_over_the_limit_is_refused(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(chunks=[b"x" * (BODY_LIMIT + 1)])
    assert gateway.request("/bodies").status == 500


def test_a_request_without_a_credential_is_refused_before_its_body_is_read(
    gateway: Outrider, upstream: Upstream
) -> None:
    with http1.connect(gateway.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"POST /guarded HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n")
        response = http1.read(stream)
    assert response
    assert response.status == 401
    assert not upstream.requests
