"""Tokens that are asked about, keys that are discovered, and tokens in other places, behind each gateway."""

import pytest

from harness.http1 import Message
from harness.introspected import EVIL, GOOD
from harness.outrider import Outrider
from harness.process import until
from harness.tokens import Issuer
from harness.upstream import Upstream

INVALID = 'Bearer error="invalid_token"'


def bearer(gateway: Outrider, token: str, route: str) -> Message:
    return gateway.request(route, ("authorization", f"Bearer {token}"), ("x-mail", "spoofed"))


def test_an_opaque_token_that_its_issuer_calls_active_lets_its_consumer_in(
    gateway: Outrider, upstream: Upstream
) -> None:
    for _ in range(2):
        assert bearer(gateway, f"{GOOD}alice", "/introspected").status == 200
        seen = upstream.request
        assert (seen.get("x-consumer-username"), seen.get("x-mail")) == ("alice", "alice@b.example")
        upstream.reset()


def test_any_other_opaque_token_is_refused(gateway: Outrider, upstream: Upstream) -> None:
    response = bearer(gateway, f"{EVIL}alice", "/introspected")
    assert (response.status, response.get("www-authenticate")) == (401, INVALID)
    response = bearer(gateway, f"{GOOD}bob", "/introspected")
    assert response.status == 403
    assert response.get("www-authenticate") == 'Bearer error="insufficient_scope", scope="write"'
    assert not upstream.requests


@pytest.mark.parametrize("kind", ["jwt", "opaque"])
def test_one_route_takes_signed_and_opaque_tokens(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer], kind: str
) -> None:
    token = issuers["RS256"].token() if kind == "jwt" else f"{GOOD}alice"
    assert bearer(gateway, token, "/jwt-or-opaque").status == 200
    assert upstream.request.get("x-consumer-username") == "alice"
    assert upstream.request.get("x-anonymous-consumer") is None


def test_a_token_that_neither_of_two_takes_is_refused_with_the_challenges_of_both(
    gateway: Outrider, upstream: Upstream
) -> None:
    response = bearer(gateway, f"{EVIL}alice", "/jwt-or-opaque")
    assert (response.status, response.get("www-authenticate")) == (401, INVALID)
    response = gateway.request("/jwt-or-opaque")
    assert (response.status, response.get("www-authenticate")) == (401, 'Bearer realm="outrider"')
    assert not upstream.requests


def test_an_issuer_is_asked_where_its_keys_are(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer], key_server: str
) -> None:
    token = issuers["RS256"].token(iss=key_server)
    # Fetched in the background: 503 until they are there, and each worker fetches its own.
    until(lambda: all(bearer(gateway, token, "/discovered").status == 200 for _ in range(2)))
    assert upstream.requests[-1].get("x-consumer-username") == "alice"
    upstream.reset()
    for forged in (issuers["ES256"].token(iss=key_server), issuers["RS256"].token()):
        assert bearer(gateway, forged, "/discovered").status == 401
    assert not upstream.requests


def test_a_token_may_stand_elsewhere_and_only_once(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer]
) -> None:
    token = issuers["ES256"].token()
    header, cookie = ("x-token", token), ("cookie", f"a=b; t={token}")
    for path, fields in (("/carried", [header]), ("/carried", [cookie]), (f"/carried?t={token}", [])):
        assert gateway.request(path, *fields).status == 200
    assert len(upstream.requests) == 3
    for path, fields in (
        ("/carried", [header, cookie]),
        (f"/carried?t={token}", [header]),
        ("/carried", [header] * 2),
    ):
        assert gateway.request(path, *fields).status in (400, 401)
    assert len(upstream.requests) == 3
