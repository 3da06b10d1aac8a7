"""What may be let in of any text, by the RFCs and docs/plugins/jwt-auth.md; it shares nothing with the plugin."""

import base64
import json
import re
import sys
import time
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import from_json

from harness.attacked import ALGORITHMS, Party, world
from harness.careless import verifies
from outrider_plugins.strict_json import is_list
from signing import Signer, b64

OWN = "alices-own"
PARTIES = (*ALGORITHMS, "orders", OWN)


def _own() -> Party:
    alice = Party("HS256", name=OWN)
    alice.signer = Signer("HS256", None)
    return alice


def party(name: str) -> Party:
    """Who signs tokens that may be let in."""
    return _own() if name == OWN else world()[name]


@dataclass(frozen=True)
class Good:
    """What a token that may be let in says."""

    credential: str
    consumer: str | None


class BadError(Exception):
    """The token may not be let in, for this reason."""


def judge(token: str) -> Good:
    """What a token proves. Raises `BadError`."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > 16 * 1024:
        raise BadError("form")
    header, claims = (_object(_bytes(part)) for part in parts[:2])
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in (names := {party(name).name: name for name in PARTIES}):
        raise BadError("issuer")
    _judge_signature(header, party(names[issuer]), token)
    _judge_claims(header, claims, is_orders=names[issuer] == "orders")
    if issuer == OWN:
        return Good("", "alice")
    told = claims.get("sub", issuer)
    if any(_is_control(text) for text in (told, claims.get("email", ""))):
        raise BadError("header")
    return Good(told, told if told in ("alice", "guest") else None)


def _bytes(part: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9_-]*", part, re.ASCII) or len(part) % 4 == 1:
        raise BadError("base64")
    raw = base64.b64decode(part.replace("-", "+").replace("_", "/") + "==")
    if b64(raw) != part:
        raise BadError("spelling")
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    pairs: list[str] = []

    def count(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs.extend(name for name, _ in found)
        return dict(found)

    try:
        value = from_json(raw, allow_inf_nan=False)
        json.loads(raw, object_pairs_hook=count)
    except ValueError:
        raise BadError("json") from None
    if not isinstance(value, dict) or _members(value) != len(pairs):
        raise BadError("object")
    return cast("dict[str, Any]", value)


def _members(value: Any) -> int:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return len(members) + sum(map(_members, members.values()))
    return sum(map(_members, _list(value))) if isinstance(value, list) else 0


def _list(value: Any) -> list[Any]:
    """A list, or the only item of one."""
    return value if is_list(value) else [value]


def _judge_signature(header: dict[str, Any], issuer: Party, token: str) -> None:
    if {"crit", "b64"} & header.keys() or header.get("alg") != issuer.algorithm:
        raise BadError("header")
    if not isinstance(header.get("typ", ""), str) or not isinstance(header.get("kid"), str | None):
        raise BadError("header")
    if None not in (header.get("kid"), issuer.signer.kid) and header["kid"] != issuer.signer.kid:
        raise BadError("kid")
    signed, _, signature = token.rpartition(".")
    if not verifies(issuer.algorithm, issuer.signer.private, signed.encode(), _bytes(signature)):
        raise BadError("signature")


def _judge_claims(header: dict[str, Any], claims: dict[str, Any], *, is_orders: bool) -> None:
    now = time.time()
    if is_orders and header.get("typ", "").lower() not in ("at+jwt", "application/at+jwt"):
        raise BadError("type")
    if "orders" not in _list(claims.get("aud")) if is_orders else "aud" in claims:
        raise BadError("audience")
    if not isinstance(claims.get("sub", ""), str):
        raise BadError("subject")
    times = {name: claims[name] for name in ("exp", "nbf", "iat") if name in claims}
    if any(type(value) not in (int, float) or abs(value) > sys.float_info.max for value in times.values()):
        raise BadError("time")
    if times.get("exp", 0) <= now or max(times.get("nbf", 0), times.get("iat", 0)) > now:
        raise BadError("expired")


def _is_control(value: Any) -> bool:
    return any(re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text) for text in _list(value))
