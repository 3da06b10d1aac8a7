"""What an attack on a token is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from harness.attacked import World, world
from harness.careless import Believer, checks_nothing_else

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sent:
    """What a request carries."""

    token: str
    """The token in the middle of it, which a careless verifier would believe."""
    headers: Fields = ()
    query: str = ""


@dataclass(frozen=True)
class Attack:
    """One way to get in without having been let in.

    `make` gives the token, which goes into `authorization`, or all that is sent. `believed_by` shows that the attack
    is none against an open door: a verifier that lacks this one check believes the token.
    """

    name: str
    known: str
    """Where it was seen or is written of."""
    stopped_by: str
    make: "Callable[[World], str | Sent]" = field(repr=False)
    believed_by: Believer = checks_nothing_else
    route: str = "attacked"
    seen: bool = True
    """Whether it is a token at all by RFC 6750: what is not may go upstream with a stranger."""


@cache
def sent(attack: Attack) -> Sent:
    """What an attack sends to the world of this process."""
    made = attack.make(world())
    return bearer(made) if isinstance(made, str) else made


def bearer(token: str, *headers: tuple[str, str]) -> Sent:
    """The usual place."""
    return Sent(token, (("authorization", f"Bearer {token}"), *headers))
