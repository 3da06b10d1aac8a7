"""Which route a request takes, what upstream gets of its path and host, and who its client is."""

from collections.abc import Iterator

import pytest

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
    based = [
        route("based", paths=["/based"]),
        route("based-kept", paths=["/both"], strip_path=False),
    ]
    limit = plugin("rate-limit", limit=LIMIT, window=YEAR, by="ip")
    return [
        service("plain", port, TELL, routes=plain),
        service("based", port, TELL, routes=based, url=f"http://127.0.0.1:{port}/base/v1"),
        service("limited", port, limit),
    ]


@pytest.fixture(scope="module", params=["ext_proc", "ext_authz"])
def routed(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outrider]:
    gateway = {"protocol": request.param, "plugin_dirs": [PLUGINS]}
    config = {"gateway": gateway, "services": services(shared_upstream.port)}
    with Outrider(tmp_path_factory.mktemp("routed"), config) as running:
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
        ("/based", "based", "/base/v1/"),
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
