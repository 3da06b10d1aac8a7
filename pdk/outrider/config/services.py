"""The services of the file, as the rest of Outrider sees them."""

from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from outrider.config.certificates import Authority, Certificate
from outrider.config.entities import ServiceEntry
from outrider.config.ids import derived_id
from outrider.config.upstream_types import split_host
from outrider.config.upstreams import Upstream

_PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}


@dataclass(frozen=True, slots=True)
class Service:
    """Where requests are forwarded to. Times are in milliseconds."""

    name: str
    id: str
    protocol: Literal["http", "https", "grpc", "grpcs"]
    host: str
    """A host name, an address, or the name of `upstream`."""
    port: int
    path: str | None
    """Stands before the path of every request."""
    connect_timeout: int
    write_timeout: int
    read_timeout: int
    retries: int
    tags: tuple[str, ...] = ()
    line: int = 0
    upstream: Upstream | None = None
    """The targets, where the host is an upstream's name."""
    client_certificate: Certificate | None = None
    """What is shown to upstream: the service's own, else the upstream's."""
    tls_verify: bool | None = None
    tls_verify_depth: int | None = None
    authorities: tuple[Authority, ...] = ()

    @property
    def has_tls(self) -> bool:
        """Whether upstream is spoken to over TLS."""
        return self.protocol in ("https", "grpcs")

    @property
    def is_grpc(self) -> bool:
        """Whether upstream speaks HTTP/2."""
        return self.protocol in ("grpc", "grpcs")

    @property
    def server_name(self) -> str | None:
        """The one host that upstream is asked for; None where each target has its own."""
        if self.upstream is None:
            return self.host
        chosen = self.upstream.host_header
        return split_host(chosen)[0] if chosen else None

    @property
    def default_port(self) -> int:
        """The port that its protocol leaves out of a Host header."""
        return _PORTS[self.protocol]


@dataclass(frozen=True, slots=True)
class Trust:
    """What a service shows to upstream, and whom it believes."""

    client_certificate: Certificate | None = None
    authorities: tuple[Authority, ...] = ()


def place_of(entry: ServiceEntry) -> tuple[str, int]:
    """The host and the port of a service."""
    parts = urlsplit(entry.url) if entry.url else None
    protocol = parts.scheme if parts else entry.protocol
    port = parts.port if parts else entry.port
    return ((parts.hostname if parts else entry.host) or "").lower(), port or _PORTS[protocol]


def service_of(
    entry: ServiceEntry, line: int, upstream: Upstream | None = None, trust: Trust | None = None
) -> Service:
    parts = urlsplit(entry.url) if entry.url else None
    host, port = place_of(entry)
    name = entry.name or f"{host.replace(':', '.')}-{port}"
    shown = trust.client_certificate if trust else None
    return Service(
        name=name,
        id=entry.id or derived_id("services", name),
        protocol=cast("Any", parts.scheme) if parts else entry.protocol,
        host=host,
        port=port,
        path=(parts.path or None) if parts else entry.path,
        connect_timeout=entry.connect_timeout,
        write_timeout=entry.write_timeout,
        read_timeout=entry.read_timeout,
        retries=entry.retries,
        tags=tuple(entry.tags),
        line=line,
        upstream=upstream,
        client_certificate=shown or (upstream.client_certificate if upstream else None),
        tls_verify=entry.tls_verify,
        tls_verify_depth=entry.tls_verify_depth,
        authorities=trust.authorities if trust else (),
    )
