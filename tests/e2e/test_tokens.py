"""jwt-auth behind each gateway: keys from files and from an address, and tokens good and bad."""

import json
from typing import Any

import pytest

from harness.http1 import Message
from harness.outrider import Outrider
from harness.process import until
from harness.sample import Protocol
from harness.tokens import Issuer, alices_own, in_a_day
from harness.upstream import Upstream

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "HS256"]


def bearer(gateway: Outrider, token: str, route: str = "/tokens") -> Message:
    return gateway.request(route, ("authorization", f"Bearer {token}"))


def assert_invalid(response: Message, upstream: Upstream) -> None:
    assert response.status == 401
    assert response.get("www-authenticate") == 'Bearer error="invalid_token"'
    assert json.loads(response.body)["message"] == "Unauthorized"
    assert not upstream.requests


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_is_let_in_with_keys_from_a_file(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer], algorithm: str
) -> None:
    assert bearer(gateway, issuers[algorithm].token()).status == 200
    assert upstream.request.get("x-consumer-username") == "alice"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_is_let_in_with_keys_from_an_address(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer], algorithm: str
) -> None:
    token = issuers[algorithm].token()
    # Fetched in the background: 503 until they are there, and each worker fetches its own.
    until(lambda: bearer(gateway, token, "/fetched").status == bearer(gateway, token, "/fetched").status == 200)
    assert {request.get("x-consumer-username") for request in upstream.requests} == {"alice"}


def test_claims_reach_upstream_as_headers_and_what_the_client_spoofed_does_not(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer]
) -> None:
    token = issuers["ES256"].token(sub="carol", realm={"role": "admin"})
    spoofed = [("x-user", "root"), ("x-role", "root"), ("x-consumer-username", "alice")]
    assert gateway.request("/tokens", ("authorization", f"Bearer {token}"), *spoofed).status == 200
    seen = upstream.request
    assert (seen.get("x-user"), seen.get("x-role")) == ("carol", "admin")
    assert (seen.get("x-consumer-username"), seen.get("x-credential-identifier")) == (None, "carol")


def test_a_claim_that_is_absent_leaves_no_spoofed_header_behind(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer]
) -> None:
    token = issuers["ES256"].token()
    assert gateway.request("/tokens", ("authorization", f"Bearer {token}"), ("x-role", "root")).status == 200
    assert upstream.request.get("x-role") is None


def test_a_consumers_own_secret_lets_the_consumer_in(gateway: Outrider, upstream: Upstream) -> None:
    assert bearer(gateway, alices_own()).status == 200
    assert upstream.request.get("x-consumer-username") == "alice"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"nbf": in_a_day()},
        {"iss": "https://somebody-else.example"},
        {"iss": None},
        {"iss": "https://es256.example"},
        {"aud": "somebody"},
        {"sub": "a\r\nx-role: admin"},
        {"sub": ["alice"]},
        {"realm": {"role": "a\nb"}},
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer], claims: dict[str, Any]
) -> None:
    assert_invalid(bearer(gateway, issuers["RS256"].token(**claims)), upstream)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_forged_signature_is_refused(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer], algorithm: str
) -> None:
    head, payload, signature = issuers[algorithm].token().split(".")
    first = "B" if signature[0] != "B" else "C"
    assert_invalid(bearer(gateway, f"{head}.{payload}.{first}{signature[1:]}"), upstream)
    assert_invalid(bearer(gateway, f"{head}.{payload}."), upstream)


def test_a_token_of_the_right_name_and_another_key_is_refused(gateway: Outrider, upstream: Upstream) -> None:
    assert_invalid(bearer(gateway, Issuer("RS256", number=1).token()), upstream)


def test_a_public_key_is_no_shared_secret(gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer]) -> None:
    assert_invalid(bearer(gateway, issuers["RS256"].confused_token()), upstream)


def test_two_tokens_are_refused_even_if_both_are_good(
    gateway: Outrider, upstream: Upstream, protocol: Protocol, issuers: dict[str, Issuer]
) -> None:
    header = ("authorization", f"Bearer {issuers['RS256'].token()}")
    response = gateway.request("/tokens", header, header)
    if protocol == "kong":
        # nginx itself takes no second one.
        assert (response.status, upstream.requests) == (400, [])
    else:
        assert_invalid(response, upstream)


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 403),
        ({"scope": "read"}, 403),
        ({"scope": "readwrite"}, 403),
        ({"scope": "write read more"}, 200),
        ({"scp": ["read", "write"]}, 200),
        ({"scope": 7}, 403),
    ],
)
def test_a_token_needs_every_scope(
    gateway: Outrider, upstream: Upstream, issuers: dict[str, Issuer], claims: dict[str, Any], status: int
) -> None:
    response = bearer(gateway, issuers["EdDSA"].token(**claims), "/scoped")
    assert response.status == status
    assert len(upstream.requests) == (status == 200)
    if status == 403:
        assert response.get("www-authenticate") == 'Bearer error="insufficient_scope", scope="read write"'


def test_a_bad_token_that_another_plugin_excuses_does_not_reach_upstream(
    gateway: Outrider, upstream: Upstream
) -> None:
    bad = ("authorization", "Bearer bad.bad.bad")
    assert gateway.request("/either", bad, ("x-api-key", "alice-key")).status == 200
    assert upstream.request.get("authorization") is None
    assert upstream.request.get("x-consumer-username") == "alice"


def test_a_good_token_is_enough_where_a_key_would_do_too(gateway: Outrider, upstream: Upstream) -> None:
    assert bearer(gateway, alices_own(), "/either").status == 200
    assert upstream.request.get("x-consumer-username") == "alice"
    assert upstream.request.get("x-anonymous-consumer") is None
