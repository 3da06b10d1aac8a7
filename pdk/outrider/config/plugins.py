"""Builds the plugins of a file, each with its configuration and its scope."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from outrider.auth import Auth
from outrider.config.build import Entities
from outrider.config.entities import PluginEntry
from outrider.config.explain import explain
from outrider.config.kongs_fields import kongs_fields
from outrider.config.kongs_own import KongsPlugin, displaced, kongs_plugins
from outrider.config.mistake import Mistake, closest, shown
from outrider.config.precedence import ScopedPlugin
from outrider.config.references import References
from outrider.config.rows import Row, Rows
from outrider.config.secrets import Secrets
from outrider.config.shape import shape_of
from outrider.config.unserved import unserved
from outrider.config.where import at, where
from outrider.plugin import Plugin

_SCOPES = ("service", "route", "consumer", "consumer_group")
Scope = Mapping[str, Row | None]


class PluginBuilder:
    """Makes an instance of every plugin in a file, and collects what is wrong with them.

    `complete` is whether `classes` are all that there are: a name that is missing from half of them is no mistake.
    `consumers` are the names that fields may refer to, by default those of the file. `kongs` are names of plugins
    that somebody has installed in Kong. `trust` are the certificates of authorities that fields may refer to.
    """

    def __init__(
        self,
        classes: Mapping[str, type[Plugin]],
        references: References,
        secrets: Secrets,
        *,
        complete: bool = True,
        consumers: frozenset[str] | None = None,
        kongs: Iterable[str] = (),
        trust: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.mistakes: list[Mistake] = []
        self.kongs_own: list[KongsPlugin] = []
        self._classes, self._references, self._secrets, self._complete = classes, references, secrets, complete
        self._document = secrets.document
        known = references.names("consumers") if consumers is None else consumers
        self._context = {"directory": self._document.directory, "consumers": known, **trust}
        self._taken: dict[tuple[Any, ...], Row] = {}
        self._kongs = kongs_plugins(kongs)

    def build(self, rows: Rows, entities: Entities) -> Iterator[ScopedPlugin]:
        """The enabled plugins."""
        for row in rows.of("plugins"):
            self._check_unserved(row)
            if isinstance(row.model, PluginEntry):
                scope = {field: self._references.scope(row, field) for field in _SCOPES}
                self._check_scope(row, row.model, scope, entities)
                if self._is_kongs_own(row.model.name):
                    self._keep(row, row.model, scope, entities)
                    continue
                plugin = self._instance(row, row.model)
                if plugin is not None and row.model.enabled and not _is_disabled(scope, entities):
                    yield _scoped(row.model, plugin, scope, entities, self._document.line(row.place))

    def _is_kongs_own(self, name: str | None) -> bool:
        return name not in self._classes and name in self._kongs

    def _check_unserved(self, row: Row) -> None:
        written = at(self._document.data, row.place)
        if self._is_kongs_own(row.text("name")):
            return
        for name, field in unserved("plugins", written):
            if written[name] is not None and not field.is_harmless(written[name]):
                self._add(row, name, "is Kong's, and not supported here yet", field.remedy)

    def _keep(self, row: Row, entry: PluginEntry, scope: Scope, entities: Entities) -> None:
        self._secrets.leave(row.place)
        if entry.enabled and not _is_disabled(scope, entities):
            written = at(self._document.data, row.place)
            self.kongs_own.append(KongsPlugin(entry.name, row.place, written, *_names(scope, entities)))

    def _instance(self, row: Row, entry: PluginEntry) -> Plugin | None:
        cls = self._classes.get(entry.name)
        if cls is None:
            if self._complete:
                remedy = displaced(entry.name) or self._meant(entry.name)
                self._add(row, "name", f"no plugin is called {shown(entry.name)}", remedy)
            return None
        try:
            return TypeAdapter(cls).validate_python(dict(entry.config), context=self._context)
        except ValidationError as error:
            place, others = (*row.place, "config"), kongs_fields(entry.name)
            self.mistakes.extend(explain(error, place, shape_of(cls), self._secrets, others))
        except Exception as error:  # noqa: BLE001 - a stranger's validator may raise anything: the file is refused
            what = self._secrets.hide(f"{entry.name} failed with {type(error).__name__} ({error})")
            self._add(row, "config", what, "mend the plugin, it may raise only ValueError here")
        return None

    def _meant(self, name: str) -> str:
        near = difflib.get_close_matches(name, {*self._classes, *self._kongs}, 1)
        return closest(name, near or self._classes, "the plugins are")

    def _check_scope(self, row: Row, entry: PluginEntry, scope: Scope, entities: Entities) -> None:
        places = (place or getattr(entry, field) for field, place in scope.items())
        first = self._taken.setdefault((entry.name, *places), row)
        if first is not row:
            what = f"{entry.name} stands in the same scope as in line {self._document.line(first.place)}"
            self._add(row, "name", what, "keep one of them")
        if scope["consumer"] and scope["consumer_group"]:
            self._add(row, "consumer_group", "has a consumer too", "keep one of them")
        if (scope["consumer"] or scope["consumer_group"]) and issubclass(self._classes.get(entry.name, Plugin), Auth):
            what = f"{entry.name} finds out who calls, so it can't be for one consumer"
            self._add(row, "name", what, "put it on a route, a service, or at the top")
        self._check_route(row, scope, entities)

    def _check_route(self, row: Row, scope: Scope, entities: Entities) -> None:
        service, route = scope["service"], scope["route"]
        if service is None or route is None or route.place not in entities.routes:
            return
        theirs = entities.routes[route.place].service
        if service.place in entities.services and entities.services[service.place] is not theirs:
            what = f"never runs, since {where(self._document.data, route.place)} is not a route of that service"
            self._add(row, "service", what, "remove service or route")

    def _add(self, row: Row, field: str, what: str, remedy: str) -> None:
        self.mistakes.append(self._document.mistake((*row.place, field), what, remedy))


def _is_disabled(scope: Scope, entities: Entities) -> bool:
    service, route = scope["service"], scope["route"]
    theirs = entities.routes.get(route.place) if route else None
    ours = entities.services.get(service.place) if service else None
    return any(one is not None and one.name in entities.disabled for one in (ours, theirs and theirs.service))


def _names(scope: Scope, entities: Entities) -> tuple[str | None, str | None, str | None, str | None]:
    """The names of service and route, the consumer's id, and the name of the group."""
    places = {field: row.place for field, row in scope.items() if row is not None}
    service = entities.services.get(places.get("service", ()))
    route = entities.routes.get(places.get("route", ()))
    consumer = entities.consumers.get(places.get("consumer", ()))
    return (
        service.name if service else None,
        route.name if route else None,
        consumer.id if consumer else None,
        entities.groups.get(places.get("consumer_group", ())),
    )


def _scoped(entry: PluginEntry, plugin: Plugin, scope: Scope, entities: Entities, line: int) -> ScopedPlugin:
    service, route, consumer, group = _names(scope, entities)
    return ScopedPlugin(
        name=entry.name,
        plugin=plugin,
        service=service,
        route=route,
        consumer=consumer,
        group=group,
        line=line,
        tags=tuple(entry.tags),
        instance_name=entry.instance_name,
    )
