"""Several addresses of one service, and how requests are spread over them."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from outrider.config.entities.base import Entity, Reference, Text
from outrider.config.entities.health import HealthChecks
from outrider.config.field_types import refusal
from outrider.config.upstream_types import (
    Algorithm,
    CookieName,
    HashKind,
    HostHeader,
    NoSrv,
    PlainPath,
    TargetAddress,
    UpstreamName,
)
from outrider.fields import HeaderName

_NAMED = ("header", "cookie", "query_arg", "uri_capture")


class TargetEntry(Entity):
    """One address of an upstream."""

    target: TargetAddress
    """HOST, HOST:PORT or an address; the port is 8000 if none is given."""
    weight: Annotated[int, Field(ge=0, le=65535)] = 100
    """How large its share of the requests is; 0 sends it none."""
    upstream: Reference | None = None
    """The upstream, for a target that does not stand under one."""


class UpstreamEntry(Entity):
    """Several addresses under one name, which a service gives as its host."""

    name: UpstreamName
    """The name, unique in the file; a service whose host it is goes to the targets."""
    algorithm: Algorithm | None = None
    """How a target is chosen: in turn (the default), the one with the fewest requests, or by a hash (the default
    where there is `hash_on`)."""
    slots: Annotated[int, Field(ge=10, le=65536)] = 10_000
    """The points of the ring for consistent hashing, over all targets."""
    hash_on: HashKind = "none"
    """What is hashed: requests that have the same go to the same target."""
    hash_fallback: HashKind = "none"
    """What is hashed of requests that have not that."""
    hash_on_header: HeaderName | None = None
    """The header to hash."""
    hash_fallback_header: HeaderName | None = None
    """The header to hash in its absence."""
    hash_on_cookie: CookieName | None = None
    """The cookie to hash; a client without it is given one."""
    hash_on_cookie_path: PlainPath = "/"
    """The path of the cookie that is given."""
    hash_on_query_arg: Text | None = None
    """The argument of the query to hash."""
    hash_fallback_query_arg: Text | None = None
    """The argument of the query to hash in its absence."""
    hash_on_uri_capture: Text | None = None
    """The part of the path to hash, by its number or name in the route's regular expression; Kong's alone."""
    hash_fallback_uri_capture: Text | None = None
    """The part of the path to hash in its absence; Kong's alone."""
    host_header: HostHeader | None = None
    """The host that targets are asked for. The default is the target's own."""
    client_certificate: Reference | None = None
    """The certificate to show to targets, by its id, where the service has none."""
    use_srv_name: NoSrv = False
    """Kong's alone; false."""
    healthchecks: HealthChecks = HealthChecks()
    """How ill targets are found."""
    targets: list[TargetEntry] = []
    """The addresses."""

    @model_validator(mode="after")
    def _hashes(self) -> Self:
        for field, kind in (("hash_on", self.hash_on), ("hash_fallback", self.hash_fallback)):
            name = "hash_on_cookie" if kind == "cookie" else f"{field}_{kind}"
            if kind in _NAMED and getattr(self, name) is None:
                raise refusal(f"has {field} {kind} without {name}", f"add {name}")
        if self.hash_fallback != "none" and self.hash_on in ("none", "cookie"):
            what = f"has hash_fallback, which never comes into play with hash_on {self.hash_on}"
            raise refusal(what, "remove hash_fallback")
        self._differ()
        return self

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.algorithm == "consistent-hashing" and self.hash_on == "none":
            raise refusal("has nothing to hash", "add hash_on, as in hash_on: ip")
        if self.algorithm not in (None, "consistent-hashing") and self.hash_on != "none":
            raise refusal(f"hashes, and {self.algorithm} does not", "write consistent-hashing, or remove hash_on")
        return self

    def _differ(self) -> None:
        kind = self.hash_fallback
        twice = kind == self.hash_on and kind != "none"
        if twice and (kind not in _NAMED or _named(self, "hash_on", kind) == _named(self, "hash_fallback", kind)):
            raise refusal(f"has {kind} for hash_on and for hash_fallback", "hash something else, or remove one")


def _named(entry: UpstreamEntry, field: str, kind: str) -> str | None:
    name: str | None = getattr(entry, f"{field}_{kind}")
    return name
