"""What a client's certificate says, and who may look at it."""

import pytest
from cryptography.hazmat.primitives.hashes import SHA256

from harness.authority import Authority
from outrider import Needs, Peer, Plugin, Request, Response
from outrider.peer import CertificateError
from outrider.testing import run

AUTHORITY = Authority()


class WhoIsIt(Plugin):
    """Tells the SPIFFE id of the client."""

    def needs(self) -> Needs:
        return Needs(facts=frozenset({"peer"}))

    def on_request(self, request: Request, /) -> Response:
        return Response(200, body=repr(request.peer and request.peer.spiffe_id).encode())


class Undeclared(Plugin):
    """Looks at the certificate without saying so."""

    def on_request(self, request: Request, /) -> None:
        assert request.peer


def test_every_kind_of_name_is_told() -> None:
    signed = AUTHORITY.sign("spiffe://example.test/a", "Orders.example", "a@example.test", "192.0.2.1")
    peer = Peer.from_pem(signed.cert_pem)
    assert (peer.uris, peer.dns, peer.emails) == (
        ("spiffe://example.test/a",),
        ("orders.example",),
        ("a@example.test",),
    )
    assert peer.common_names == ("spiffe://example.test/a",)
    assert peer.subject == "CN=spiffe://example.test/a"
    assert peer.fingerprint == signed.certificate.fingerprint(SHA256()).hex()
    assert "BEGIN" not in repr(peer)


@pytest.mark.parametrize(
    "uris", [(), ("https://example.test/a",), ("spiffe://example.test/a", "spiffe://example.test/b")]
)
def test_a_spiffe_id_is_the_only_uri(uris: tuple[str, ...]) -> None:
    assert Peer(uris=uris).spiffe_id is None


@pytest.mark.parametrize("text", ["", "-", "-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_an_error_without_its_text(text: str) -> None:
    with pytest.raises(CertificateError, match=r"^the client's certificate can't be read$"):
        Peer.from_pem(text)


def test_a_plugin_sees_the_certificate_that_it_asks_for() -> None:
    peer = Peer(uris=("spiffe://example.test/a",))
    assert run(WhoIsIt(), Request(peer=peer)).body == b"'spiffe://example.test/a'"
    assert run(WhoIsIt(), Request()).body == b"None"


def test_one_that_does_not_ask_is_told_how_to() -> None:
    outcome = run(Undeclared(), Request(peer=Peer()))
    assert outcome.status == 500
    assert "request.peer needs the fact 'peer': add it to needs()" in str(outcome.error)
