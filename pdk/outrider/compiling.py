"""Compiles a configuration into one chain for each route."""

from collections.abc import Iterable

from outrider.auth import IDENTITY_HEADERS
from outrider.chain import Chain
from outrider.config.configuration import Configuration
from outrider.config.precedence import Candidates
from outrider.config.routes import Route as RouteSettings
from outrider.consumer import Consumer
from outrider.metrics import Metrics
from outrider.received import Route
from outrider.slot import Slot
from outrider.step import Step


def compile_chains(configuration: Configuration, metrics: Metrics) -> tuple[Chain, ...]:
    """The chains of all routes, also of those where no plugin runs."""
    identity = identity_headers(configuration)
    return tuple(_chain(configuration, route, identity, metrics) for route in configuration.routes)


def identity_headers(configuration: Configuration) -> frozenset[str]:
    """The headers that only Outrider may set: its own, and those that plugins of the file declare."""
    declared = (
        name.lower().replace("_", "-")
        for one in configuration.plugins
        for name in one.plugin.needs().identity_headers
    )
    return IDENTITY_HEADERS.union(declared)


def _chain(configuration: Configuration, route: RouteSettings, identity: Iterable[str], metrics: Metrics) -> Chain:
    slots = [_slot(one, route.name, metrics) for one in configuration.plugins_for(route)]
    return Chain(Route(route.name, route.service.name, route.tags), slots, identity)


def _slot(candidates: Candidates, route: str, metrics: Metrics) -> Slot:
    steps = {
        id(entry.plugin): Step(candidates.name, entry.plugin, route, metrics, f"{candidates.name} {entry.place}")
        for entry in candidates.entries
    }
    if all(entry.consumer is None and entry.group is None for entry in candidates.entries):
        return Slot([steps[id(candidates.anonymous)]])

    def resolve(consumer: Consumer | None) -> Step | None:
        return steps.get(id(candidates.resolve(consumer)))

    return Slot(list(steps.values()), resolve)
