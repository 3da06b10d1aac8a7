"""Bodies in ext_authz's checks: what comes, what is refused before a check, and when."""

import pytest

from harness.bootstrap import ext_authz, ext_authz_per_route, route
from harness.gateway import Start
from harness.http1 import Message, request, send
from harness.peer import client
from harness.scripted import Authorizer
from harness.upstream import Upstream

LIMITS = {"max_request_bytes": 5, "allow_partial_message": False, "pack_as_bytes": True}
PARTIAL = "x-envoy-auth-partial-body"
CHUNKED = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def port(start: Start) -> int:
    return start(ext_authz(with_request_body=LIMITS))


def post(port: int, body: bytes, *, chunked: bool = False, path: str = "/") -> Message:
    if not chunked:
        return request(port, path, method="POST", body=body)
    return send(port, CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("body", [b"\xff\x00\xfe1", b"hello"])
def test_a_body_up_to_the_limit_is_in_raw_body_with_its_size(
    port: int, authorizer: Authorizer, upstream: Upstream, body: bytes, *, chunked: bool
) -> None:
    assert post(port, body, chunked=chunked).status == 200
    http = authorizer.check.request.http
    assert (http.raw_body, http.body, http.size) == (body, "", len(body))
    assert http.headers[PARTIAL] == "false"
    assert (upstream.request.body, upstream.request.get(PARTIAL)) == (body, None)


@pytest.mark.parametrize("lenient", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_413_without_a_check_even_with_failure_mode_allow(
    start: Start, authorizer: Authorizer, upstream: Upstream, *, chunked: bool, lenient: bool
) -> None:
    port = start(ext_authz(with_request_body=LIMITS, failure_mode_allow=lenient))
    assert post(port, b"hello!", chunked=chunked).status == 413
    assert (authorizer.checks, upstream.requests) == ([], [])


def test_a_limit_above_the_connections_buffer_holds(start: Start, authorizer: Authorizer) -> None:
    port = start(ext_authz(with_request_body=LIMITS | {"max_request_bytes": 3_000_000}))
    assert post(port, bytes(2_000_000)).status == 200
    assert len(authorizer.check.request.http.raw_body) == 2_000_000
    assert post(port, bytes(3_000_001)).status == 413


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", CHUNKED + b"0\r\n\r\n"], ids=["none", "empty"])
def test_without_a_body_there_is_none(port: int, authorizer: Authorizer, raw: bytes) -> None:
    assert send(port, raw).status == 200
    http = authorizer.check.request.http
    assert (http.raw_body, http.size, http.headers.get(PARTIAL)) == (b"", 0, None if b"GET" in raw else "false")


@pytest.mark.parametrize(("method", "body", "told"), [("POST", b"hello", "false"), ("GET", None, None)])
def test_a_forged_mark_of_a_partial_body_is_not_believed_but_goes_upstream(
    port: int, authorizer: Authorizer, upstream: Upstream, method: str, body: bytes | None, told: str | None
) -> None:
    request(port, "/", (PARTIAL, "true"), method=method, body=body)
    assert authorizer.check.request.http.headers.get(PARTIAL) == told
    assert upstream.request.get(PARTIAL) == "true"


def test_the_check_waits_for_the_whole_body(port: int, authorizer: Authorizer) -> None:
    with client(port).send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhe") as downstream:
        # Anything that a first part of the body sets off is done before another connection's answer.
        assert post(port, b"other").status == 200
        assert [check.request.http.raw_body for check in authorizer.checks] == [b"other"]
        downstream.send(b"llo").until(b"\r\n\r\n")
    assert authorizer.checks[1].request.http.raw_body == b"hello"


def settings(prefix: str, **fields: object) -> dict[str, object]:
    return route(prefix, **ext_authz_per_route(check_settings=fields))


def test_a_route_may_switch_the_buffering_off(start: Start, authorizer: Authorizer, upstream: Upstream) -> None:
    routes = [settings("/", disable_request_body_buffering=True)]
    port = start(ext_authz(with_request_body=LIMITS), routes=routes)
    assert post(port, b"longer body").status == 200
    http = authorizer.check.request.http
    assert (http.raw_body, http.body, http.size) == (b"", "", 0)
    assert upstream.request.body == b"longer body"


def test_a_route_may_have_its_own_limit(start: Start, authorizer: Authorizer) -> None:
    routes = [settings("/own", with_request_body=LIMITS | {"max_request_bytes": 7}), route("/")]
    port = start(ext_authz(with_request_body=LIMITS), routes=routes)
    assert post(port, b"1234567", path="/own").status == 200
    assert authorizer.check.request.http.raw_body == b"1234567"
    assert post(port, b"12345678", path="/own").status == 413
    assert post(port, b"1234567").status == 413


def test_a_limit_on_the_route_alone_buffers_but_sends_no_bytes(start: Start, authorizer: Authorizer) -> None:
    port = start(ext_authz(), routes=[settings("/", with_request_body=LIMITS)])
    assert post(port, b"hello!").status == 413
    assert post(port, b"hello").status == 200
    http = authorizer.check.request.http
    assert (http.raw_body, http.body) == (b"", "hello")
