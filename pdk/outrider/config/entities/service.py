"""An upstream, as a service names it."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from outrider.config.entities.base import Entity, Reference, Text
from outrider.config.entities.plugin import PluginEntry
from outrider.config.entities.route import RouteEntry
from outrider.config.field_types import Milliseconds, Name, Port, ServicePath, ServiceUrl, UpstreamHost, refusal
from outrider.config.upstream_types import Protocol

_TLS = ("tls_verify", "tls_verify_depth", "ca_certificates", "client_certificate")
_SECURE = {"http": "https", "grpc": "grpcs"}


class ServiceEntry(Entity):
    """An upstream that requests are forwarded to."""

    name: Name | None = None
    """The service's name, unique in the file. Without one it is the host, a dash and the port."""
    url: ServiceUrl | None = None
    """protocol, host, port and path in one."""
    protocol: Protocol = "http"
    """How upstream is spoken to; `grpc` and `grpcs` are HTTP/2."""
    host: UpstreamHost | None = None
    """The host name or address of upstream, or the name of one of `upstreams`."""
    port: Port | None = None
    """The port of upstream; the default is the protocol's own."""
    path: ServicePath | None = None
    """Stands before the path of every request."""
    connect_timeout: Milliseconds = 60_000
    """How long a connection may take, in milliseconds."""
    write_timeout: Milliseconds = 60_000
    """How long upstream may take between two reads of the request, in milliseconds."""
    read_timeout: Milliseconds = 60_000
    """How long upstream may take between two writes of the response, in milliseconds."""
    retries: Annotated[int, Field(ge=0, le=32767)] = 5
    """How often a request that upstream failed to take is tried again, with another target if there is one."""
    client_certificate: Reference | None = None
    """The certificate to show to upstream, by its id."""
    tls_verify: bool | None = None
    """Whether upstream's certificate is checked. The default is Kong's: it is not."""
    tls_verify_depth: Annotated[int, Field(ge=0, le=64)] | None = None
    """How many certificates may stand between upstream's and the authority's."""
    ca_certificates: list[Text] = []
    """The authorities to believe, by their ids. The default are those of the system."""
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

    @model_validator(mode="after")
    def _possible(self) -> Self:
        protocol = urlsplit(self.url).scheme if self.url else self.protocol
        path = urlsplit(self.url).path if self.url else self.path
        given = [field for field in _TLS if getattr(self, field) not in (None, [], False)]
        if given and protocol not in ("https", "grpcs"):
            raise refusal(f"has {given[0]}, and {protocol} has no TLS", f"write {_SECURE[protocol]}, or remove it")
        if path and protocol in ("grpc", "grpcs"):
            raise refusal(f"has a path, and in {protocol} the path is the method", "remove the path")
        return self
