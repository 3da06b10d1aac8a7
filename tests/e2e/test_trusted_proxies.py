"""gateway.trusted_ips: whose x-forwarded-for is believed, and what upstream gets of it."""

import socket
from collections.abc import Iterator

import pytest

from harness import http1
from harness.outrider import Outrider, free_port, plugin, service
from harness.sample import PLUGINS
from harness.upstream import Upstream

STRANGER, PROXY = "127.0.0.1", "127.0.0.2"  # all of 127.0.0.0/8 is this machine
TRUSTED = ["127.0.0.2/32", "10.0.0.0/8", "10.0.0.7/8", "2001:db8::/32"]
TELL = plugin("tell")


@pytest.fixture(scope="module", params=["ext_proc", "ext_authz"])
def proxied(
    request: pytest.FixtureRequest, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outrider]:
    gateway = {"protocol": request.param, "plugin_dirs": [PLUGINS], "trusted_ips": TRUSTED, "workers": 1}
    port = shared_upstream.port
    services = [
        service("told", port, TELL),
        service("plain", port),
        service("inside", port, plugin("ip-restriction", allow=["192.0.2.0/24", "10.0.0.0/8"], deny=["10.6.6.6"])),
    ]
    with Outrider(tmp_path_factory.mktemp("proxied"), {"gateway": gateway, "services": services}) as running:
        yield running.ready()


def ask(
    gateway: Outrider, source: str, *headers: tuple[str, str], path: str = "/told", address: str = "127.0.0.1"
) -> http1.Message:
    """One request from an address of this machine."""
    where = (address, gateway.port)
    with socket.create_connection(where, timeout=15, source_address=(source, 0)) as connection:
        lines = [f"GET {path} HTTP/1.1", "host: outrider.test", *(f"{name}: {value}" for name, value in headers)]
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        with connection.makefile("rb") as stream:
            response = http1.read(stream)
    assert response, "closed without a response"
    return response


def forwarded(*lines: str) -> list[tuple[str, str]]:
    return [("x-forwarded-for", line) for line in lines]


CHAINS: list[tuple[list[str], str]] = [
    ([], PROXY),
    ([""], PROXY),
    (["192.0.2.7"], "192.0.2.7"),
    (["192.0.2.7, 10.0.0.9"], "192.0.2.7"),
    (["192.0.2.7,10.0.0.9 , 127.0.0.2"], "192.0.2.7"),
    (["10.0.0.5, 192.0.2.7, 10.0.0.9"], "192.0.2.7"),
    (["203.0.113.1, 192.0.2.7"], "192.0.2.7"),
    (["garbage, 192.0.2.7"], "192.0.2.7"),
    (["192.0.2.7", "10.0.0.9"], "192.0.2.7"),
    (["10.0.0.9", "192.0.2.7"], "192.0.2.7"),
    (["10.0.0.5, 10.0.0.9"], "10.0.0.5"),
    (["2001:db8:1::7"], "2001:db8:1::7"),
    (["2a00::7, 2001:db8:1::7"], "2a00::7"),
    (["192.0.2.7, 2001:db8:1::7"], "192.0.2.7"),
    (["192.0.2.7, ::ffff:10.0.0.9"], "192.0.2.7"),
    (["127.0.0.1"], "127.0.0.1"),
]
"""The lines of x-forwarded-for that a trusted proxy sends, and who the client is."""

GARBAGE = ["unknown", "192.0.2.7:5678", "[2a00::7]", "192.0.2.7, unknown", "192.0.2.7,", "x, 10.0.0.9", "192.0.2.777"]


@pytest.mark.parametrize(("lines", "client"), CHAINS)
def test_behind_a_trusted_proxy_the_client_is_the_rightmost_address_that_is_not_trusted(
    proxied: Outrider, upstream: Upstream, lines: list[str], client: str
) -> None:
    assert ask(proxied, PROXY, *forwarded(*lines)).status == 200
    assert upstream.request.get("x-client") == client


@pytest.mark.parametrize("line", GARBAGE)
def test_nothing_is_believed_beyond_what_is_no_address(proxied: Outrider, upstream: Upstream, line: str) -> None:
    assert ask(proxied, PROXY, *forwarded(line)).status == 200
    assert upstream.request.get("x-client") == PROXY


@pytest.mark.parametrize("lines", [lines for lines, _ in CHAINS])
def test_a_stranger_is_not_believed(proxied: Outrider, upstream: Upstream, lines: list[str]) -> None:
    assert ask(proxied, STRANGER, *forwarded(*lines)).status == 200
    assert upstream.request.get("x-client") == STRANGER


@pytest.mark.parametrize("path", ["/told", "/plain"])
def test_upstream_gets_the_address_of_the_proxy_at_the_end_of_what_it_said(
    proxied: Outrider, upstream: Upstream, path: str
) -> None:
    assert ask(proxied, PROXY, *forwarded("203.0.113.1, 192.0.2.7", "10.0.0.9"), path=path).status == 200
    (line,) = upstream.request.all("x-forwarded-for")
    assert [part.strip() for part in line.split(",")] == ["203.0.113.1", "192.0.2.7", "10.0.0.9", PROXY]


@pytest.mark.parametrize(
    ("source", "claimed", "status"),
    [
        (PROXY, "192.0.2.7", 200),
        (PROXY, "::ffff:192.0.2.7", 200),
        (PROXY, "203.0.113.1", 403),
        (PROXY, "192.0.2.7, 203.0.113.1", 403),
        (PROXY, "10.6.6.6", 403),
        (PROXY, "unknown", 403),
        (STRANGER, "192.0.2.7", 403),
        (STRANGER, "192.0.2.7, 127.0.0.2", 403),
    ],
)
def test_ip_restriction_goes_by_the_address_that_is_believed(
    proxied: Outrider, upstream: Upstream, source: str, claimed: str, status: int
) -> None:
    assert ask(proxied, source, *forwarded(claimed), path="/inside").status == status
    assert len(upstream.requests) == (status == 200)


INTERNAL = [
    "x-envoy-external-address",
    "x-envoy-internal",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-original-path",
    "x-envoy-original-host",
    "x-envoy-original-url",
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-ip-tags",
]


@pytest.mark.parametrize("source", [STRANGER, PROXY])
@pytest.mark.parametrize("path", ["/told", "/plain"])
def test_nobodys_word_passes_for_envoys_own(proxied: Outrider, upstream: Upstream, source: str, path: str) -> None:
    spoofs = [(name, "203.0.113.7") for name in INTERNAL]
    assert ask(proxied, source, *spoofs, *forwarded("10.0.0.9"), path=path).status == 200
    assert "203.0.113.7" not in str(upstream.request.headers)


@pytest.mark.parametrize(("source", "seen"), [(STRANGER, "http"), (PROXY, "https")])
def test_x_forwarded_proto_is_kept_from_a_trusted_proxy_only(
    proxied: Outrider, upstream: Upstream, source: str, seen: str
) -> None:
    assert ask(proxied, source, ("x-forwarded-proto", "https")).status == 200
    assert upstream.request.get("x-forwarded-proto") == seen


def test_identity_headers_of_a_trusted_proxy_are_removed_too(proxied: Outrider, upstream: Upstream) -> None:
    assert ask(proxied, PROXY, ("x-consumer-username", "root"), path="/plain").status == 200
    assert upstream.request.get("x-consumer-username") is None
    assert ask(proxied, PROXY, ("x_consumer_username", "root"), path="/plain").status == 400


@pytest.mark.parametrize("path", ["//told", "/told%2fx", "/plain/../told"])
def test_paths_mean_one_thing_for_a_trusted_proxy_too(proxied: Outrider, upstream: Upstream, path: str) -> None:
    status = ask(proxied, PROXY, path=path).status
    assert status == (400 if "%2f" in path else 200)
    assert [request.get("x-route") for request in upstream.requests] == ([] if status == 400 else ["told"])


@pytest.mark.parametrize(("trusted", "client"), [("::1/128", "2a00::7"), ("2001:db8::/32", "::1")])
@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_a_peer_may_have_an_ipv6_address(
    upstream: Upstream, tmp_path_factory: pytest.TempPathFactory, protocol: str, trusted: str, client: str
) -> None:
    port = free_port()
    listen = {"listen": f"[::1]:{port}", "workers": 1}
    gateway = {"protocol": protocol, "plugin_dirs": [PLUGINS], "trusted_ips": [trusted], **listen}
    config = {"gateway": gateway, "services": [service("told", upstream.port, TELL)]}
    with Outrider(tmp_path_factory.mktemp("ipv6"), config) as running:
        running.ready().port = port
        assert ask(running, "::1", *forwarded("2a00::7"), address="::1").status == 200
    assert upstream.request.get("x-client") == client
