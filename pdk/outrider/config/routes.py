"""The routes of the file, as the rest of Outrider sees them."""

from dataclasses import dataclass

from outrider.config.entities import RouteEntry
from outrider.config.ids import route_id
from outrider.config.services import Service


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests go to a service: they meet each of these that is not empty."""

    name: str
    id: str
    service: Service
    paths: tuple[str, ...]
    """As requests have them, with escapes; after `~`, regular expressions."""
    hosts: tuple[str, ...]
    methods: tuple[str, ...]
    strip_path: bool
    preserve_host: bool
    tags: tuple[str, ...] = ()
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    snis: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ("http", "https")
    https_redirect_status_code: int = 426
    regex_priority: int = 0
    request_buffering: bool = True
    response_buffering: bool = True

    @property
    def needs_tls(self) -> bool:
        """Whether a request without TLS is refused or redirected."""
        return "http" not in self.protocols and "grpc" not in self.protocols

    @property
    def is_grpc(self) -> bool:
        """Whether only gRPC calls are let in."""
        return "grpc" in self.protocols or "grpcs" in self.protocols


def route_of(entry: RouteEntry, service: Service, position: int) -> Route:
    name = entry.name or f"{service.name}-{position}"
    return Route(
        name=name,
        id=entry.id or route_id(name),
        service=service,
        paths=tuple(entry.paths),
        hosts=tuple(entry.hosts),
        methods=tuple(entry.methods),
        strip_path=entry.strip_path,
        preserve_host=entry.preserve_host,
        tags=tuple(entry.tags),
        headers=tuple((header, tuple(values)) for header, values in entry.headers.items()),
        snis=tuple(entry.snis),
        protocols=tuple(entry.protocols),
        https_redirect_status_code=entry.https_redirect_status_code,
        regex_priority=entry.regex_priority,
        request_buffering=entry.request_buffering,
        response_buffering=entry.response_buffering,
    )
