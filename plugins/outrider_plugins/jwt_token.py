"""One JSON Web Token: a signature, and the claims that it makes good (RFC 7519)."""

import math
from collections.abc import Collection
from dataclasses import dataclass

from outrider_plugins.claims import Claims
from outrider_plugins.jws import Signed, TokenError, json_part
from outrider_plugins.strict_json import is_list


@dataclass(frozen=True, slots=True)
class Token:
    """A token before its signature was checked: nothing in it is true yet."""

    signed: Signed
    issuer: str
    claims: Claims

    @classmethod
    def parse(cls, text: str) -> "Token":
        """Takes a token apart. Raises `TokenError` for anything but the strict form."""
        signed = Signed.parse(text)
        claims = json_part(signed.payload)
        issuer = claims.get("iss")
        if not isinstance(issuer, str) or not isinstance(claims.get("sub", ""), str):
            raise TokenError("iss and sub must be text")
        return cls(signed, issuer, claims)


def check_audience(claims: Claims, audiences: Collection[str]) -> None:
    """Raises `TokenError` unless the token is for one of `audiences`; without any it must be for nobody."""
    if not audiences:
        if "aud" in claims:
            # RFC 7519, section 4.1.3: who is not in it must refuse the token.
            raise TokenError("for somebody else")
        return
    named = claims.get("aud")
    theirs = named if is_list(named) else [named]
    if not any(isinstance(one, str) and one in audiences for one in theirs):
        raise TokenError("for somebody else")


def check_times(claims: Claims, now: float, *, leeway: float, require_exp: bool) -> float | None:
    """When the token ends, in seconds since the epoch. Raises `TokenError` unless it is valid now.

    `leeway` is how far the issuer's clock may differ, in seconds. None: it has no end.
    """
    begin, issued, end = (_date(claims, name) for name in ("nbf", "iat", "exp"))
    if end is None and require_exp:
        raise TokenError("no exp")
    if end is not None and now >= end + leeway:
        raise TokenError("expired")
    if max(begin or now, issued or now) > now + leeway:
        raise TokenError("not valid yet")
    return None if end is None else end + leeway


def _date(claims: Claims, name: str) -> float | None:
    """A NumericDate (RFC 7519, section 2): a number, which neither text nor true is."""
    value = claims.get(name)
    if name not in claims:
        return None
    try:
        date = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:
        date = math.inf
    if not math.isfinite(date):
        raise TokenError(f"{name} is no time")
    return date
