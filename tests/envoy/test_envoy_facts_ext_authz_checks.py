"""What Envoy asks an ext_authz server, and what happens without an answer."""

import pytest

from harness import ask
from harness.bootstrap import Config, cluster, ext_authz, ext_authz_per_route, grpc, route
from harness.gateway import Start
from harness.http1 import request
from harness.scripted import Authorizer
from harness.upstream import Upstream

NOWHERE = cluster("authorizer", "/nowhere", http2=True)


@pytest.fixture
def port(start: Start) -> int:
    return start(ext_authz())


def test_headers_are_a_merged_map_without_the_bytes_that_are_not_utf8(port: int, authorizer: Authorizer) -> None:
    request(port, "/", ("x-both", "1"), ("x-both", "2"), ("x-raw", "\xff\xfe"))
    headers = authorizer.check.request.http.headers
    assert headers["x-both"] == "1,2"
    assert headers["x-raw"] == "!!"


def test_raw_headers_are_a_list_with_every_duplicate_and_byte(start: Start, authorizer: Authorizer) -> None:
    port = start(ext_authz(encode_raw_headers=True))
    request(port, "/", ("x-both", "1"), ("x-both", "2"), ("x-raw", "\xff\xfe"))
    http = authorizer.check.request.http
    assert not http.headers
    seen = [(header.key, header.raw_value) for header in ask.received(http.header_map)]
    assert [pair for pair in seen if pair[0].startswith("x-both")] == [("x-both", b"1"), ("x-both", b"2")]
    assert ("x-raw", b"\xff\xfe") in seen
    assert (":path", b"/") in seen


def test_the_path_holds_the_query(port: int, authorizer: Authorizer) -> None:
    request(port, "/a?b=%2f")
    http = authorizer.check.request.http
    assert (http.path, http.query, http.method) == ("/a?b=%2f", "", "GET")
    assert (http.host, http.scheme, http.protocol) == ("outrider.test", "http", "HTTP/1.1")


def test_the_id_is_not_the_request_id(port: int, authorizer: Authorizer) -> None:
    request(port, "/", ("x-request-id", "mine"))
    http = authorizer.check.request.http
    assert http.id
    assert http.id != http.headers["x-request-id"]


def test_the_source_is_an_address_with_its_port_apart(port: int, authorizer: Authorizer) -> None:
    request(port)
    source = authorizer.check.source.address.socket_address
    assert source.address == "127.0.0.1"
    assert source.port_value > 0


@pytest.mark.parametrize("raw", [False, True])
def test_a_body_over_the_limit_is_cut_and_marked(start: Start, authorizer: Authorizer, *, raw: bool) -> None:
    limits = {"max_request_bytes": 5, "allow_partial_message": True, "pack_as_bytes": raw}
    port = start(ext_authz(with_request_body=limits))
    request(port, method="POST", body=b"1234567")
    http = authorizer.check.request.http
    assert (http.body, http.raw_body) == (("", b"12345") if raw else ("12345", b""))
    assert http.headers["x-envoy-auth-partial-body"] == "true"
    assert http.size == 7


def test_a_body_over_the_limit_is_413_unless_it_may_be_cut(start: Start, authorizer: Authorizer) -> None:
    port = start(ext_authz(with_request_body={"max_request_bytes": 5}))
    assert request(port, method="POST", body=b"1234567").status == 413
    assert authorizer.checks == []


def test_context_extensions_come_from_the_route_and_cannot_be_forged(start: Start, authorizer: Authorizer) -> None:
    settings = {"context_extensions": {"outrider-route": "one"}}
    port = start(ext_authz(), routes=[route("/", **ext_authz_per_route(check_settings=settings))])
    request(port, "/", ("outrider-route", "forged"))
    assert dict(authorizer.check.context_extensions) == settings["context_extensions"]


def test_a_route_may_switch_ext_authz_off(start: Start, authorizer: Authorizer) -> None:
    port = start(ext_authz(), routes=[route("/", **ext_authz_per_route(disabled=True))])
    assert request(port).status == 200
    assert authorizer.checks == []


def test_metadata_of_the_route_comes_when_its_namespace_is_named(start: Start, authorizer: Authorizer) -> None:
    marked = route("/", metadata={"filter_metadata": {"outrider": {"route": "one"}}})
    request(start(ext_authz(route_metadata_context_namespaces=["outrider"]), routes=[marked]))
    assert authorizer.check.route_metadata_context.filter_metadata["outrider"]["route"] == "one"


@pytest.mark.parametrize(
    ("extra", "status"),
    [({}, 403), ({"status_on_error": {"code": 503}}, 503), ({"failure_mode_allow": True}, 200)],
    ids=["default", "status_on_error", "failure_mode_allow"],
)
def test_an_unreachable_server_is_403_unless_told_otherwise(
    start: Start, upstream: Upstream, extra: Config, status: int
) -> None:
    port = start(ext_authz(**extra), clusters=[NOWHERE])
    assert request(port).status == status
    assert len(upstream.requests) == (1 if status == 200 else 0)


def test_without_a_timeout_of_ours_a_silent_server_is_given_up_by_default(
    start: Start, authorizer: Authorizer, upstream: Upstream
) -> None:
    port = start(ext_authz(grpc_service=grpc("authorizer")))
    authorizer.gate.clear()
    assert request(port).status == 403
    assert upstream.requests == []
    authorizer.gate.set()
