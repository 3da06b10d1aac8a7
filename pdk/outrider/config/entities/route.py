"""Which requests go to a service."""

from typing import Any, Self, cast

from pydantic import model_validator

from outrider.config.entities.base import Entity, Reference
from outrider.config.entities.plugin import PluginEntry
from outrider.config.field_types import Name, refusal
from outrider.config.field_types_of_routes import (
    Method,
    PathHandling,
    RedirectStatus,
    RegexPriority,
    RouteHeader,
    RouteHeaderValues,
    RouteHost,
    RoutePath,
    RouteProtocol,
    RouteSni,
)

_GRPC = {"grpc", "grpcs"}


class RouteEntry(Entity):
    """Which requests go to a service: they meet each of paths, hosts, methods, headers and snis that is given.

    Of several routes that a request meets, the one takes it that gives more of these; then the one whose hosts have
    no wildcard, with more headers, with a regular expression, of the higher regex_priority, with the longer path.
    """

    name: Name | None = None
    """The route's name, unique in the file. Without one it is the service's name, a dash and the route's position."""
    service: Reference | None = None
    """The service, for a route that does not stand under one."""
    paths: list[RoutePath] = []
    """Prefixes of the normalised path; after `~`, regular expressions that it begins with."""
    hosts: list[RouteHost] = []
    """Host names, with a port or for any; *.example.com and example.* stand for many."""
    methods: list[Method] = []
    """Methods, in capitals."""
    headers: dict[RouteHeader, RouteHeaderValues] = {}
    """Headers that a request has, each with one of the values, in any case; after `~*`, a regular expression."""
    snis: list[RouteSni] = []
    """Names of which TLS asked for one; a request without TLS need not."""
    protocols: list[RouteProtocol] = ["http", "https"]
    """http and https, or grpc and grpcs. Without http or grpc, a request without TLS is refused or redirected."""
    https_redirect_status_code: RedirectStatus = 426
    """What a request gets that should have come over TLS: 426, or a redirect to https."""
    regex_priority: RegexPriority = 0
    """Which of several regular expressions goes first: the higher one."""
    strip_path: bool = True
    """Whether what matched of the path is removed before the request goes upstream; false for gRPC."""
    path_handling: PathHandling = "v0"
    """How the service's path and what is left of the request's are joined: with one slash."""
    preserve_host: bool = False
    """Whether upstream gets the host of the request instead of the service's own."""
    request_buffering: bool = True
    """Whether Kong holds the whole request before it goes upstream; Envoy holds what the plugins need."""
    response_buffering: bool = True
    """Whether Kong holds the response before it goes downstream; Envoy holds what the plugins need."""
    plugins: list[PluginEntry] = []
    """Plugins that run only for requests on this route."""

    @model_validator(mode="before")
    @classmethod
    def _never_strips_grpc(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        given = cast("dict[str, Any]", fields)
        protocols = given.get("protocols")
        grpc = isinstance(protocols, list) and any(name in protocols for name in _GRPC)
        return {"strip_path": False} | given if grpc else given

    @model_validator(mode="after")
    def _restricted(self) -> Self:
        has_tls = not {"https", "grpcs"}.isdisjoint(self.protocols)
        if self.snis and not has_tls:
            raise refusal(
                "has snis, and TLS is none of its protocols",
                f"add {'grpcs' if 'grpc' in self.protocols else 'https'} to its protocols, or remove snis",
            )
        if not (self.paths or self.hosts or self.methods or self.headers or self.snis):
            raise refusal("matches on nothing", "give it paths, hosts, methods, headers or snis")
        return self

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        grpc = _GRPC & set(self.protocols)
        if not self.protocols:
            raise refusal("has no protocols", "remove the field, or name some")
        if grpc and grpc != set(self.protocols):
            raise refusal("is for HTTP and for gRPC at once", "make two routes of it")
        if grpc and (self.strip_path or self.methods):
            field = "strip_path" if self.strip_path else "methods"
            raise refusal(f"is for gRPC, and has {field}", "remove it: gRPC's paths name what is called by POST")
        return self
