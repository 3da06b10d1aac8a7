"""Which chain a request belongs to."""

from collections.abc import Callable, Iterable, Iterator

from outrider.chain import Chain
from outrider.request import Request
from outrider.routing import Matchable, rules
from outrider_envoy.errors import ProtocolError

ROUTE_KEY = "outrider-route"
"""The gRPC initial metadata (ext_proc) or context extension (ext_authz) in which Envoy names the route."""

# Upstream may read these as slashes, and then find another path than the one that chose the chain. Our own Envoy
# refuses them before anything else.
_OTHER_SLASHES = ("%2F", "%5C", "\\")


class Chains:
    """The chains of the configuration, and the ways in which an Envoy tells which one is meant."""

    def __init__(self, chains: Iterable[Chain], routes: Iterable[Matchable]) -> None:
        self._by_route = {chain.route.name: chain for chain in chains}
        self._rules = rules(routes)

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

    def _matched(self, request: Request) -> Chain | None:
        path = request.normal_path
        if any(slash in path for slash in _OTHER_SLASHES):
            return None
        for rule in self._rules:
            if rule.matches(request.method, request.host, path):
                return self._by_route.get(rule.route)
        return None
