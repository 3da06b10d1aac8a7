"""Key sets: which keys may verify what, and which are left out."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from outrider_plugins.jwks import MOST, is_short, parse_jwks, pem_key, secret_key
from outrider_plugins.jws import Signed
from signing import SECRET, Signer, b64, jwks

RSA, EC, ED, HS = (Signer(algorithm) for algorithm in ("RS256", "ES256", "EdDSA", "HS256"))
ALL_RSA = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
NOTHING: set[str] = set()
SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is refused


def algorithms(row: dict[str, Any]) -> set[str]:
    """What a key in a set may verify; nothing if it is left out."""
    keys = parse_jwks(jwks(row, Signer("ES512", "other").row()))
    names = {*ALL_RSA, "HS256", "HS384", "HS512", "ES256", "ES384", "ES512", "EdDSA"}
    return {name for name in names if any(key.kid != "other" for key in keys.find(None, name))}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (RSA.row(), ALL_RSA),
        (RSA.row(alg="PS384"), {"PS384"}),
        (RSA.row(alg="ES256"), NOTHING),
        (RSA.row(alg="HS256"), NOTHING),
        (RSA.row(alg="none"), NOTHING),
        (RSA.row(alg=["RS256"]), NOTHING),
        (EC.row(), {"ES256"}),
        (EC.row(alg="ES384"), NOTHING),
        (Signer("ES384").row(), {"ES384"}),
        (Signer("ES512").row(), {"ES512"}),
        (EC.row(crv="secp256k1"), NOTHING),
        (ED.row(), {"EdDSA"}),
        (Signer("EdDSA", number=448).row(), {"EdDSA"}),
        (ED.row(crv="X25519"), NOTHING),
        (ED.row(kty="EC", crv="Ed25519"), NOTHING),
        (HS.row(), {"HS256", "HS384", "HS512"}),
        (HS.row(alg="HS256"), {"HS256"}),
        (HS.row(k=b64(SECRET[:48])), {"HS256", "HS384"}),
        (HS.row(k=b64(SECRET[:47])), {"HS256"}),
        (HS.row(k=b64(SECRET[:31])), NOTHING),
        (HS.row(k=""), NOTHING),
    ],
)
def test_a_key_verifies_what_its_kind_and_its_length_allow(row: dict[str, Any], expected: set[str]) -> None:
    assert algorithms(row) == expected


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"use": ""},
        {"use": 1},
        {"key_ops": ["sign"]},
        {"key_ops": []},
        {"key_ops": "verify"},
        {"key_ops": {"verify": 1}},
        {"kid": 1},
        {"kid": ["1"]},
        {"n": "AQAB"},
        {"n": 1},
        {"n": "????"},
        {"e": "AQ"},
        {"e": "Ag"},
        {"e": None},
        {"kty": "rsa"},
        {"kty": None},
        {"kty": ["RSA"]},
        {"kty": {"RSA": 1}},
    ],
)
def test_a_key_for_something_else_or_of_no_use_is_left_out(members: dict[str, Any]) -> None:
    assert algorithms(RSA.row(**members)) == set()


@pytest.mark.parametrize(
    "members", [{"use": "sig"}, {"key_ops": ["verify"]}, {"key_ops": ["sign", "verify"]}, {"x": 1}]
)
def test_a_key_for_verifying_is_used(members: dict[str, Any]) -> None:
    assert algorithms(RSA.row(**members)) == ALL_RSA


def test_a_point_that_is_not_on_the_curve_is_no_key() -> None:
    assert algorithms(EC.row(y=EC.row()["x"])) == set()


def test_an_rsa_key_below_2048_bits_is_left_out() -> None:
    modulus = SMALL.public_key().public_numbers().n
    assert algorithms(RSA.row(n=b64(modulus.to_bytes(128, "big")))) == NOTHING


@pytest.mark.parametrize("signer", [RSA, EC, ED], ids=lambda signer: signer.algorithm)
def test_a_private_key_that_stands_in_the_set_by_mistake_verifies(signer: Signer) -> None:
    private: dict[str, Any] = jwt.get_algorithm_by_name(signer.algorithm).to_jwk(signer.private, as_dict=True)
    private.pop("key_ops", None)
    keys = parse_jwks(jwks(private))
    signed = Signed.parse(signer.token(b"{}"))
    signed.verify(keys.find(signed.kid, signed.algorithm))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is no JSON"),
        (b"<html>", "is no JSON"),
        (b"\xff\xfe\xfd", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", 'has no list "keys"'),
        (b"null", 'has no list "keys"'),
        (b"{}", 'has no list "keys"'),
        (b'{"keys": {}}', 'has no list "keys"'),
        (json.dumps(RSA.row()), 'has no list "keys"'),
        (b'{"keys": []}', "no key that can verify"),
        (b'{"keys": [null, 1, "a", [], {}]}', "no key that can verify"),
        (jwks(RSA.row(use="enc")), "no key that can verify"),
        (jwks(*[EC.row()] * (MOST + 1)), "has 101 keys, more than 100"),
    ],
)
def test_what_is_no_key_set_says_so(text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_jwks(text)


def test_the_good_keys_of_a_set_are_used_whatever_the_others_are() -> None:
    keys = parse_jwks(jwks({"kty": "future"}, RSA.row(kid="a", use="enc"), EC.row(kid="b"), {"kty": "EC"}))
    assert [key.kid for key in keys.find(None, "ES256")] == ["b"]


def test_a_key_is_found_by_its_id() -> None:
    keys = parse_jwks(jwks(EC.row(kid="a"), Signer("ES256", "b", number=1).row(), ED.row(kid="a")))
    assert [key.kid for key in keys.find("a", "ES256")] == ["a"]
    assert keys.find("c", "ES256") == []
    assert keys.find("", "ES256") == []


@pytest.mark.parametrize("algorithm", ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"])
def test_a_public_key_may_be_pem(algorithm: str) -> None:
    signer = Signer(algorithm)
    Signed.parse(signer.token(b"{}")).verify([pem_key(signer.pem(), algorithm)])


def test_a_private_key_as_pem_verifies_too() -> None:
    pem = RSA.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    Signed.parse(RSA.token(b"{}")).verify([pem_key(pem, "RS256")])


@pytest.mark.parametrize(
    ("pem", "algorithm", "message"),
    [
        (EC.pem(), "RS256", "rsa_public_key is no public key for RS256"),
        (EC.pem(), "ES384", "rsa_public_key is no public key for ES384"),
        (RSA.pem(), "ES256", "rsa_public_key is no public key for ES256"),
        (RSA.pem(), "EdDSA", "rsa_public_key is no public key for EdDSA"),
        ("hunter2", "RS256", "rsa_public_key is no public key for RS256"),
        ("", "ES256", "rsa_public_key is no public key for ES256"),
        (
            SMALL.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
            "PS256",
            "rsa_public_key has 1024 bits, PS256 needs 2048",
        ),
    ],
)
def test_a_pem_that_does_not_fit_says_so_without_showing_it(pem: str, algorithm: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        pem_key(pem, algorithm)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("secret", ["", RSA.pem(), EC.pem(), json.dumps(RSA.row())])
def test_what_everybody_knows_is_no_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="can't be a secret for HS256"):
        secret_key(secret, "HS256")


@pytest.mark.parametrize(("algorithm", "least"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_secret_should_be_as_long_as_the_digest(algorithm: str, least: int) -> None:
    assert is_short("a" * (least - 1), algorithm)
    assert not is_short("a" * least, algorithm)
