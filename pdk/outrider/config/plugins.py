"""Builds the plugins of a file, each with its configuration and its scope."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from outrider.auth import Auth
from outrider.config.build import Entities
from outrider.config.entities import PluginEntry
from outrider.config.explain import explain
from outrider.config.mistake import Mistake, closest, shown
from outrider.config.precedence import ScopedPlugin
from outrider.config.references import References
from outrider.config.rows import Row, Rows
from outrider.config.secrets import Secrets
from outrider.config.shape import shape_of
from outrider.config.unserved import unserved_plugin
from outrider.config.where import where
from outrider.plugin import Plugin

_SCOPES = ("service", "route", "consumer", "consumer_group")
Scope = Mapping[str, Row | None]


class PluginBuilder:
    """Makes an instance of every plugin in a file, and collects what is wrong with them.

    `complete` is whether `classes` are all that there are: a name that is missing from half of them is no mistake.
    `consumers` are the names that fields may refer to, by default those of the file.
    """

    def __init__(
        self,
        classes: Mapping[str, type[Plugin]],
        references: References,
        secrets: Secrets,
        *,
        complete: bool = True,
        consumers: frozenset[str] | None = None,
    ) -> None:
        self.mistakes: list[Mistake] = []
        self._classes, self._references, self._secrets, self._complete = classes, references, secrets, complete
        self._document = secrets.document
        known = references.names("consumers") if consumers is None else consumers
        self._context = {"directory": self._document.directory, "consumers": known}
        self._taken: dict[tuple[Any, ...], Row] = {}

    def build(self, rows: Rows, entities: Entities) -> Iterator[ScopedPlugin]:
        """The enabled plugins."""
        for row in rows.of("plugins"):
            if isinstance(row.model, PluginEntry):
                scope = {field: self._references.scope(row, field) for field in _SCOPES}
                self._check_scope(row, row.model, scope, entities)
                plugin = self._instance(row, row.model)
                if plugin is not None and row.model.enabled and not _is_disabled(scope, entities):
                    yield _scoped(row.model, plugin, scope, entities, self._document.line(row.place))

    def _instance(self, row: Row, entry: PluginEntry) -> Plugin | None:
        cls = self._classes.get(entry.name)
        if cls is None:
            if self._complete:
                remedy = unserved_plugin(entry.name) or closest(entry.name, self._classes, "the plugins are")
                self._add(row, "name", f"no plugin is called {shown(entry.name)}", remedy)
            return None
        try:
            return TypeAdapter(cls).validate_python(dict(entry.config), context=self._context)
        except ValidationError as error:
            self.mistakes.extend(explain(error, (*row.place, "config"), shape_of(cls), self._secrets))
        except Exception as error:  # noqa: BLE001 - a stranger's validator may raise anything: the file is refused
            what = self._secrets.hide(f"{entry.name} failed with {type(error).__name__} ({error})")
            self._add(row, "config", what, "mend the plugin, it may raise only ValueError here")
        return None

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


def _scoped(entry: PluginEntry, plugin: Plugin, scope: Scope, entities: Entities, line: int) -> ScopedPlugin:
    places = {field: row.place for field, row in scope.items() if row is not None}
    service = entities.services.get(places.get("service", ()))
    route = entities.routes.get(places.get("route", ()))
    consumer = entities.consumers.get(places.get("consumer", ()))
    return ScopedPlugin(
        name=entry.name,
        plugin=plugin,
        service=service.name if service else None,
        route=route.name if route else None,
        consumer=consumer.id if consumer else None,
        group=entities.groups.get(places.get("consumer_group", ())),
        line=line,
        tags=tuple(entry.tags),
        instance_name=entry.instance_name,
    )
