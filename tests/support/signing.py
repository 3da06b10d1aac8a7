"""Tokens of any shape, good and bad, and the keys that belong to them."""

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ALGORITHMS = [f"{kind}{bits}" for kind in ("HS", "RS", "PS", "ES") for bits in (256, 384, 512)] + ["EdDSA"]
_KINDS = {"HS": "secret", "RS": "RSA", "PS": "RSA"}
SECRET = b"a secret of sixty-four bytes, which is what HS512 wants at least"


class Signer:
    """A key, its row in a JWKS, and the tokens that it signs; another `number` makes another key."""

    def __init__(self, algorithm: str, kid: str | None = "1", *, number: int = 0) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.private: Any = _key(_KINDS.get(algorithm[:2], algorithm), number)

    def row(self, **members: Any) -> dict[str, Any]:
        """The public key as a JWK; a member that is None is left out."""
        public = self.private if isinstance(self.private, bytes) else self.private.public_key()
        described: dict[str, Any] = jwt.get_algorithm_by_name(self.algorithm).to_jwk(public, as_dict=True)
        described.pop("key_ops", None)
        row = {**described, "kid": self.kid, **members}
        return {name: value for name, value in row.items() if value is not None}

    def pem(self) -> str:
        encoded: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return encoded.decode()

    def token(self, claims: Mapping[str, Any] | bytes, **header: Any) -> str:
        """A signed token; a header that is None is left out."""
        whole = {"alg": self.algorithm, "kid": self.kid, **header}
        kept = {name: value for name, value in whole.items() if value is not None}
        return self.sign(
            json.dumps(kept).encode(), claims if isinstance(claims, bytes) else json.dumps(claims).encode()
        )

    def sign(self, header: bytes, payload: bytes) -> str:
        """A good signature over whatever is given."""
        return self.sign_text(f"{b64(header)}.{b64(payload)}")

    def sign_text(self, text: str) -> str:
        return f"{text}.{b64(jwt.get_algorithm_by_name(self.algorithm).sign(text.encode(), self.private))}"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def jwks(*rows: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": rows}).encode()


@cache
def _key(kind: str, number: int) -> Any:
    match kind:
        case "secret":
            return SECRET + b"!" * number
        case "RSA":
            return rsa.generate_private_key(65537, 2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ES512":
            return ec.generate_private_key(ec.SECP521R1())
        case _:
            return ed448.Ed448PrivateKey.generate() if number == 448 else ed25519.Ed25519PrivateKey.generate()
