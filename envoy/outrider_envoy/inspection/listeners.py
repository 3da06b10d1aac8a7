"""The HTTP managers and TCP proxies of an Envoy's listeners, with their filters and routes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from outrider_envoy.inspection.routes import Route, routes_of, tables_of
from outrider_envoy.inspection.section import kind_of, number, part, parts, text, unwrapped
from outrider_envoy.render.plan import Section

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Filter:
    """An HTTP filter. `waits` if it is off until a route has something for it; `may_skip`: by a matcher."""

    name: str
    kind: str
    config: Section
    waits: bool
    may_skip: bool


@dataclass(frozen=True, slots=True)
class Manager:
    """An HttpConnectionManager, or the filters of its own that one has for an upgrade.

    `match` says which connections of the listener it gets. `unknown` says why its routes can't be seen; "" if they
    can.
    """

    where: str
    config: Section
    match: Section
    filters: tuple[Filter, ...]
    routes: tuple[Route, ...]
    buffer_limit: float
    unknown: str = ""
    upgrade: bool = False


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A TCP proxy: it has no HTTP filters. It leads to these clusters."""

    where: str
    clusters: frozenset[str]


@dataclass(frozen=True, slots=True)
class Listeners:
    """What all listeners that take connections lead to."""

    managers: tuple[Manager, ...]
    tunnels: tuple[Tunnel, ...]

    @classmethod
    def read(cls, dump: Mapping[str, Section]) -> "Listeners":
        """Those of a dump's sections."""
        found = list(_found(dump))
        managers = tuple(one for one in found if isinstance(one, Manager))
        return cls(managers, tuple(one for one in found if isinstance(one, Tunnel)))


def _found(dump: Mapping[str, Section]) -> Iterator[Manager | Tunnel]:
    outside = _outside(dump)
    tables = tables_of(dump)
    for listener in _listeners(dump.get("ListenersConfigDump", {})):
        for where, chain in _chains(listener):
            for config in (_config(one, outside) for one in parts(chain, "filters")):
                if kind_of(config) == "HttpConnectionManager":
                    yield from _managers(where, listener, chain, config, tables, outside)
                elif kind_of(config) == "TcpProxy":
                    yield Tunnel(where, _tunnelled(config))


def _listeners(dump: Section) -> Iterator[Section]:
    yield from (part(row, "listener") for row in parts(dump, "static_listeners"))
    # One that still waits for its certificates or routes takes no connections.
    yield from (part(row, "active_state", "listener") for row in parts(dump, "dynamic_listeners"))


def _chains(listener: Section) -> Iterator[tuple[str, Section]]:
    chains = parts(listener, "filter_chains")
    default = part(listener, "default_filter_chain")
    chains += [default] if default else []
    for index, chain in enumerate(chains):
        where = f"listener {text(listener, 'name')}"
        if len(chains) > 1:
            where += f", filter chain {text(chain, 'name') or index}"
        yield where, chain


def _managers(
    where: str,
    listener: Section,
    chain: Section,
    config: Section,
    tables: Mapping[str, Section],
    outside: Mapping[str, Section],
) -> Iterator[Manager]:
    match = part(chain, "filter_chain_match")
    limit = number(listener, "per_connection_buffer_limit_bytes", MIB)
    routes, unknown = _routes(config, tables)
    filters = _filters(config, "http_filters", outside)
    yield Manager(where, config, match, filters, routes, limit, unknown)
    for upgrade in parts(config, "upgrade_configs"):
        if own := _filters(upgrade, "filters", outside):
            which = f"{where}, upgrade {text(upgrade, 'upgrade_type')}"
            yield Manager(which, config, match, own, routes, limit, unknown, upgrade=True)


def _routes(config: Section, tables: Mapping[str, Section]) -> tuple[tuple[Route, ...], str]:
    if "route_config" in config:
        return tuple(routes_of(part(config, "route_config"))), ""
    if "rds" not in config:
        return (), "its routes are scoped"
    name = text(part(config, "rds"), "route_config_name")
    if name not in tables:
        return (), f"the route table {name} has not come"
    return tuple(routes_of(tables[name])), ""


def _filters(message: Section, field: str, outside: Mapping[str, Section]) -> tuple[Filter, ...]:
    return tuple(_filter(one, outside) for one in parts(message, field))


def _filter(message: Section, outside: Mapping[str, Section]) -> Filter:
    config = _config(message, outside)
    may_skip = kind_of(config) == "ExtensionWithMatcher"
    if may_skip:
        config = unwrapped(part(config, "extension_config", "typed_config"))
    return Filter(text(message, "name"), kind_of(config), config, message.get("disabled") is True, may_skip)


def _config(message: Section, outside: Mapping[str, Section]) -> Section:
    """A filter's typed configuration: its own, else the one that came from outside (ECDS)."""
    own = part(message, "typed_config") or outside.get(text(message, "name"), {})
    return unwrapped(own)


def _outside(dump: Mapping[str, Section]) -> dict[str, Section]:
    rows = [part(row, "ecds_filter") for row in parts(dump.get("EcdsConfigDump", {}), "ecds_filters")]
    return {text(row, "name"): part(row, "typed_config") for row in rows}


def _tunnelled(config: Section) -> frozenset[str]:
    weighted = parts(part(config, "weighted_clusters"), "clusters")
    names = [text(config, "cluster"), *(text(one, "name") for one in weighted)]
    return frozenset(name for name in names if name)
