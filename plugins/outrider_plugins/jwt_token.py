"""One JSON Web Token: taken apart strictly, verified by PyJWT (RFC 7515, RFC 7519)."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import jwt

from outrider_plugins.jwks import Key

LIMIT = 16 * 1024
"""The longest token that is looked at, in characters."""

# The last character of unpadded base64url may carry bits that mean nothing: two spellings of one signature.
_PART = re.compile(r"(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?")


class TokenError(Exception):
    """The token is not valid. Says why, for tests and nobody else: strangers learn nothing from it."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token before its signature was checked: nothing in it is true yet."""

    text: str
    algorithm: str
    kid: str | None
    issuer: str

    @classmethod
    def parse(cls, text: str) -> "Token":
        """Takes a token apart. Raises `TokenError` for anything but the strict form."""
        parts = text.split(".")
        if len(text) > LIMIT or len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
            raise TokenError("not three parts of base64url")
        header, claims = _object(parts[0]), _object(parts[1])
        if "crit" in header or "b64" in header:
            # RFC 7515, section 4.1.11: an extension that we do not know must be refused.
            raise TokenError("a critical extension")
        algorithm, kid, issuer = header.get("alg"), header.get("kid"), claims.get("iss", "")
        if not isinstance(algorithm, str) or not isinstance(kid, str | None) or not isinstance(issuer, str):
            raise TokenError("alg, kid and iss must be text")
        return cls(text, algorithm, kid, issuer)

    def verify(
        self, keys: Iterable[Key], audiences: Collection[str], *, leeway: float, require_exp: bool
    ) -> Mapping[str, Any]:
        """The claims, if one of the keys signed them and now is within their times. Raises `TokenError`."""
        for key in keys:
            try:
                return jwt.decode(
                    self.text,
                    key.material,
                    algorithms=[self.algorithm],
                    audience=list(audiences) or None,
                    leeway=leeway,
                    options={"require": ["exp"] if require_exp else []},
                )
            except jwt.InvalidSignatureError:
                continue
            except Exception as error:
                raise TokenError(type(error).__name__) from error
        raise TokenError("no key verifies it")


def _object(part: str) -> dict[str, Any]:
    try:
        raw = urlsafe_b64decode(part + "=" * (-len(part) % 4))
        value: Any = json.loads(raw.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise TokenError("no JSON in base64url") from error
    if not isinstance(value, dict):
        raise TokenError("no JSON object")
    return cast("dict[str, Any]", value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 7519, section 4: with a name twice, two readers can see two tokens.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TokenError("a name that stands twice")
    return found
