"""Which requests go to a service."""

from typing import Literal, Self

from pydantic import model_validator

from outrider.config.entities.base import Entity, Reference
from outrider.config.entities.plugin import PluginEntry
from outrider.config.field_types import Host, Method, Name, RoutePath, refusal


class RouteEntry(Entity):
    """Which requests go to a service: a request has to meet each of paths, hosts and methods that is given."""

    name: Name | None = None
    """The route's name, unique in the file. Without one it is the service's name, a dash and the route's position."""
    service: Reference | None = None
    """The service, for a route that does not stand under one."""
    paths: list[RoutePath] = []
    """Prefixes of the path, each as it is after normalisation."""
    hosts: list[Host] = []
    """Host names, without a port."""
    methods: list[Method] = []
    """Methods, in capitals."""
    protocols: list[Literal["http", "https"]] = ["http", "https"]
    """`http` has to be among them: the gateway listens without TLS as yet."""
    strip_path: bool = True
    """Whether the matched prefix is removed before the request goes upstream."""
    preserve_host: bool = False
    """Whether upstream gets the host of the request instead of the service's own."""
    plugins: list[PluginEntry] = []
    """Plugins that run only for requests on this route."""

    @model_validator(mode="after")
    def _restricted(self) -> Self:
        if not (self.paths or self.hosts or self.methods):
            raise refusal("matches on nothing", "give it paths, hosts or methods")
        if "http" not in self.protocols:
            raise refusal("takes no http, and the gateway has no TLS yet", 'add "http" to its protocols')
        return self
