"""Signed tokens, and the key sets that verify them."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SECRET = "a-shared-secret-of-forty-nine-bytes-for-the-tests"


class Issuer:
    """Somebody who signs tokens with one algorithm."""

    def __init__(self, algorithm: str, name: str = "") -> None:
        self.name = name or f"https://{algorithm.lower()}.example"
        self.algorithm = algorithm
        self._key: Any = _new_key(algorithm)

    @property
    def kid(self) -> str:
        return f"{self.algorithm}-1"

    def token(self, **claims: Any) -> str:
        """A good token for alice; a claim that is None is left out."""
        usual = {"iss": self.name, "sub": "alice", "exp": int(time.time()) + 600}
        payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(payload, self._key, algorithm=self.algorithm, headers={"kid": self.kid})

    def jwks(self) -> str:
        """The key set that verifies its tokens."""
        return json.dumps({"keys": [{**self._public(), "kid": self.kid, "use": "sig", "alg": self.algorithm}]})

    def _public(self) -> dict[str, Any]:
        if isinstance(self._key, str):
            return {"kty": "oct", "k": base64.urlsafe_b64encode(self._key.encode()).decode().rstrip("=")}
        described: dict[str, Any] = jwt.get_algorithm_by_name(self.algorithm).to_jwk(self._key.public_key(), as_dict=True)
        return {name: value for name, value in described.items() if name != "key_ops"}


def _new_key(algorithm: str) -> Any:
    match algorithm[:2]:
        case "RS" | "PS":
            return rsa.generate_private_key(65537, 2048)
        case "ES":
            return ec.generate_private_key(ec.SECP256R1())
        case "Ed":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            return SECRET


def unsigned(**claims: Any) -> str:
    """A token with the algorithm `none`."""
    return jwt.encode({"sub": "alice", "exp": int(time.time()) + 600, **claims}, None, algorithm="none")


def with_payload(token: str, payload: bytes) -> str:
    """The same token with another payload under the old signature."""
    header, _, signature = token.split(".")
    return ".".join([header, base64.urlsafe_b64encode(payload).decode().rstrip("="), signature])
