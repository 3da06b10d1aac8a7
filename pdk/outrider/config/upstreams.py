"""The upstreams of the file with their targets, as the rest of Outrider sees them."""

from dataclasses import dataclass
from typing import Literal

from outrider.config.certificates import Certificate
from outrider.config.entities import TargetEntry, UpstreamEntry
from outrider.config.entities.health import HealthChecks
from outrider.config.field_types import is_address
from outrider.config.ids import derived_id
from outrider.config.upstream_types import HashKind, split_host

PORT = 8000
"""The port of a target that names none."""


@dataclass(frozen=True, slots=True)
class Target:
    """One address of an upstream."""

    host: str
    port: int
    weight: int = 100
    id: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def is_address(self) -> bool:
        """Whether the host is an address, and no name to look up."""
        return is_address(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Hash:
    """One thing of a request that is hashed, with its name where it needs one."""

    kind: HashKind
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """Several addresses under one name."""

    name: str
    id: str
    algorithm: Literal["round-robin", "least-connections", "consistent-hashing"]
    slots: int
    hashes: tuple[Hash, ...]
    """What is hashed, and what in its absence; empty where nothing is."""
    cookie_path: str
    host_header: str | None
    healthchecks: HealthChecks
    targets: tuple[Target, ...]
    client_certificate: Certificate | None = None
    tags: tuple[str, ...] = ()
    line: int = 0


def target_of(entry: TargetEntry) -> Target:
    host, port = split_host(entry.target)
    return Target(host, port or PORT, entry.weight, entry.id, tuple(entry.tags))


def upstream_of(
    entry: UpstreamEntry, targets: tuple[Target, ...], certificate: Certificate | None, line: int
) -> Upstream:
    hashes = tuple(hash_ for field in ("hash_on", "hash_fallback") if (hash_ := _hash(entry, field)) is not None)
    return Upstream(
        name=entry.name,
        id=entry.id or derived_id("upstreams", entry.name),
        algorithm=entry.algorithm or ("consistent-hashing" if hashes else "round-robin"),
        slots=entry.slots,
        hashes=hashes,
        cookie_path=entry.hash_on_cookie_path,
        host_header=entry.host_header,
        healthchecks=entry.healthchecks,
        targets=targets,
        client_certificate=certificate,
        tags=tuple(entry.tags),
        line=line,
    )


def _hash(entry: UpstreamEntry, field: str) -> Hash | None:
    kind: HashKind = getattr(entry, field)
    if kind == "none":
        return None
    name = entry.hash_on_cookie if kind == "cookie" else getattr(entry, f"{field}_{kind}", None)
    return Hash(kind, name)
