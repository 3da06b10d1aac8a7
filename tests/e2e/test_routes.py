"""Which route a request takes, what upstream gets of its path and host, and who its client is."""

from collections.abc import Iterator

import pytest

from harness.kong_behind import behind
from harness.outrider import Config, Outrider, plugin, service
from harness.sample import PLUGINS, YEAR
from harness.upstream import Upstream

LIMIT = 3
TELL = plugin("tell")


def route(name: str, **fields: object) -> Config:
    return {"name": name, **fields}


def services(port: int) -> list[Config]:
    plain = [
        route("stripped", paths=["/stripped"]),
        route("kept", paths=["/kept"], strip_path=False),
        route("nested", paths=["/kept/nested"]),
        route("whole", paths=["/"], hosts=["whole.example"]),
        route("reads", paths=["/methods"], methods=["GET", "HEAD"]),
        route("writes", paths=["/methods"], methods=["POST"]),
        route("deletes", paths=["/deletes"], methods=["DELETE"]),
        route("anybody", paths=["/shop"], strip_path=False),
        route("shop", paths=["/shop"], hosts=["shop.example"], strip_path=False),
        route("preserved", paths=["/preserved"], preserve_host=True),
    ]
    specific = [
        route("regex", paths=["~/users/(?<id>[0-9]+)$", "/caf\u00e9"]),
        route("wildcard", hosts=["*.wild.example"], strip_path=False),
        route("begins", hosts=["begins.*"], strip_path=False),
        route("port", hosts=["port.example:8443"], strip_path=False),
        route("beta", paths=["/shop"], headers={"X-Version": ["beta", "~*^v[2-9]"]}, strip_path=False),
        route("tls", paths=["/tls"], protocols=["https"]),
        route("moved", paths=["/moved"], protocols=["https"], https_redirect_status_code=301),
        route("grpc", paths=["/pkg.Service/"], protocols=["grpc"]),
    ]
    based = [
        route("based", paths=["/based"]),
        route("based-kept", paths=["/both"], strip_path=False),
        route("based-regex", paths=["~/v[0-9]+"]),
    ]
    limit = plugin("rate-limit", limit=LIMIT, window=YEAR, by="ip")
    return [
        service("plain", port, TELL, routes=plain),
        service("specific", port, TELL, routes=specific),
        service("based", port, TELL, routes=based, url=f"http://127.0.0.1:{port}/base/v1"),
        service("limited", port, limit),
    ]


@pytest.fixture(scope="module", params=["ext_proc", "ext_authz", "kong"])
def routed(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outrider]:
    gateway = {"protocol": request.param, "plugin_dirs": [PLUGINS]}
    config = {"gateway": gateway, "services": services(shared_upstream.port)}
    with behind(tmp_path_factory.mktemp("routed"), config) as running:
        yield running.ready()


@pytest.mark.parametrize(
    ("target", "name", "seen"),
    [
        ("/stripped", "stripped", "/"),
        ("/stripped/", "stripped", "/"),
        ("/stripped/a/b?c=%2F&d", "stripped", "/a/b?c=%2F&d"),
        ("/stripped?c=1", "stripped", "/?c=1"),
        ("/stripped/stripped", "stripped", "/stripped"),
        ("/kept", "kept", "/kept"),
        ("/kept/a?b=c", "kept", "/kept/a?b=c"),
        ("/kept/nested/a", "nested", "/a"),
        ("/stripped../a", "stripped", "/a"),
        ("/users/12", "regex", "/"),
        ("/caf%c3%a9/a", "regex", "/a"),
        ("/based", "based", "/base/v1"),
        ("/based/", "based", "/base/v1/"),
        ("/based../a", "based", "/base/v1/a"),
        ("/v12/a", "based-regex", "/base/v1/a"),
        ("/v12", "based-regex", "/base/v1"),
        ("/based/a?b=c", "based", "/base/v1/a?b=c"),
        ("/both/a?b=c", "based-kept", "/base/v1/both/a?b=c"),
    ],
)
def test_upstream_gets_the_path_without_what_the_route_strips_below_its_services_path(
    routed: Outrider, upstream: Upstream, target: str, name: str, seen: str
) -> None:
    assert routed.request(target).status == 200
    assert (upstream.request.path, upstream.request.get("x-route")) == (seen, name)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("shop.example", "shop"),
        ("SHOP.example", "shop"),
        ("shop.example:8443", "shop"),
        ("other.example", "anybody"),
        ("a.shop.example", "anybody"),
        ("shop.example.evil", "anybody"),
    ],
)
def test_a_route_with_hosts_is_for_these_hosts_and_goes_before_one_without(
    routed: Outrider, upstream: Upstream, host: str, name: str
) -> None:
    assert routed.request("/shop", host=host).status == 200
    assert upstream.request.get("x-route") == name


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.wild.example", "wildcard"),
        ("b.a.wild.example:81", "wildcard"),
        ("wild.example", "anybody"),
        ("begins.example", "begins"),
        ("begins.other.example", "begins"),
        ("port.example:8443", "port"),
        ("port.example", "anybody"),
        ("port.example:8444", "anybody"),
    ],
)
def test_a_host_with_a_wildcard_or_a_port_is_for_more_or_for_fewer_requests(
    routed: Outrider, upstream: Upstream, host: str, name: str
) -> None:
    # Hosts without a wildcard and a path are as much: the longer list of conditions wins, then the plain host.
    assert routed.request("/shop" if name == "anybody" else "/elsewhere", host=host).status == 200
    assert upstream.request.get("x-route") == name


@pytest.mark.parametrize(
    ("value", "name"), [("beta", "beta"), ("BETA", "beta"), ("v2.1", "beta"), ("v1", "anybody"), ("alpha", "anybody")]
)
def test_a_route_with_headers_is_for_these_values(
    routed: Outrider, upstream: Upstream, value: str, name: str
) -> None:
    assert routed.request("/shop", ("x-version", value), host="h.example").status == 200
    assert upstream.request.get("x-route") == name


def test_a_route_for_tls_says_so_or_leads_there(routed: Outrider, upstream: Upstream) -> None:
    told = routed.request("/tls/a")
    assert told.status == 426
    assert b"Please use HTTPS protocol" in told.body
    moved = routed.request("/moved/a?b=c", host="moved.example:8080")
    assert (moved.status, moved.get("location")) == (301, "https://moved.example/moved/a?b=c")
    assert not upstream.requests


def test_a_route_for_grpc_takes_nothing_else(routed: Outrider, upstream: Upstream) -> None:
    refused = routed.request("/pkg.Service/Call", method="POST", body=b"")
    assert refused.status == 415
    assert b"Non-gRPC request matched gRPC route" in refused.body
    assert not upstream.requests


@pytest.mark.parametrize(
    ("target", "prefix"), [("/stripped/a?b=c", "/stripped"), ("/kept/a", None), ("/methods", "/methods")]
)
def test_upstream_hears_what_downstream_asked_for(
    routed: Outrider, upstream: Upstream, target: str, prefix: str | None
) -> None:
    lies = [(f"x-forwarded-{name}", "evil") for name in ("host", "port", "path", "prefix", "proto")]
    assert routed.request(target, *lies, ("x-real-ip", "203.0.113.7"), host="asked.example:81").status == 200
    told = {name: upstream.request.get(f"x-forwarded-{name}") for name in ("host", "port", "path", "proto", "prefix")}
    assert told == {
        "host": "asked.example",
        "port": str(routed.port),
        "path": target.partition("?")[0],
        "proto": "http",
        "prefix": prefix,
    }
    assert upstream.request.get("x-real-ip") == "127.0.0.1"


def test_a_route_of_one_host_takes_no_request_of_another(routed: Outrider, upstream: Upstream) -> None:
    assert routed.request("/anything", host="whole.example").status == 200
    assert routed.request("/anything", host="other.example").status == 404
    assert upstream.request.path == "/anything"


@pytest.mark.parametrize(("method", "name"), [("GET", "reads"), ("HEAD", "reads"), ("POST", "writes")])
def test_a_route_with_methods_is_for_these_methods(
    routed: Outrider, upstream: Upstream, method: str, name: str
) -> None:
    assert routed.request("/methods", method=method, body=b"x" if method == "POST" else None).status == 200
    assert (upstream.request.method, upstream.request.get("x-route")) == (method, name)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/methods"), ("OPTIONS", "/methods"), ("GET", "/deletes"), ("HEAD", "/deletes")]
)
def test_a_method_of_no_route_is_404(routed: Outrider, upstream: Upstream, method: str, path: str) -> None:
    assert routed.request(path, method=method).status == 404
    assert not upstream.requests


def test_a_method_can_not_be_chosen_by_a_header(routed: Outrider, upstream: Upstream) -> None:
    assert routed.request("/deletes", ("x-http-method-override", "DELETE")).status == 404
    assert not upstream.requests


def test_upstream_gets_its_own_host_unless_the_route_preserves_downstreams(
    routed: Outrider, upstream: Upstream
) -> None:
    for path in ("/kept", "/preserved"):
        assert routed.request(path, host="shop.example:81").status == 200
    assert [request.get("host") for request in upstream.requests] == [f"127.0.0.1:{upstream.port}", "shop.example:81"]


SPOOFS = [
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-for", "203.0.113.7, 127.0.0.1"),
    ("x-forwarded-for", "203.0.113.7, 10.0.0.1, 192.168.0.1"),
    ("x-envoy-external-address", "203.0.113.7"),
    ("x-real-ip", "203.0.113.7"),
    ("forwarded", "for=203.0.113.7"),
    ("true-client-ip", "203.0.113.7"),
]


@pytest.mark.parametrize("spoof", SPOOFS)
def test_a_client_does_not_choose_its_own_address(
    routed: Outrider, upstream: Upstream, spoof: tuple[str, str]
) -> None:
    assert routed.request("/kept", spoof).status == 200
    assert upstream.request.get("x-client") == "127.0.0.1"


def test_upstream_finds_the_gateways_own_word_at_the_end_of_x_forwarded_for(
    routed: Outrider, upstream: Upstream
) -> None:
    assert routed.request("/kept", ("x-forwarded-for", "203.0.113.7")).status == 200
    claimed, seen = (upstream.request.get("x-forwarded-for") or "").split(",")
    assert claimed == "203.0.113.7"
    # For a client on loopback that is Envoy's own address, not 127.0.0.1.
    assert seen.strip() != claimed


def test_a_client_has_one_counter_whatever_address_it_claims(routed: Outrider) -> None:
    claims = [("x-forwarded-for", f"203.0.113.{number}") for number in range(LIMIT + 2)]
    assert [routed.request("/limited", claim).status for claim in claims] == [200] * LIMIT + [429] * 2
