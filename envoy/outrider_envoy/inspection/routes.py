"""The routes of an Envoy, each with what it says to the filters."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from outrider_envoy.inspection.section import kind_of, part, parts, text, unwrapped
from outrider_envoy.render.plan import Section


@dataclass(frozen=True, slots=True)
class Override:
    """What one level says to a filter. `off` is Envoy's own switch for any filter, apart from what `config` says."""

    config: Section
    off: bool


@dataclass(frozen=True, slots=True)
class Route:
    """A route, or one of the weighted clusters of one. `levels` are the `typed_per_filter_config`s that hold for it.

    They begin with those of the whole table; a later one comes before an earlier one. `clusters` has those that it
    leads to; none where it answers by itself (`forwards` is false) or where a request decides.
    """

    name: str
    where: str
    forwards: bool
    clusters: frozenset[str]
    levels: tuple[Section, ...]
    message: Section

    def overrides(self, filter_name: str) -> list[Override]:
        """What is said to the filter of that name, the most specific last."""
        return [_override(part(level, filter_name)) for level in self.levels if filter_name in level]


def routes_of(table: Section) -> Iterator[Route]:
    """All routes of a route table (`envoy.config.route.v3.RouteConfiguration`)."""
    for host in parts(table, "virtual_hosts"):
        levels = (part(table, "typed_per_filter_config"), part(host, "typed_per_filter_config"))
        for index, route in enumerate([*parts(host, "routes"), *_matched(part(host, "matcher"))]):
            name = text(route, "name")
            where = f"route {name}" if name else f"route {index} of virtual host {text(host, 'name')}"
            yield from _routes(route, name, where, levels)


def _routes(route: Section, name: str, where: str, levels: tuple[Section, ...]) -> Iterator[Route]:
    levels = (*levels, part(route, "typed_per_filter_config"))
    action = part(route, "route")
    forwards = "route" in route
    weighted = parts(part(action, "weighted_clusters"), "clusters")
    for one in weighted:
        own = (*levels, part(one, "typed_per_filter_config"))
        yield Route(name, where, forwards, _named(text(one, "name")), own, route)
    if not weighted:
        yield Route(name, where, forwards, _named(text(action, "cluster")), levels, route)


def _named(cluster: str) -> frozenset[str]:
    return frozenset({cluster} if cluster else ())


def _matched(matcher: Section) -> Iterator[Section]:
    """The routes at the leaves of a virtual host's `matcher`, a tree of any form, as they stand in it."""
    waiting: list[object] = [matcher]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += reversed(cast("list[object]", one))
        elif isinstance(one, dict):
            message = cast("Section", one)
            if kind_of(message) == "Route":
                yield message
            elif kind_of(message) == "RouteList":
                yield from parts(message, "routes")
            else:
                waiting += reversed(message.values())


def _override(config: Section) -> Override:
    if kind_of(config) != "FilterConfig":
        return Override(unwrapped(config), off=False)
    return Override(unwrapped(part(config, "config")), off=config.get("disabled") is True)


def tables_of(dump: Mapping[str, Section]) -> dict[str, Section]:
    """The route tables by name that Envoy was given from outside (RDS)."""
    rows = parts(dump.get("RoutesConfigDump", {}), "dynamic_route_configs")
    tables = [part(row, "route_config") for row in rows]
    return {text(table, "name"): table for table in tables if table}
