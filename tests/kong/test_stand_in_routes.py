"""Which route a request takes, what path it gets upstream, and what Kong tells upstream about downstream."""

from typing import Any

import pytest

from harness import http1
from harness.kong_gateway import read, running
from harness.upstream import Upstream
from outrider_kong.stand_in import settings
from outrider_kong.stand_in.exchange import Request
from outrider_kong.stand_in.headers import Headers
from outrider_kong.stand_in.router import Router
from outrider_kong.stand_in.uri import arguments, escape, normalize

ROUTES: list[dict[str, Any]] = [
    {"name": "short", "paths": ["/a"]},
    {"name": "long", "paths": ["/a/b"]},
    {"name": "regex", "paths": [r"~/a/(?<id>\d+)$"]},
    {"name": "host", "paths": ["/a"], "hosts": ["one.test"]},
    {"name": "wildcard", "paths": ["/a"], "hosts": ["*.wild.test"]},
    {"name": "post", "paths": ["/p"], "methods": ["POST"]},
    {"name": "header", "paths": ["/a"], "headers": {"x-v": ["2"]}},
    {"name": "port", "paths": ["/c"], "hosts": ["one.test:81"]},
]


@pytest.mark.parametrize(
    ("method", "host", "path", "headers", "route"),
    [
        ("GET", "h", "/a", [], "short"),
        ("GET", "h", "/a/b/c", [], "long"),
        ("GET", "h", "/a/7", [], "regex"),
        ("GET", "h", "/a/7/", [], "short"),
        ("GET", "One.Test:8080", "/a/b", [], "host"),
        ("GET", "x.wild.test", "/a", [], "wildcard"),
        ("POST", "h", "/p", [], "post"),
        ("GET", "h", "/p", [], None),
        ("GET", "h", "/a", [(b"X-V", b"2")], "header"),
        ("GET", "one.test:81", "/c", [], "port"),
        ("GET", "one.test", "/c", [], None),
        ("GET", "h", "/x/../a//b", [], "long"),
        ("GET", "h", "/%61", [], "short"),
        ("GET", "h", "/", [], None),
    ],
)
def test_the_more_specific_route_wins(
    method: str, host: str, path: str, headers: list[tuple[bytes, bytes]], route: str | None
) -> None:
    router = Router(read({"services": [{"name": "s", "url": "http://u", "routes": ROUTES}]}).routes)
    fields = Headers([(b"Host", host.encode()), *headers])
    matched = router.match(Request(method=method.encode(), target=path.encode(), headers=fields))
    assert (matched and matched.route.name) == route


@pytest.mark.parametrize(
    ("base", "strip", "path", "upstream"),
    [
        (None, True, "/r", "/"),
        (None, True, "/r/", "/"),
        (None, True, "/r/x", "/x"),
        (None, True, "/rx", "/x"),
        (None, False, "/r/x", "/r/x"),
        ("/b", True, "/r", "/b"),
        ("/b", True, "/r/", "/b/"),
        ("/b", True, "/r/x", "/b/x"),
        ("/b", False, "/r/x", "/b/r/x"),
        ("/b/", True, "/r", "/b"),
        ("/b/", True, "/r/", "/b/"),
        ("/b/", True, "/r/x", "/b/x"),
        ("/b/", False, "/r/x", "/b/r/x"),
    ],
)
def test_the_path_upstream_is_the_services_and_what_is_left(
    base: str | None, strip: bool, path: str, upstream: str
) -> None:
    route = {"name": "r", "paths": ["/r"], "strip_path": strip}
    service = {"name": "s", "host": "u", "path": base, "routes": [route]}
    matched = Router(read({"services": [service]}).routes).match(
        Request(method=b"GET", target=path.encode(), headers=Headers())
    )
    assert matched
    assert matched.upstream_uri.decode() == upstream


def test_named_and_unnamed_captures_are_kept() -> None:
    route = {"name": "r", "paths": [r"~/u/(?<user>[a-z]+)/(\d+)"]}
    router = Router(read({"services": [{"name": "s", "url": "http://u", "routes": [route]}]}).routes)
    matched = router.match(Request(method=b"GET", target=b"/u/bob/7/x", headers=Headers()))
    assert matched
    assert matched.captures == {1: b"bob", 2: b"7", b"user": b"bob"}
    assert (matched.prefix, matched.upstream_uri) == (b"/u/bob/7", b"/x")


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        (b"/", b"/"),
        (b"/a/./b/../c", b"/a/c"),
        (b"/a//b", b"/a/b"),
        (b"/..", b"/"),
        (b"/a/..", b"/"),
        (b"/a/.", b"/a/"),
        (b"/%41%2f%2e%zz", b"/A%2F.%zz"),
        (b"/.../x", b"/.../x"),
    ],
)
def test_paths_are_normalised_as_kong_does(path: bytes, normal: bytes) -> None:
    assert normalize(path) == normal


def test_what_may_not_stand_in_a_path_is_escaped() -> None:
    assert escape(b"/a b\xff%20") == b"/a%20b%FF%20"


def test_a_query_is_read_as_nginx_reads_it() -> None:
    assert arguments(b"a=1&b&a=x+y%21&=z&", 100) == {b"a": [b"1", b"x y!"], b"b": True}


def gateway(upstream: Upstream, conf: str = "", **route: Any) -> Any:
    one = {"name": "r", "paths": ["/r"], **route}
    service = {"name": "s", "url": f"http://127.0.0.1:{upstream.port}", "routes": [one]}
    return running({"services": [service]}, settings=settings.read(conf, {}))


def test_kong_tells_upstream_who_asked_and_for_what(upstream: Upstream) -> None:
    sent = [
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-host", "evil"),
        ("x-real-ip", "1.2.3.4"),
        ("via", "1.0 old"),
        ("x-kong-request-id", "mine"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ]
    with gateway(upstream) as kong:
        http1.request(kong.port, "/r/x?q", *sent, host="h.test")
        port = str(kong.port)
    request = upstream.request
    told = {name: request.get(f"x-forwarded-{name}") for name in ("for", "host", "port", "proto", "path", "prefix")}
    assert told == {
        "for": "1.2.3.4, 127.0.0.1",
        "host": "h.test",
        "port": port,
        "proto": "http",
        "path": "/r/x",
        "prefix": "/r",
    }
    assert request.get("via") == "1.0 old, 1.1 kong/3.9.1"
    assert request.get("x-real-ip") == "127.0.0.1"
    assert request.get("x-kong-request-id") != "mine"
    assert request.get("host") == f"127.0.0.1:{upstream.port}"
    assert request.get("x-hop") is None
    assert request.path == "/x?q"


def test_a_trusted_peer_is_believed(upstream: Upstream) -> None:
    conf = "trusted_ips = 127.0.0.1\nreal_ip_header = X-Forwarded-For\n"
    with gateway(upstream, conf) as kong:
        http1.request(kong.port, "/r", ("x-forwarded-for", "9.9.9.9, 1.2.3.4"), ("x-forwarded-proto", "https"))
    assert upstream.request.get("x-real-ip") == "1.2.3.4"
    assert upstream.request.get("x-forwarded-proto") == "https"


def test_a_route_may_keep_the_host(upstream: Upstream) -> None:
    with gateway(upstream, preserve_host=True) as kong:
        http1.request(kong.port, "/r", host="Own.Test:81")
    assert upstream.request.get("host") == "Own.Test:81"


def test_a_route_for_https_alone_asks_for_it(upstream: Upstream) -> None:
    with gateway(upstream, protocols=["https"]) as kong:
        assert http1.request(kong.port, "/r").status == 426


def test_no_route_is_a_404_with_the_requests_id(upstream: Upstream) -> None:
    with gateway(upstream) as kong:
        answer = http1.request(kong.port, "/nope")
    identity = answer.get("x-kong-request-id")
    assert answer.status == 404
    assert (
        answer.body.decode()
        == f'{{\n  "message":"no Route matched with those values",\n  "request_id":"{identity}"\n}}'
    )
    assert answer.get("server") == "kong/3.9.1"


def test_a_route_without_a_service_is_a_503() -> None:
    with running({"routes": [{"name": "r", "paths": ["/r"]}]}) as kong:
        assert http1.request(kong.port, "/r").status == 503
