"""Makes tokens that an issuer has well signed, whatever they say."""

import json
from collections.abc import Callable
from typing import Any

from harness.attacked import World

Make = Callable[[World], str]


def saying(issuer: str, /, **claims: Any) -> Make:
    """A good token but for these claims."""
    return lambda world: world[issuer].signed(**claims)


def without(claim: str, issuer: str = "ES256") -> Make:
    def make(world: World) -> str:
        party = world[issuer]
        kept = {name: value for name, value in party.claims().items() if name != claim}
        return party.signer.token(kept, typ=party.typ)

    return make


def headed(issuer: str = "ES256", /, **header: Any) -> Make:
    """A good token but for its header."""
    return lambda world: world[issuer].signed(header)


def spelled(edit: Callable[[str], str | bytes], encoding: str = "utf-8") -> Make:
    """A good token whose claims are written otherwise before they are signed."""

    def make(world: World) -> str:
        party = world["ES256"]
        changed = edit(json.dumps(party.claims()))
        return party.signer.token(changed if isinstance(changed, bytes) else changed.encode(encoding))

    return make


def with_member(member: str) -> Make:
    """One more member, as text, behind the others."""
    return spelled(lambda text: f"{text[:-1]}, {member}}}")


def with_member_bytes(member: bytes) -> Make:
    return spelled(lambda text: text.encode()[:-1] + b", " + member + b"}")


def with_header(header: str) -> Make:
    """A header as text."""

    def make(world: World) -> str:
        party = world["ES256"]
        return party.signer.sign(header.encode(), json.dumps(party.claims()).encode())

    return make


def with_number(claim: str, number: str) -> Make:
    """A claim with a number as no JSON writer would write it."""
    return spelled(
        lambda text: json.dumps({**json.loads(text), claim: 0}).replace(f'"{claim}": 0', f'"{claim}": {number}')
    )


def nested(world: World) -> str:
    """A good token inside of another one, which claims to be a JWT of a JWT (RFC 7519, section 5.2)."""
    inner = world["ES256"].signed()
    return world["ES256"].signer.token(inner.encode(), cty="JWT")
