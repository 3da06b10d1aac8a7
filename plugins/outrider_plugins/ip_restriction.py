"""The plugin ip-restriction: who may call, by address."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from outrider import Needs, Plugin, Refusal, Request, Runtime
from outrider_plugins.networks import Networks, Ranges, client_address


class IpRestriction(Plugin):
    """Lets requests in by the address of their client; deny wins over allow.

    Entries are addresses and CIDR ranges of both versions. An IPv4-mapped IPv6 address counts as the IPv4 address in
    it. A client without an IP address is refused.
    """

    priority: ClassVar[int] = 1900

    allow: Networks | None = None
    """Who is let in, and nobody else; null for all that `deny` leaves."""
    deny: Networks | None = None
    """Who is refused, even if `allow` has them too."""
    status: int = Field(default=403, ge=400, le=599)
    """The status of a refusal."""
    message: str = "Your address is not allowed"
    """The message of a refusal."""

    @model_validator(mode="after")
    def _has_a_list(self) -> Self:
        if self.allow is None and self.deny is None:
            raise ValueError("restricts nobody: give allow, deny or both")
        return self

    def needs(self) -> Needs:
        return Needs(facts=frozenset({"client"}))

    async def start(self, _: Runtime, /) -> None:
        self._allowed = None if self.allow is None else Ranges(self.allow)
        self._denied = Ranges(self.deny or ())

    def on_request(self, request: Request, /) -> Refusal | None:
        address = client_address(request.client)
        if address is None or address in self._denied or not (self._allowed is None or address in self._allowed):
            return Refusal(self.status, self.message)
        return None
