"""jwt-auth: issuers that belong to a consumer, from its `jwt_secrets`."""

import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from outrider import Consumer, Consumers, Credential, Request
from outrider.testing import Outcome, run
from outrider_plugins.jwt_auth import JwtAuth
from outrider_plugins.jwt_issuer import Issuer
from signing import SECRET, Signer, jwks

BOB = Consumer("c-2", username="bob")
ALICE = Consumer("c-1", username="alice")
SECRETS: dict[str, Any] = {"algorithm": "HS256", "secret": SecretStr(SECRET.decode())}
HS = Signer("HS256", "any")


def ask(plugin: JwtAuth, signer: Signer, issuer: str, secrets: dict[str, dict[str, Any]], **claims: Any) -> Outcome:
    """What comes of a token, where the secrets are bob's by the name of their issuer."""
    rows = [Credential(BOB, f"secret-of-{name}", {"key": name, **fields}) for name, fields in secrets.items()]
    people = Consumers([ALICE, BOB], {"jwt_secrets": rows})
    text = signer.token({"iss": issuer, "sub": "alice", "exp": time.time() + 600, **claims})
    return run(plugin, Request(headers={"authorization": f"Bearer {text}"}), consumers=people)


@pytest.mark.parametrize("name", ["bob-app", "https://bob.example"])
def test_a_good_token_is_its_owners_whatever_it_says(name: str) -> None:
    sent = ask(JwtAuth(), HS, name, {name: SECRETS}).upstream
    assert sent is not None
    assert (sent.consumer, sent.credential) == (BOB, f"secret-of-{name}")
    assert sent.headers["x-consumer-username"] == "bob"
    assert sent.headers["x-credential-identifier"] == f"secret-of-{name}"


@pytest.mark.parametrize(
    ("signer", "issuer", "claims"),
    [
        (HS, "https://issuer.example", {}),
        (HS, "other", {}),
        (HS, "app", {"aud": "orders"}),
        (HS, "app", {"exp": 1}),
        (Signer("HS512"), "app", {}),
        (Signer("HS256", number=1), "app", {}),
        (Signer("RS256"), "app", {}),
    ],
)
def test_any_other_token_is_refused(signer: Signer, issuer: str, claims: dict[str, Any]) -> None:
    assert ask(JwtAuth(), signer, issuer, {"app": SECRETS}, **claims).status == 401


@pytest.mark.parametrize("algorithm", ["RS256", "PS512", "ES384", "EdDSA"])
def test_the_key_may_be_a_public_one_which_is_then_no_secret(algorithm: str) -> None:
    signer, forger = Signer(algorithm), Signer("HS256")
    forger.private = signer.pem().encode()
    secrets = {"app": {"algorithm": algorithm, "rsa_public_key": signer.pem()}}
    assert ask(JwtAuth(), signer, "app", secrets).status == 200
    assert ask(JwtAuth(), forger, "app", secrets).status == 401


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"algorithm": "RS256", "rsa_public_key": "hunter2"}, "rsa_public_key is no public key for RS256"),
        ({"algorithm": "HS256", "secret": SecretStr("")}, "secret can't be a secret for HS256"),
    ],
)
def test_a_key_that_is_none_is_refused_without_showing_it(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"jwt_secrets of bob: {message}") as caught:
        ask(JwtAuth(), HS, "app", {"app": fields})
    assert "hunter2" not in str(caught.value)


def test_a_short_secret_is_taken_with_a_warning_that_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    signer = Signer("HS256")
    signer.private = b"hunter2"
    assert (
        ask(JwtAuth(), signer, "app", {"app": {"algorithm": "HS256", "secret": SecretStr("hunter2")}}).status == 200
    )
    assert "a secret in jwt_secrets of bob is shorter than HS256 wants it" in caplog.text
    assert "hunter2" not in caplog.text


def test_two_issuers_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks(Signer("ES256").row()))
    plugin = JwtAuth(issuers=[Issuer.model_validate({"issuer": "app", "jwks": str(tmp_path / "jwks.json")})])
    with pytest.raises(ValueError, match="a jwt_secrets key of bob is 'app', which another issuer is called"):
        ask(plugin, HS, "app", {"app": SECRETS})
