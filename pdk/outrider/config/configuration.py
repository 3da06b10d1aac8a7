"""A validated file as the rest of Outrider sees it."""

from dataclasses import dataclass, field
from typing import Literal

from outrider.config.document import Document
from outrider.config.gateway import Gateway
from outrider.config.precedence import Candidates, ScopedPlugin, Scopes
from outrider.consumer import Consumers


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


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything a file says. What is disabled is not in it."""

    gateway: Gateway
    services: tuple[Service, ...]
    routes: tuple[Route, ...]
    consumers: Consumers
    groups: tuple[str, ...]
    plugins: tuple[ScopedPlugin, ...]
    document: Document = field(repr=False)
    """The file as written, with references in place of secrets."""
    _scopes: Scopes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_scopes", Scopes(self.plugins))

    def plugins_for(self, route: Route) -> tuple[Candidates, ...]:
        """For each plugin that can run on a route, the configurations that it may run with."""
        return self._scopes.candidates(route.service.name, route.name)
