"""Whole bodies behind ext_authz: what a plugin reads of them, and what no plugin reads is not held."""

import hashlib
from collections.abc import Iterator

import pytest

from harness import http1
from harness.outrider import Outrider, plugin, service
from harness.sample import CONSUMERS, PLUGINS
from harness.upstream import Upstream
from outrider_envoy.limits import BODY_LIMIT

Posted = tuple[str, str]


def signed(body: bytes) -> Posted:
    return ("x-digest", hashlib.sha256(body).hexdigest())


@pytest.fixture(scope="module")
def shared_checks(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outrider]:
    """A route whose plugin reads the body, and one whose plugin does not."""
    port = shared_upstream.port
    services = [service("signed", port, plugin("signed")), service("orders", port, plugin("key-auth"))]
    gateway = {"protocol": "ext_authz", "plugin_dirs": [PLUGINS], "workers": 1}
    config = {"services": services, "consumers": CONSUMERS, "gateway": gateway}
    with Outrider(tmp_path_factory.mktemp("checks"), config) as outrider:
        yield outrider


@pytest.fixture
def checks(shared_checks: Outrider, upstream: Upstream) -> Outrider:
    del upstream
    return shared_checks.ready()


def chunked(gateway: Outrider, path: str, *headers: Posted, body: bytes) -> http1.Message:
    head = [f"POST {path} HTTP/1.1", "host: a", "transfer-encoding: chunked", *(f"{k}: {v}" for k, v in headers)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:3], body[3:]) if part)
    return http1.send(gateway.port, "\r\n".join([*head, "", ""]).encode() + framed + b"0\r\n\r\n")


@pytest.mark.parametrize("body", [b"hello", b"", b"\x00\xff\xfe!", "é€".encode(), b"x" * 3_000_000])
def test_a_body_is_read_byte_by_byte_and_reaches_upstream(checks: Outrider, upstream: Upstream, body: bytes) -> None:
    assert checks.request("/signed", signed(body), method="POST", body=body).status == 200
    assert upstream.request.body == body
    assert upstream.request.get("content-length") == str(len(body))


@pytest.mark.parametrize("body", [b"hello", b"\xff", b""])
def test_a_body_in_chunks_is_read_as_a_whole(checks: Outrider, upstream: Upstream, body: bytes) -> None:
    assert chunked(checks, "/signed", signed(body), body=body).status == 200
    assert upstream.request.body == body


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_request_without_a_body_has_an_empty_one(checks: Outrider, upstream: Upstream, method: str) -> None:
    assert checks.request("/signed", signed(b""), method=method).status == 200
    assert checks.request("/signed", signed(b"other"), method=method).status == 403
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("sent", [b"hellO", b"hell", b"", b"hello!", b"hell\xff", b"x" * 3_000_000])
def test_another_body_than_the_signed_one_is_refused(checks: Outrider, upstream: Upstream, sent: bytes) -> None:
    assert checks.request("/signed", signed(b"hello"), method="POST", body=sent).status == 403
    assert chunked(checks, "/signed", signed(b"hello"), body=sent).status == 403
    assert not upstream.requests


def test_bytes_that_are_no_text_are_not_taken_for_those_that_stand_for_them(
    checks: Outrider, upstream: Upstream
) -> None:
    """Envoy writes `!` for them where it is not told to send bytes."""
    assert checks.request("/signed", signed(b"a!b"), method="POST", body=b"a\xffb").status == 403
    assert not upstream.requests


def test_a_body_at_the_limit_is_read_and_one_byte_more_is_413(checks: Outrider, upstream: Upstream) -> None:
    body = b"x" * BODY_LIMIT
    assert checks.request("/signed", signed(body), method="POST", body=body).status == 200
    upstream.reset()
    longer = body + b"x"
    assert checks.request("/signed", signed(longer), method="POST", body=longer).status == 413
    assert chunked(checks, "/signed", signed(longer), body=longer).status == 413
    assert not upstream.requests


def test_where_no_plugin_reads_it_a_body_over_the_limit_passes(checks: Outrider, upstream: Upstream) -> None:
    body = b"x" * (2 * BODY_LIMIT)
    key = ("x-api-key", "alice-key")
    assert checks.request("/orders", key, method="POST", body=body).status == 200
    assert len(upstream.request.body) == len(body)
    upstream.reset()
    assert chunked(checks, "/orders", key, body=body).status == 200
    assert len(upstream.request.body) == len(body)


def test_where_no_plugin_reads_it_a_request_is_refused_before_its_body(checks: Outrider, upstream: Upstream) -> None:
    with http1.connect(checks.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n")
        response = http1.read(stream)
    assert response
    assert response.status == 401
    assert not upstream.requests


def test_a_plugin_that_replaces_the_body_is_refused(checks: Outrider, upstream: Upstream) -> None:
    refused = checks.request("/signed", signed(b"hello"), ("x-replace", "1"), method="POST", body=b"hello")
    assert refused.status == 500
    assert not upstream.requests


@pytest.mark.parametrize("word", ["true", "false"])
def test_what_a_client_says_of_a_partial_body_is_not_believed(
    checks: Outrider, upstream: Upstream, word: str
) -> None:
    forged = ("x-envoy-auth-partial-body", word)
    assert checks.request("/signed", forged, signed(b"hello"), method="POST", body=b"hello").status == 200
    assert checks.request("/signed", forged, signed(b""), method="POST", body=b"hello").status == 403
    assert len(upstream.requests) == 1
