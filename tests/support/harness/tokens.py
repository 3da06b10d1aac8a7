"""Issuers of tokens as a gateway knows them: a name, and the key set that verifies what they sign."""

import time
from typing import Any

import jwt

from signing import SECRET, Signer, b64, jwks


def in_a_day() -> int:
    """A time that no run of the tests lives to see, also where a token is made long before its test."""
    return int(time.time()) + 86_400


class Issuer:
    """Somebody who signs tokens with one algorithm; another `number` is another key under the same name."""

    def __init__(self, algorithm: str, number: int = 0) -> None:
        self.name = f"https://{algorithm.lower()}.example"
        self.algorithm = algorithm
        self._signer = Signer(algorithm, f"{algorithm}-1", number=number)

    def token(self, **claims: Any) -> str:
        """A good token for alice; a claim that is None is left out."""
        usual = {"iss": self.name, "sub": "alice", "exp": in_a_day()}
        return self._signer.token({name: value for name, value in {**usual, **claims}.items() if value is not None})

    def jwks(self) -> str:
        """The key set that verifies its tokens."""
        return jwks(self._signer.row(use="sig", alg=self.algorithm)).decode()

    def confused_token(self) -> str:
        """A token with HS256 whose secret is the public key."""
        signer = Signer("HS256", self._signer.kid)
        signer.private = self._signer.pem().encode()
        return signer.token({"iss": self.name, "sub": "alice", "exp": in_a_day()})


def alices_own(**claims: Any) -> str:
    """A token signed with the secret of a consumer."""
    return Signer("HS256").token({"iss": "alices-own", "exp": in_a_day(), **claims})


ALICES_SECRET = SECRET.decode()


def unsigned(**claims: Any) -> str:
    """A token with the algorithm `none`."""
    return jwt.encode({"sub": "alice", "exp": in_a_day(), **claims}, "", algorithm="none")


def with_payload(token: str, payload: bytes) -> str:
    """The same token with another payload under the old signature."""
    header, _, signature = token.split(".")
    return ".".join([header, b64(payload), signature])
