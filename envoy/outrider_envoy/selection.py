"""Which chain a request belongs to."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from outrider.chain import Chain
from outrider.plain_path import plain_path
from outrider.request import Request
from outrider.route_table import RouteTable
from outrider.routing import Asked, Matchable, rules
from outrider_envoy.errors import ProtocolError

ROUTE_KEY = "outrider-route"
PATH_KEY = "outrider-path"
"""Beside it, from an Envoy of ours: its route takes a path that begins with two slashes for one below the service's.

Downstream can't send such a path, since Envoy merges slashes.
"""
CLIENT_KEY = "outrider-client"
"""In which ext_authz tells the client's address; `source` there is always the peer."""
PEER_KEY = "outrider-peer"
"""In which Envoy tells the client's certificate, as percent-encoded PEM."""


class Told(NamedTuple):
    """What Envoy tells of a call in its initial metadata."""

    route: str | None = None
    client: str | None = None
    peer: str | None = None
    marks_path: bool = False

    @classmethod
    def by(cls, metadata: Mapping[str, str]) -> "Told":
        get = metadata.get
        return cls(get(ROUTE_KEY), get(CLIENT_KEY), get(PEER_KEY), PATH_KEY in metadata)


"""The gRPC initial metadata (ext_proc) or context extension (ext_authz) in which Envoy names the route."""

_LONGEST = 8192
"""Of a path that is compared here, where an expression may look at each character several times; nginx's limit."""
# Upstream may read these as slashes, and then find another path than the one that chose the chain. Our own Envoy
# refuses them before anything else.
_OTHER_SLASHES = ("%2F", "%5C", "\\")


class Chains:
    """The chains of the configuration, and the ways in which an Envoy tells which one is meant."""

    def __init__(self, chains: Iterable[Chain], routes: Iterable[Matchable]) -> None:
        self._by_route = {chain.route.name: chain for chain in chains}
        self._routes = routes

    def __iter__(self) -> Iterator[Chain]:
        return iter(self._by_route.values())

    def find(self, named: str | None, request: Request, route_name: Callable[[], str] = lambda: "") -> Chain | None:
        """The chain of the route that our metadata names, else of Envoy's own route name, else by host and path.

        None where the file has no such route: the request is refused. Raises `ProtocolError` if `named` is unknown:
        the gateway and the file disagree, and a guess could choose a weaker chain.
        """
        if named is not None:
            if named not in self._by_route:
                raise ProtocolError(f"{ROUTE_KEY} is {named!r}, which is no route of the file")
            return self._by_route[named]
        return self._by_route.get(route_name()) or self._matched(request)

    @cached_property
    def _table(self) -> RouteTable:
        """Made when an Envoy first names no route; one of ours names them all."""
        return RouteTable(rules(self._routes))

    def _matched(self, request: Request) -> Chain | None:
        path = request.normal_path
        if len(path) > _LONGEST or any(slash in path for slash in _OTHER_SLASHES):
            return None
        try:
            plain_path(path)
            rule = self._table.find(_asked(request, path))
        except ValueError:
            # Escapes that are no UTF-8, which expressions don't match, or a header too long to be looked at.
            return None
        return self._by_route.get(rule.route) if rule else None


def _asked(request: Request, path: str) -> Asked:
    tls = request.scheme == "https"
    return Asked(
        method=request.method,
        host=request.host.removesuffix("."),
        path=path,
        port=request.port or (443 if tls else 80),
        header=request.headers.get_all,
        # Which name TLS asked for is not told: most ask for the host's.
        sni=request.host if tls else None,
    )
