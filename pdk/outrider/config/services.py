"""The services of the file, as the rest of Outrider sees them."""

from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from outrider.config.entities import ServiceEntry
from outrider.config.ids import derived_id

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Service:
    """An upstream. Times are in milliseconds."""

    name: str
    id: str
    protocol: Literal["http", "https"]
    host: str
    port: int
    path: str | None
    """Stands before the path of every request."""
    connect_timeout: int
    write_timeout: int
    read_timeout: int
    retries: int
    tags: tuple[str, ...] = ()
    line: int = 0


def service_of(entry: ServiceEntry, line: int) -> Service:
    parts = urlsplit(entry.url) if entry.url else None
    protocol = cast("Any", parts.scheme) if parts else entry.protocol
    port = parts.port if parts else entry.port
    return Service(
        name=entry.name,
        id=entry.id or derived_id("services", entry.name),
        protocol=protocol,
        host=(parts.hostname if parts else entry.host) or "",
        port=port or _PORTS[protocol],
        path=(parts.path or None) if parts else entry.path,
        connect_timeout=entry.connect_timeout,
        write_timeout=entry.write_timeout,
        read_timeout=entry.read_timeout,
        retries=entry.retries,
        tags=tuple(entry.tags),
        line=line,
    )
