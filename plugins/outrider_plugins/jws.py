"""One JSON Web Signature in its compact form: taken apart strictly, verified by PyJWT (RFC 7515)."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from outrider_plugins.jwks import ALGORITHMS, Key
from outrider_plugins.strict_json import json_object

LIMIT = 16 * 1024
"""The longest token that is looked at, in characters."""

# The last character of unpadded base64url may carry bits that mean nothing: two spellings of one signature.
_PART = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?")


class TokenError(Exception):
    """The token is not valid. Says why, for tests and nobody else: strangers learn nothing from it."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A payload and who may have signed it. Nothing in it is true before `verify`."""

    algorithm: str
    kid: str | None
    type: str
    """What kind of token it says it is, as `token_type` spells it; empty if it does not say."""
    payload: bytes
    _input: bytes = field(repr=False)
    _signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Signed":
        """Takes the compact form apart. Raises `TokenError` for anything but the strict form."""
        parts = text.split(".", 3)
        if len(text) > LIMIT or len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
            raise TokenError("not three parts of base64url")
        header = json_part(_decoded(parts[0]))
        if "crit" in header or "b64" in header:
            # RFC 7515, section 4.1.11: an extension that we do not know must be refused.
            raise TokenError("a critical extension")
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
        if not isinstance(algorithm, str) or not isinstance(kid, str | None) or not isinstance(kind, str):
            raise TokenError("alg, kid and typ must be text")
        signed, _, signature = text.rpartition(".")
        return cls(algorithm, kid, token_type(kind), _decoded(parts[1]), signed.encode(), _decoded(signature))

    def verify(self, keys: Iterable[Key]) -> None:
        """Raises `TokenError` unless one of the keys, made for the algorithm, signed it."""
        for key in keys:
            if self.algorithm in key.algorithms and self._is_by(key):
                return
        raise TokenError("no key verifies it")

    def _is_by(self, key: Key) -> bool:
        return ALGORITHMS[self.algorithm].verify(self._input, key.material, self._signature)


def token_type(name: str) -> str:
    """A type as it is compared: a media type in any case, without `application/` (RFC 7515, section 4.1.9)."""
    return name.lower().removeprefix("application/")


def json_part(raw: bytes) -> dict[str, Any]:
    """One part of a token as JSON. Raises `TokenError`."""
    try:
        return json_object(raw)
    except ValueError as error:
        raise TokenError(str(error)) from error


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
