"""What was once a hole in a plugin, one test each."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from outrider import Consumer, Consumers, Credential, Request, Runtime
from outrider.testing import Outcome, run
from outrider_plugins.jwt_auth import JwtAuth
from outrider_plugins.jwt_issuer import Issuer
from outrider_plugins.jwt_verifier import LONGEST, TokenVerifier, Trust
from outrider_plugins.key_auth import KeyAuth
from outrider_plugins.remote_keys import RemoteKeys
from signing import SECRET, Signer, jwks

BOB = Consumer("c-2", username="bob")
SHARED = SecretStr(SECRET.decode())
BOBS_SECRET = Credential(BOB, "s-1", {"key": "bob-app", "algorithm": "HS256", "secret": SHARED})
KEY = Signer("ES256")


def ask_as_bob(plugin: JwtAuth, *others: Consumer) -> Outcome:
    people = Consumers([BOB, *others], {"jwt_secrets": [BOBS_SECRET]})
    claims = {"iss": "bob-app", "sub": "ceo", "role": "admin", "scope": "payments:write", "exp": time.time() + 60}
    request = Request(headers={"authorization": f"Bearer {Signer('HS256').token(claims)}", "x-role": "admin"})
    return run(plugin, request, consumers=people)


def test_a_consumer_gives_itself_no_scope_with_its_own_secret() -> None:
    outcome = ask_as_bob(JwtAuth(required_scopes=["payments:write"]))
    assert (outcome.status, outcome.upstream) == (403, None)


def test_a_consumer_gives_itself_no_role_with_its_own_secret() -> None:
    sent = ask_as_bob(JwtAuth(claims_to_headers={"role": "x-role"})).upstream
    assert sent is not None
    assert (sent.consumer, sent.claims) == (BOB, {})
    assert "x-role" not in sent.headers


def test_a_consumer_whose_username_is_anothers_id_does_not_get_the_others_tokens() -> None:
    sent = ask_as_bob(JwtAuth(), Consumer("c-3", username=BOB.id)).upstream
    assert sent is not None
    assert sent.consumer == BOB


def test_what_a_plugin_writes_into_the_claims_does_not_reach_the_next_request(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks(KEY.row()))
    issuer = Issuer.model_validate({"issuer": "i", "jwks": str(tmp_path / "jwks.json")})
    text = KEY.token({"iss": "i", "sub": "alice", "exp": time.time() + 60})
    first, second = (Request(headers={"authorization": f"Bearer {text}"}) for _ in range(2))
    plugin = JwtAuth(issuers=[issuer])

    async def main() -> None:
        await plugin.start(Runtime())
        plugin.on_request(first)
        cast("dict[str, str]", first.claims)["role"] = "admin"
        plugin.on_request(second)

    asyncio.run(main())
    assert first.claims["sub"] == second.claims["sub"] == "alice"
    assert "role" not in second.claims


@pytest.mark.parametrize(("padding", "asked"), [(10, 1), (LONGEST, 2)])
def test_long_tokens_do_not_fill_the_memory(padding: int, asked: int) -> None:
    kids: list[str | None] = []

    class Keys(RemoteKeys):
        def find(self, kid: str | None, algorithm: str) -> Any:
            kids.append(kid)
            return super().find(kid, algorithm)

    keys = Keys("https://issuer.example", fetch=_answer)
    asyncio.run(keys.refresh())
    trust = Trust(keys, frozenset(), frozenset({"ES256"}))
    tokens = TokenVerifier({"i": trust}, lambda claims, _: str(claims["iss"]))
    text = KEY.token({"iss": "i", "exp": time.time() + 60, "padding": "x" * padding})
    assert [tokens.verify(text) for _ in range(2)] == ["i"] * 2
    assert len(kids) == asked


async def _answer(_: str) -> bytes:
    return jwks(KEY.row())


async def _fail(_: str) -> bytes:
    raise ValueError("answers with status 403")


def test_the_address_of_keys_is_logged_without_what_may_be_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    keys = RemoteKeys("https://user:hunter2@issuer.example:8443/jwks?token=hunter2#hunter2", fetch=_fail)
    with caplog.at_level(logging.INFO):
        asyncio.run(keys.refresh())
    assert "the keys of https://issuer.example:8443/jwks can't be had (answers with status 403)" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    "claims", [{"sub": " admin"}, {"sub": "admin\t"}, {"role": " admin"}, {"role": ["a,admin", "b"]}]
)
def test_a_claim_that_upstream_would_read_as_another_one_makes_the_token_a_bad_one(
    tmp_path: Path, claims: dict[str, Any]
) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks(KEY.row()))
    issuer = Issuer.model_validate({"issuer": "i", "jwks": str(tmp_path / "jwks.json")})
    text = KEY.token({"iss": "i", "sub": "alice", "exp": time.time() + 60, **claims})
    request = Request(headers={"authorization": f"Bearer {text}"})
    outcome = run(JwtAuth(issuers=[issuer], claims_to_headers={"role": "x-role"}), request)
    assert (outcome.status, outcome.upstream) == (401, None)


@pytest.mark.parametrize("name", ["x_api_key", "x-api_key"])
def test_a_key_in_another_spelling_of_its_header_counts_as_a_key_and_does_not_go_upstream(name: str) -> None:
    people = Consumers([BOB], {"keyauth_credentials": [Credential(BOB, "k-1", {"key": SecretStr("bobs key")})]})
    both = run(KeyAuth(), Request(headers=[("x-api-key", "bobs key"), (name, "evil")]), consumers=people)
    assert (both.status, both.upstream) == (401, None)
    stranger = run(KeyAuth(anonymous="bob"), Request(headers={name: "evil"}), consumers=people).upstream
    assert stranger is not None
    assert name not in stranger.headers
