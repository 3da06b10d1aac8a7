"""Why our bootstrap sets what it always sets."""

import pytest

from harness import ask
from harness.bootstrap import EXTENSIONS, Config, address, bootstrap, ext_proc, listener, mode, route, typed
from harness.gateway import Start
from harness.http1 import request, send
from harness.process import Envoy, until
from harness.scripted import Processor
from harness.upstream import Upstream

SAFE_PATHS = {
    "normalize_path": True,
    "merge_slashes": True,
    "path_with_escaped_slashes_action": "REJECT_REQUEST",
}
UNDERSCORES = {"common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"}}
EARLY = f"{EXTENSIONS}.http.early_header_mutation.header_mutation.v3.HeaderMutation"
STRIPPED = {
    "early_header_mutation_extensions": [
        {
            "name": "envoy.http.early_header_mutation.header_mutation",
            "typed_config": typed(EARLY, mutations=[{"remove": "x-consumer-id"}]),
        }
    ]
}
HEADERS = mode(request_header_mode="SEND")
DISGUISED = ["/open/../admin", "//admin", "/open/%2e%2e/admin", "/%61dmin", "/open/..%2fadmin"]


def guarded(start: Start, manager: Config) -> int:
    """Upstream behind `/`, and in front of `/admin` a route that always answers 401."""
    admin: Config = {"match": {"prefix": "/admin"}, "direct_response": {"status": 401}}
    return start(routes=[admin, route("/")], manager=manager)


@pytest.mark.parametrize("path", DISGUISED)
def test_with_envoys_defaults_a_disguised_path_passes_a_protected_route(
    start: Start, upstream: Upstream, path: str
) -> None:
    assert request(guarded(start, {}), path).status == 200
    assert upstream.request.path == path


@pytest.mark.parametrize("path", DISGUISED)
def test_with_ours_a_disguised_path_meets_the_route_or_is_refused(
    start: Start, upstream: Upstream, path: str
) -> None:
    expected = 400 if "%2f" in path else 401
    assert request(guarded(start, SAFE_PATHS), path).status == expected
    assert upstream.requests == []


def test_an_early_header_mutation_acts_on_routes_without_plugins(start: Start, upstream: Upstream) -> None:
    port = start(manager=STRIPPED)
    request(port, "/", ("X-Consumer-Id", "1"), ("x-consumer-id", "2"), ("x-other", "3"))
    assert upstream.request.all("x-consumer-id") == []
    assert upstream.request.get("x-other") == "3"


def test_an_early_header_mutation_acts_before_any_filter(start: Start, processor: Processor) -> None:
    port = start(ext_proc(processing_mode=HEADERS), manager=STRIPPED)
    request(port, "/", ("x-consumer-id", "1"))
    seen = {header.key for header in ask.received(processor.stream.first.request_headers.headers)}
    assert "x-consumer-id" not in seen


def test_a_header_name_with_an_underscore_is_refused_before_any_filter(
    start: Start, processor: Processor, upstream: Upstream
) -> None:
    port = start(ext_proc(processing_mode=HEADERS), manager=UNDERSCORES | STRIPPED)
    assert request(port, "/", ("X_Consumer_Id", "1")).status == 400
    assert (processor.streams, upstream.requests) == ([], [])


def test_by_default_a_header_name_with_an_underscore_goes_upstream(start: Start, upstream: Upstream) -> None:
    request(start(manager=STRIPPED), "/", ("X_Consumer_Id", "1"))
    assert upstream.request.get("x_consumer_id") == "1"


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_in_use_is_an_error_only_without_reuse_port(start: Start, *, shared: bool) -> None:
    def config(port: int) -> Config:
        direct: Config = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
        main = listener([], [direct], address=address(port), enable_reuse_port=shared)
        return bootstrap([main], [])

    port = start.envoy(config(0)).port()
    with Envoy(start.binary, config(port)) as second:
        if shared:
            assert second.ready().port() == port
        else:
            assert until(lambda: second.process.poll() is not None)
            assert "Address already in use" in second.log


@pytest.mark.parametrize(
    ("sent", "seen"),
    [(["mine"], "mine"), ([], None), ([""], None), (["a", "b"], "a,b")],
    ids=["one", "none", "empty", "two"],
)
def test_a_preserved_request_id_is_kept_and_one_is_made_where_it_is_absent_or_empty(
    start: Start, upstream: Upstream, sent: list[str], seen: str | None
) -> None:
    port = start(manager={"preserve_external_request_id": True, "use_remote_address": True})
    request(port, "/", *[("x-request-id", each) for each in sent])
    value = upstream.request.get("x-request-id")
    assert value == seen if seen else len(value or "") == 36


def test_by_default_with_the_remote_address_an_external_request_id_is_replaced(
    start: Start, upstream: Upstream
) -> None:
    port = start(manager={"use_remote_address": True})
    request(port, "/", ("x-request-id", "mine"))
    assert upstream.request.get("x-request-id") != "mine"


ODD = {
    "one header of 64 KiB": (b"host: a\r\nx-big: " + b"x" * 65536 + b"\r\n", 431),
    "64 KiB in many headers": (b"host: a\r\n" + b"".join(b"x-%d: %s\r\n" % (i, b"x" * 1000) for i in range(66)), 431),
    "101 headers": (b"host: a\r\n" + b"".join(b"x-%d: 1\r\n" % i for i in range(101)), 431),
    "no host": (b"", 400),
    "NUL in a value": (b"host: a\r\nx-a: a\0b\r\n", 400),
    "control byte in a value": (b"host: a\r\nx-a: a\x01b\r\n", 400),
}


@pytest.mark.parametrize("name", ODD)
def test_envoy_refuses_by_itself(start: Start, processor: Processor, name: str) -> None:
    headers, status = ODD[name]
    port = start(ext_proc(processing_mode=HEADERS))
    assert send(port, b"GET / HTTP/1.1\r\n" + headers + b"\r\n").status == status
    assert processor.streams == []


def test_envoy_refuses_a_path_that_is_not_ascii(start: Start, processor: Processor) -> None:
    port = start(ext_proc(processing_mode=HEADERS))
    assert send(port, b"GET /\xff HTTP/1.1\r\nhost: a\r\n\r\n").status == 400
    assert processor.streams == []


@pytest.mark.parametrize(("hosts", "seen"), [(b"host:\r\n", b""), (b"host: a\r\nhost: b\r\n", b"a,b")])
def test_an_empty_host_and_two_hosts_reach_the_server(
    start: Start, processor: Processor, hosts: bytes, seen: bytes
) -> None:
    port = start(ext_proc(processing_mode=HEADERS))
    assert send(port, b"GET / HTTP/1.1\r\n" + hosts + b"\r\n").status == 200
    headers = {h.key: h.raw_value for h in ask.received(processor.stream.first.request_headers.headers)}
    assert headers[":authority"] == seen
