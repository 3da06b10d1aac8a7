"""The routes of the file, as the rest of Outrider sees them."""

from dataclasses import dataclass

from outrider.config.entities import RouteEntry
from outrider.config.ids import derived_id
from outrider.config.services import Service


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests go to a service: they meet each of paths, hosts and methods that is not empty."""

    name: str
    id: str
    service: Service
    paths: tuple[str, ...]
    hosts: tuple[str, ...]
    methods: tuple[str, ...]
    strip_path: bool
    preserve_host: bool
    tags: tuple[str, ...] = ()


def route_of(entry: RouteEntry, service: Service, position: int) -> Route:
    name = entry.name or f"{service.name}-{position}"
    return Route(
        name=name,
        id=entry.id or derived_id("routes", name),
        service=service,
        paths=tuple(entry.paths),
        hosts=tuple(entry.hosts),
        methods=tuple(entry.methods),
        strip_path=entry.strip_path,
        preserve_host=entry.preserve_host,
        tags=tuple(entry.tags),
    )
