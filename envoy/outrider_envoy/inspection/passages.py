"""What becomes of the requests of one route of Envoy's: whether the workers are asked, and which chain they run."""

from dataclasses import dataclass
from functools import cached_property

from outrider_envoy.inspection.askers import Asker
from outrider_envoy.inspection.listeners import Filter
from outrider_envoy.inspection.routes import Route
from outrider_envoy.inspection.section import part, parts, text, texts
from outrider_envoy.inspection.wanted import Wanted
from outrider_envoy.render.plan import Section
from outrider_envoy.selection import ROUTE_KEY

ROUTE_NAME = "xds.route_name"
REDACTED = "[redacted]"
"""What Envoy's admin interface shows of a value that may be secret."""


@dataclass(frozen=True)
class Passage:
    """A route of Envoy's, seen from a filter that asks the workers."""

    asker: Asker
    route: Route

    @property
    def where(self) -> str:
        return f"{self.asker.where}, {self.route.where}"

    @cached_property
    def runs(self) -> bool:
        """Whether the workers are asked at all."""
        return not is_off(self.asker.filter, self.route)

    @cached_property
    def named(self) -> str:
        """The route of the file that Envoy names to the workers; "" if it names none, or if the request decides."""
        name = self._metadata()
        if name == REDACTED:
            return "" if self.hidden else self.route.name
        if name:
            return "" if "%" in name else name
        by_name = ROUTE_NAME in texts(self.asker.config, "request_attributes")
        return self.route.name if by_name and self.route.name in self.asker.plan.chains else ""

    @cached_property
    def hidden(self) -> bool:
        """Whether Envoy names a route and does not show which, as it does with context extensions of ext_authz.

        Where its own route has the name of one of the file's, that is taken for it.
        """
        return self._metadata() == REDACTED and self.route.name not in self.asker.plan.chains

    @cached_property
    def wanted(self) -> Wanted:
        """What the chain needs that is named; else what any needs, as host and path choose it. Nothing if hidden."""
        chains = self.asker.plan.chains
        if self.hidden:
            return Wanted.by([])
        if self.named:
            return Wanted.by([chains[self.named]] if self.named in chains else [])
        return self.asker.anything

    def overrides(self) -> list[Section]:
        """What the route says to the filter, the most specific last."""
        return [one.config for one in self.route.overrides(self.asker.filter.name) if one.config]

    def latest(self, *path: str) -> Section | None:
        """The message at that path of the most specific level that has one: it replaces an earlier one whole."""
        found = (part(config, *path[:-1]) for config in reversed(self.overrides()))
        return next((part(one, path[-1]) for one in found if path[-1] in one), None)

    def service(self) -> Section:
        """The gRPC service that is asked for this route."""
        return self.latest(*_SERVICE[self.asker.protocol]) or self.asker.grpc_service

    def context(self) -> dict[str, str]:
        """The context extensions (ext_authz), those of all levels together."""
        found: dict[str, str] = {}
        for config in self.overrides():
            extensions = part(config, "check_settings", "context_extensions")
            found |= {name: text(extensions, name) for name in extensions}
        return found

    def _metadata(self) -> str:
        if self.asker.protocol == "ext_authz":
            return self.context().get(ROUTE_KEY, "")
        pairs = [*parts(self.service(), "initial_metadata")]
        for config in self.overrides():
            pairs += parts(part(config, "overrides"), "grpc_initial_metadata")
        return next((text(pair, "value") for pair in reversed(pairs) if text(pair, "key").lower() == ROUTE_KEY), "")


_SERVICE = {"ext_proc": ("overrides", "grpc_service"), "ext_authz": ("check_settings", "grpc_service")}


def passages_of(askers: list[Asker]) -> list[Passage]:
    """Each route that each of the filters sees."""
    return [Passage(asker, route) for asker in askers for route in asker.manager.routes]


def is_off(one: Filter, route: Route) -> bool:
    """Whether the route leaves the filter out."""
    said = route.overrides(one.name)
    if not said:
        return one.waits
    # Envoy's own switch counts at the most specific level alone, the filter's own where it was last configured.
    own = [level.config.get("disabled") is True for level in said if level.config]
    return said[-1].off or own[-1:] == [True]
