"""mtls-auth: which certificates count, and whose they are."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from harness.authority import Authority, Signed
from outrider import Consumer, Consumers, Credential, Peer, Request
from outrider.runtime import Runtime
from outrider.testing import Outcome, Runner, run
from outrider_plugins import mtls_auth
from outrider_plugins.mtls_auth import MtlsAuth

CLIENTS, OTHERS = Authority("Clients"), Authority("Others")
ALICE, BOB = Consumer("1", username="alice.example"), Consumer("2", custom_id="spiffe://example.test/bob")
GUEST = Consumer("3", username="guest")


def credential(consumer: Consumer, name: str, issuer: Authority | None = None) -> Credential:
    fields: dict[str, Any] = {"subject_name": name} | ({"ca_certificate": issuer.cert_pem} if issuer else {})
    return Credential(consumer, f"row of {name}", fields)


def ask(shown: Signed | None, *credentials: Credential, **config: Any) -> Outcome:
    fields: dict[str, Any] = {"ca_certificates": (CLIENTS.cert_pem,), **config}
    plugin = MtlsAuth(**fields)
    everybody = Consumers([ALICE, BOB, GUEST], {"mtls_auth_credentials": credentials})
    peer = Peer.from_pem(shown.cert_pem) if shown else None
    return run(plugin, Request(peer=peer), consumers=everybody)


def who(outcome: Outcome) -> str | int:
    if outcome.upstream is None:
        return outcome.status
    return outcome.upstream.headers.get("x-consumer-id", "nobody")


@pytest.mark.parametrize(
    ("names", "consumer"),
    [
        (["alice.example"], "1"),
        (["ALICE.example"], "1"),
        (["spiffe://example.test/bob"], "2"),
        (["spiffe://example.test/bob", "alice.example"], "2"),
        (["spiffe://example.test/bob", "spiffe://example.test/eve"], 401),
        (["carol.example"], 401),
        (["a@example.test"], 401),
    ],
)
def test_a_name_of_the_certificate_is_that_of_a_consumer(names: list[str], consumer: str | int) -> None:
    assert who(ask(CLIENTS.sign(*names), by=["spiffe", "dns", "email"])) == consumer


@pytest.mark.parametrize(
    ("by", "name"),
    [
        ("uri", "urn://a"),
        ("email", "a@example.test"),
        ("common_name", "urn://a"),
        ("subject", "CN=urn://a"),
        ("fingerprint", None),
    ],
)
def test_a_credential_names_what_by_says_and_nothing_else(by: str, name: str | None) -> None:
    shown = CLIENTS.sign("urn://a", "a@example.test")
    wanted = name or ":".join(pair.upper() for pair in _pairs(Peer.from_pem(shown.cert_pem).fingerprint))
    row = credential(ALICE, wanted)
    sent = ask(shown, row, by=[by]).upstream
    assert sent is not None
    assert (sent.consumer, sent.credential) == (ALICE, row.id)
    assert who(ask(shown, row, by=["dns"])) == 401


def _pairs(text: str) -> list[str]:
    return [text[at : at + 2] for at in range(0, len(text), 2)]


def test_a_certificate_of_two_consumers_is_nobodys() -> None:
    shown = CLIENTS.sign("alice.example", "other.example")
    assert who(ask(shown, credential(BOB, "other.example"))) == 401
    assert who(ask(shown, credential(ALICE, "other.example"))) == "1"


def test_a_credential_for_one_authority_counts_from_no_other() -> None:
    both = {"ca_certificates": (CLIENTS.cert_pem, OTHERS.cert_pem)}
    rows = credential(BOB, "a.example", OTHERS), credential(GUEST, "a.example")
    assert [who(ask(one.sign("a.example"), *rows, **both)) for one in (OTHERS, CLIENTS)] == ["2", "3"]
    assert who(ask(CLIENTS.sign("a.example"), rows[0], **both)) == 401


@pytest.mark.parametrize(
    "shown",
    [
        None,
        OTHERS.sign("alice.example"),
        Authority("Clients").sign("alice.example"),
        CLIENTS.deputy("Deputy").sign("alice.example"),
        CLIENTS.sign("alice.example", end=timedelta(minutes=-1)),
        CLIENTS.sign("alice.example", begin=timedelta(hours=1)),
        CLIENTS.sign("alice.example", usage=ExtendedKeyUsageOID.SERVER_AUTH),
    ],
    ids=["none", "a stranger's", "a namesake's", "a deputy's", "expired", "not yet valid", "for servers"],
)
def test_what_does_not_count_is_refused_or_a_strangers(shown: Signed | None) -> None:
    refused = ask(shown)
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Certificate")
    assert who(ask(shown, require_consumer=False)) == 401
    assert who(ask(shown, anonymous="guest")) == "3"


def test_one_for_clients_counts_and_so_does_a_deputys_where_the_deputy_is_believed() -> None:
    assert who(ask(CLIENTS.sign("alice.example", usage=ExtendedKeyUsageOID.CLIENT_AUTH))) == "1"
    deputy = CLIENTS.deputy("Deputy")
    assert who(ask(deputy.sign("alice.example"), ca_certificates=(deputy.cert_pem,))) == "1"


def test_one_without_a_consumer_is_told_by_its_fingerprint_where_that_is_enough() -> None:
    shown = CLIENTS.sign("carol.example", "spiffe://example.test/carol")
    outcome = ask(shown, require_consumer=False)
    assert outcome.upstream is not None
    peer = Peer.from_pem(shown.cert_pem)
    assert outcome.upstream.credential == peer.fingerprint
    assert outcome.upstream.claims["spiffe_id"] == "spiffe://example.test/carol"


def test_a_connection_can_outlive_its_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Peer.from_pem(CLIENTS.sign("alice.example").cert_pem)

    async def statuses() -> list[int]:
        plugin = MtlsAuth(ca_certificates=(CLIENTS.cert_pem,))
        async with Runner([plugin], Runtime(Consumers([ALICE]))) as runner:
            found = [(await runner.send(Request(peer=shown))).status]
            monkeypatch.setattr(mtls_auth, "_now", lambda: datetime.now(UTC) + timedelta(hours=2))
            return [*found, (await runner.send(Request(peer=shown))).status]

    assert asyncio.run(statuses()) == [200, 401]


def test_one_that_believes_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match=r"believes nobody who signs certificates: set gateway.tls"):
        MtlsAuth().check(Consumers())


def test_two_credentials_for_the_same_certificates_are_refused() -> None:
    rows = credential(ALICE, "AB" * 32), credential(BOB, ":".join(["ab"] * 32))
    with pytest.raises(ValueError, match="two mtls_auth_credentials have the subject_name"):
        ask(None, *rows)
