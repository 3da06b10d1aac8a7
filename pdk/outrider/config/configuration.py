"""A validated file as the rest of Outrider sees it."""

from dataclasses import dataclass, field

from outrider.config.certificates import Authority, Certificate
from outrider.config.document import Document
from outrider.config.downstream_tls import DownstreamTls
from outrider.config.gateway import Gateway
from outrider.config.kongs_own import KongsOwn
from outrider.config.precedence import Candidates, ScopedPlugin, Scopes
from outrider.config.routes import Route
from outrider.config.services import Service
from outrider.config.upstreams import Upstream
from outrider.consumer import Consumers


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
    upstreams: tuple[Upstream, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    authorities: tuple[Authority, ...] = ()
    tls: DownstreamTls | None = None
    """The listener with TLS."""
    kongs_own: KongsOwn = field(default_factory=KongsOwn)
    """What Kong gets as it is written, and no other gateway can do."""
    _scopes: Scopes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_scopes", Scopes(self.plugins))

    def plugins_for(self, route: Route) -> tuple[Candidates, ...]:
        """For each plugin that can run on a route, the configurations that it may run with."""
        return self._scopes.candidates(route.service.name, route.name)
