"""Requests as no decent client sends them, each at a protected route: refused, and the gateway lives on."""

import json
import socket

import pytest

from harness import http1
from harness.outrider import Outrider
from harness.process import until
from harness.sample import Protocol
from harness.tokens import Issuer, unsigned, with_payload
from harness.upstream import Upstream

KEY = "x-api-key: alice-key"


def raw(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def assert_lives_on(gateway: Outrider, upstream: Upstream) -> None:
    """Nothing reached upstream, and the next decent request is served."""
    assert not upstream.requests
    assert gateway.request("/orders", ("x-api-key", "alice-key")).status == 200


def exchange(gateway: Outrider, request: bytes, status: int, *, kept: bool = True) -> http1.Message:
    """Sends a request, and a decent one on the same connection behind it where that should be possible."""
    with http1.connect(gateway.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(request)
        response = http1.read(stream, bodiless=request.startswith(b"HEAD "))
        assert response
        assert response.status == status
        if kept:
            connection.sendall(raw("GET /orders HTTP/1.1", "host: a"))
            following = http1.read(stream)
            assert following
            assert following.status == 401
    return response


@pytest.mark.parametrize(
    ("lines", "envoy", "kong"),
    [
        (["GET /orders HTTP/1.1", KEY], 400, 400),
        (["G@T /orders HTTP/1.1", "host: a", KEY], 400, 400),
        (["GET /orders HTTP/1.1", "host: a", KEY, "no colon"], 400, 400),
        (["GET /orders HTTP/1.1", "host: a", KEY, "x-a: nul\0byte"], 400, 400),
        (["GET /orders HTTP/1.1", "host: a", KEY, f"x-a: {'a' * 65536}"], 431, 400),
        (["GET /orders HTTP/1.1", "host: a", KEY, *(f"x-{n}: {'a' * 900}" for n in range(73))], 431, 400),
        (["GET /orders HTTP/1.1", "host: a", KEY, *(f"x-{n}: a" for n in range(1001))], 431, 431),
        (["POST /orders HTTP/1.1", "host: a", KEY, "content-length: 1", "content-length: 2"], 400, 400),
        (["POST /orders HTTP/1.1", "host: a", KEY, "content-length: -1"], 400, 400),
        (["POST /orders HTTP/1.1", "host: a", KEY, "content-length: 5", "transfer-encoding: chunked"], 400, 400),
        (["POST /orders HTTP/1.1", "host: a", KEY, "transfer-encoding: chunked, identity"], 501, 501),
        (["CONNECT /orders HTTP/1.1", "host: a", KEY], 400, 405),
    ],
)
def test_what_is_no_http_never_reaches_upstream(
    gateway: Outrider, upstream: Upstream, protocol: Protocol, lines: list[str], envoy: int, kong: int
) -> None:
    exchange(gateway, raw(*lines), kong if protocol == "kong" else envoy, kept=False)
    assert_lives_on(gateway, upstream)


@pytest.mark.parametrize(
    ("lines", "envoy"),
    [
        (["GET /orders HTTP/1.0", "host: a"], 426),
        (["GET /orders HTTP/1.1", "host: \xe9"], 400),
        (["GET /orders HTTP/1.1", "host: a", "x-a: control\x01byte"], 400),
        (["GET /orders HTTP/1.1", "host: a", *(f"x-{n}: a" for n in range(150))], 431),
    ],
)
def test_what_envoy_refuses_and_kong_does_not_needs_its_credential(
    gateway: Outrider, upstream: Upstream, protocol: Protocol, lines: list[str], envoy: int
) -> None:
    exchange(gateway, raw(*lines), 401 if protocol == "kong" else envoy, kept=False)
    assert_lives_on(gateway, upstream)


@pytest.mark.parametrize(
    "lines",
    [
        ["GET /orders HTTP/1.1", "host: a", "x-a: \xff\xfe not utf-8"],
        ["GET /orders HTTP/1.1", "host: a", "x-api-key: "],
        ["GET /orders HTTP/1.1", "host: a", "x-api-key: \xff\xfe"],
        ["GET /orders HTTP/1.1", "host: a", f"x-api-key: {'a' * 8_000}"],
        ["GET /orders HTTP/1.1", "host: a", KEY, KEY],
        ["GET /orders HTTP/1.1", "host: a", KEY, "x-api-key: bob-key"],
        ["GET /orders HTTP/1.1", "host: a", KEY, "x-api-key: "],
        ["GET /orders HTTP/1.1", "host: a", "x-api-key: alice-key,bob-key"],
        ["GET /orders HTTP/1.1", "host: a", "x-api-key: alice-key "[:-2]],
        ["GET /orders HTTP/1.1", "host: a", "x-api-key: ALICE-KEY"],
        ["GET http://b/orders HTTP/1.1", "host: a"],
        ["PROPFIND /orders HTTP/1.1", "host: a"],
    ],
)
def test_what_proves_nothing_is_401_and_its_connection_lives_on(
    gateway: Outrider, upstream: Upstream, lines: list[str]
) -> None:
    response = exchange(gateway, raw(*lines), 401)
    assert json.loads(response.body)["message"] == "Unauthorized"
    assert_lives_on(gateway, upstream)


@pytest.mark.parametrize(
    ("lines", "kong"),
    [
        (["GET /orders HTTP/1.1", "host: a", f"x-api-key: {'a' * 30_000}"], 400),
        (["GET /orders HTTP/1.1", "host: a", "if-match: a", "if-match: a"], 400),
    ],
)
def test_what_kong_takes_for_no_http_proves_nothing_behind_envoy(
    gateway: Outrider, upstream: Upstream, protocol: Protocol, lines: list[str], kong: int
) -> None:
    exchange(gateway, raw(*lines), kong if protocol == "kong" else 401, kept=protocol != "kong")
    assert_lives_on(gateway, upstream)


@pytest.mark.parametrize("host", ["", "a..", "u@a", "a%2eb", "a:80:80", ".a", "a,b", "[::1"])
def test_a_host_that_is_none_is_400(gateway: Outrider, upstream: Upstream, protocol: Protocol, host: str) -> None:
    if protocol == "kong" and host:
        pytest.skip("what nginx says to each is its own business")
    exchange(gateway, raw("GET /orders HTTP/1.1", f"host: {host}"), 400, kept=protocol != "kong")
    assert_lives_on(gateway, upstream)


@pytest.mark.parametrize(
    "path",
    [
        "/x/%2e%2e;/orders",
        "/open/.%2e;a=b/orders",
        "/open/%2E;/orders",
        "/open/%FF",
        "/orders/%C3",
        "/%ed%a0%80",
        "/%c0%ae",
        "/a%zz",
    ],
)
def test_a_path_that_some_server_reads_as_another_is_400(
    gateway: Outrider, upstream: Upstream, protocol: Protocol, path: str
) -> None:
    if protocol == "kong":
        pytest.skip("Kong hands some on, and has no route for others")
    exchange(gateway, raw(f"GET {path} HTTP/1.1", "host: a"), 400)
    assert_lives_on(gateway, upstream)


def test_a_head_request_is_refused_without_a_body(gateway: Outrider, upstream: Upstream) -> None:
    response = exchange(gateway, raw("HEAD /orders HTTP/1.1", "host: a"), 401)
    assert response.get("www-authenticate") == "Key"
    assert_lives_on(gateway, upstream)


@pytest.mark.parametrize(
    ("target", "envoy", "kong"),
    [
        ("//orders", 401, 401),
        ("///orders", 401, 401),
        ("/open/../orders", 401, 401),
        ("/open/./../orders", 401, 401),
        ("/open/%2e%2e/orders", 401, 401),
        ("/open/.%2E/orders", 401, 401),
        ("/%6frders", 401, 401),
        ("/order%73", 401, 401),
        ("/./orders", 401, 401),
        ("/orders/", 401, 401),
        ("/orders/../orders", 401, 401),
        ("/orders?/../open", 401, 401),
        ("/orders/..;/x", 404, 400),
        ("/orders%00", 400, 400),
        ("/orders#open", 400, 401),
        ("/../../orders", 401, 400),
        ("/ORDERS", 404, 404),
        ("/%2forders", 400, 404),
        ("/%252e%252e/orders", 404, 404),
        ("orders", 400, 400),
        ("*", 400, 400),
    ],
)
def test_no_spelling_of_a_protected_path_gets_past_its_plugins(
    gateway: Outrider, upstream: Upstream, protocol: Protocol, target: str, envoy: int, kong: int
) -> None:
    status = kong if protocol == "kong" else envoy
    exchange(gateway, raw(f"GET {target} HTTP/1.1", "host: a"), status, kept=False)
    assert_lives_on(gateway, upstream)


# Kong answers HTTP/0.9, routes by bytes that are not ASCII and refuses a folded line; its stand-in knows none of it.
@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["GET /orders", ""], 426),
        (["GET /\xff/../orders HTTP/1.1", "host: a"], 400),
        (["GET /orders HTTP/1.1", "host: a", KEY, " folded: line"], 401),
        (["GET  /orders HTTP/1.1", "host: a"], 401),
    ],
)
def test_what_hardly_is_http_gets_past_nobody(
    gateway: Outrider, upstream: Upstream, lines: list[str], status: int
) -> None:
    exchange(gateway, raw(*lines), status, kept=False)
    assert_lives_on(gateway, upstream)


@pytest.mark.parametrize(
    "target", ["/open/..%2forders", "/open%2f..%2forders", "/open/..%5corders", "/open%5C..%5Corders"]
)
def test_a_path_with_an_encoded_slash_is_refused(gateway: Outrider, upstream: Upstream, target: str) -> None:
    exchange(gateway, raw(f"GET {target} HTTP/1.1", "host: a"), 400, kept=False)
    assert_lives_on(gateway, upstream)


def test_dots_with_a_parameter_lead_past_no_plugin(gateway: Outrider, upstream: Upstream, protocol: Protocol) -> None:
    """Kong sends them on as they are, so it refuses them where plugins run."""
    target = "/orders/..;/open"
    exchange(gateway, raw(f"GET {target} HTTP/1.1", "host: a"), 400 if protocol == "kong" else 200, kept=False)
    assert [request.path for request in upstream.requests] == ([] if protocol == "kong" else ["/open"])


@pytest.mark.parametrize(
    ("open_target", "seen"), [("/orders/../open", "/open"), ("//open", "/open"), ("/%6fpen", "/open")]
)
def test_an_open_path_reaches_upstream_in_its_normal_form(
    gateway: Outrider, upstream: Upstream, open_target: str, seen: str
) -> None:
    assert gateway.request(open_target).status == 200
    assert upstream.request.path == seen


def test_an_upgrade_needs_the_credential_as_anything_else_does(gateway: Outrider, upstream: Upstream) -> None:
    upgrade = [
        *("GET /orders HTTP/1.1", "host: a", "connection: upgrade", "upgrade: websocket"),
        *("sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    with http1.connect(gateway.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(raw(*upgrade))
        response = http1.read(stream)
    assert response
    assert response.status in {400, 401, 403}
    assert_lives_on(gateway, upstream)


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "connect-udp"])
def test_an_upgrade_opens_no_tunnel_past_the_plugins(gateway: Outrider, upstream: Upstream, upgrade: str) -> None:
    request = raw(
        "GET /open HTTP/1.1",
        "host: a",
        "connection: upgrade, http2-settings",
        f"upgrade: {upgrade}",
        "http2-settings: AAMAAABkAARAAAAAAAIAAAAA",
    )
    inner = raw("GET /orders HTTP/1.1", "host: a")
    with http1.connect(gateway.port) as connection, connection.makefile("rb") as stream:
        connection.sendall(request + inner)
        first, second = http1.read(stream), http1.read(stream)
    assert first
    assert first.status != 101
    assert second is None or second.status == 401
    assert all(request.path == "/open" for request in upstream.requests)


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer ..",
        "Bearer .........",
        "Bearer a.b",
        "Bearer a.b.c.d.e",
        "Bearer \xff\xfe\xfd.\x80.\x81",
        f"Bearer {'a' * 30_000}",
        f"Bearer {'.'.join(['a' * 15_000] * 3)}",
        "Bearer e30.e30.",
        "Bearer W10.W10.W10",
        "Bearer bnVsbA.bnVsbA.bnVsbA",
        "bearer undefined",
        "Basic YTpi",
        "Bearer " + unsigned(iss="https://rs256.example"),
    ],
)
@pytest.mark.parametrize("route", ["/tokens", "/fetched", "/scoped"])
def test_an_absurd_token_is_401(
    gateway: Outrider, upstream: Upstream, protocol: Protocol, route: str, authorization: str
) -> None:
    line = f"authorization: {authorization}"
    status = unproven(protocol, line)
    response = exchange(gateway, raw(f"GET {route} HTTP/1.1", "host: a", line), status, kept=status == 401)
    assert status == 400 or (response.get("www-authenticate") or "").startswith("Bearer")
    assert_lives_on(gateway, upstream)


def unproven(protocol: Protocol, line: str) -> int:
    """The status for a header that proves nothing: nginx takes no line over 8 KB, and closes the connection."""
    return 400 if protocol == "kong" and len(line) > 8192 else 401


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 20_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"iss": "https://rs256.example", "exp": 1e999}',
        b'{"iss": "https://rs256.example", "exp": NaN}',
        b'{"iss": ["https://rs256.example"]}',
        b"\xff\xfe",
        b"1" * 20_000,
    ],
)
def test_a_token_with_an_absurd_payload_is_401(
    gateway: Outrider, upstream: Upstream, protocol: Protocol, issuers: dict[str, Issuer], payload: bytes
) -> None:
    line = f"authorization: Bearer {with_payload(issuers['RS256'].token(), payload)}"
    status = unproven(protocol, line)
    exchange(gateway, raw("GET /tokens HTTP/1.1", "host: a", line), status, kept=status == 401)
    assert_lives_on(gateway, upstream)


@pytest.mark.parametrize(
    "part",
    [
        b"GET /ord",
        b"GET /orders HTTP/1.1\r\nhost: a\r\nx-api",
        b"POST /orders HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nhalf",
        b"POST /guarded HTTP/1.1\r\nhost: a\r\nx-api-key: alice-key\r\ncontent-length: 100\r\n\r\nhalf",
        b"GET /script HTTP/1.1\r\nhost: a\r\nx-script: wait 0.25; set x-a one\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff",
    ],
)
def test_a_client_that_leaves_half_way_leaves_nothing_behind(
    gateway: Outrider, upstream: Upstream, part: bytes
) -> None:
    with http1.connect(gateway.port) as connection:
        connection.sendall(part)
        # Closed with a reset instead of a polite goodbye.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gateway.idle()
    until(lambda: gateway.request("/orders").status == 401)
    assert all(request.path == "/script" for request in upstream.requests)


@pytest.mark.parametrize("request_id", ["plain", 'a"b', "a\\", "\xff\xfe", "x" * 5000, ""])
@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/orders", 401), ("/script", 500)])
def test_every_refusal_is_json_whatever_the_request_id_is(
    gateway: Outrider, path: str, status: int, request_id: str
) -> None:
    response = gateway.request(path, ("x-request-id", request_id), ("x-script", "raise"))
    kind = (response.get("content-type") or "").partition(";")[0]
    assert (response.status, kind) == (status, "application/json")
    assert json.loads(response.body).keys() == {"message", "request_id"}
