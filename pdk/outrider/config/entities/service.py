"""An upstream, as a service names it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from outrider.config.entities.base import Entity
from outrider.config.entities.plugin import PluginEntry
from outrider.config.entities.route import RouteEntry
from outrider.config.field_types import Milliseconds, Name, Port, RoutePath, ServiceUrl, UpstreamHost, refusal


class ServiceEntry(Entity):
    """An upstream that requests are forwarded to."""

    name: Name
    """The service's name, unique in the file."""
    url: ServiceUrl | None = None
    """protocol, host, port and path in one."""
    protocol: Literal["http", "https"] = "http"
    """How upstream is spoken to."""
    host: UpstreamHost | None = None
    """The host name or address of upstream."""
    port: Port | None = None
    """The port of upstream; the default is the protocol's own."""
    path: RoutePath | None = None
    """Stands before the path of every request."""
    connect_timeout: Milliseconds = 60_000
    """How long a connection may take, in milliseconds."""
    write_timeout: Milliseconds = 60_000
    """How long upstream may take between two reads of the request, in milliseconds."""
    read_timeout: Milliseconds = 60_000
    """How long upstream may take between two writes of the response, in milliseconds."""
    retries: Annotated[int, Field(ge=0, le=32767)] = 5
    """How often a failed connection is tried again."""
    enabled: bool = True
    """false takes the service and its routes out of the gateway."""
    routes: list[RouteEntry] = []
    """Which requests go to this service."""
    plugins: list[PluginEntry] = []
    """Plugins that run only for requests to this service."""

    @model_validator(mode="after")
    def _located(self) -> Self:
        given = [field for field in ("protocol", "host", "port", "path") if field in self.model_fields_set]
        if self.url is not None and given:
            raise refusal(f"has url and {given[0]}, which say the same", f"remove {given[0]} or url")
        if self.url is None and self.host is None:
            raise refusal("has no upstream", "give it a url, as in http://127.0.0.1:9001")
        return self
