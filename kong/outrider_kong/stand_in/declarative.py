"""Reads kong.yml, format 3.0: nested and flat entities, defaults, ids made from names."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import yaml

from outrider_kong.stand_in.entities import Consumer, Declared, Entity, PluginEntry, Route, Service, Table
from outrider_kong.stand_in.mistakes import MistakeError
from outrider_kong.stand_in.values import is_table

WORKSPACE = "0dc6f45b-8f8d-40d2-a504-473544ee190b"
NAMESPACE = UUID("7a52a1c5-31a8-4c4c-9d21-39c7b8f3e0d4")
SERVICE = {"protocol": "http", "port": 80, "retries": 5, "enabled": True}
TIMEOUTS = {"connect_timeout": 60000, "read_timeout": 60000, "write_timeout": 60000}
ROUTE = {
    "protocols": ["http", "https"],
    "https_redirect_status_code": 426,
    "regex_priority": 0,
    "strip_path": True,
    "preserve_host": False,
    "path_handling": "v0",
    "request_buffering": True,
    "response_buffering": True,
}
SCOPES = ("route", "service", "consumer")


def read(text: str, now: int | None = None) -> Declared:
    """Reads a whole file; `now` is what created_at becomes, in seconds."""
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise MistakeError(f"kong.yml: no YAML: {' '.join(str(error).split())}") from None
    if not is_table(document) or document.get("_format_version") not in {"3.0", "2.1", "1.1"}:
        raise MistakeError('kong.yml: _format_version: "3.0" is missing.')
    return _Reader(document, now or int(time.time())).declared()


class _Reader:
    def __init__(self, document: Mapping[str, Any], now: int) -> None:
        self._document = document
        self._stamps = {"created_at": now, "updated_at": now}
        self._services: list[Service] = []
        self._routes: list[Route] = []
        self._consumers: list[Consumer] = []
        self._plugins: list[PluginEntry] = []

    def declared(self) -> Declared:
        for table in self._tables(self._document, "services"):
            self._service(table)
        for table in self._tables(self._document, "routes"):
            self._route(table, self._find_service(table.get("service")))
        for table in self._tables(self._document, "consumers"):
            self._consumer(table)
        for table in self._tables(self._document, "plugins"):
            self._plugin(table, {scope: self._reference(scope, table.get(scope)) for scope in SCOPES})
        return Declared(tuple(self._services), tuple(self._routes), tuple(self._consumers), tuple(self._plugins))

    def _tables(self, owner: Mapping[str, Any], key: str) -> Iterator[Table]:
        tables: list[Any] = owner.get(key) or []
        for table in tables:
            if not is_table(table):
                raise MistakeError(f"kong.yml: {key}: {table!r} is no record.")
            copy: Table = dict(table)
            yield copy

    def _complete(self, kind: str, table: Table, defaults: Mapping[str, Any], *parts: object) -> Table:
        label = ":".join(str(part) for part in (kind, *parts))
        stamped = {**defaults, **self._stamps, "ws_id": WORKSPACE, "id": str(uuid5(NAMESPACE, label)), **table}
        return {key: value for key, value in stamped.items() if value is not None}

    def _service(self, table: Table) -> None:
        routes, plugins = list(self._tables(table, "routes")), list(self._tables(table, "plugins"))
        own = {key: value for key, value in table.items() if key not in {"routes", "plugins", "url"}}
        defaults = {**SERVICE, **TIMEOUTS, **_of_url(table.get("url"))}
        complete = self._complete("service", own, defaults, own.get("name"))
        if not complete.get("host"):
            raise MistakeError(f"kong.yml: service {table.get('name')}: host or url is missing.")
        service = Service(complete)
        self._services.append(service)
        for route in routes:
            self._route(route, service)
        for plugin in plugins:
            self._plugin(plugin, {"service": service.id})

    def _route(self, table: Table, service: Service | None) -> None:
        plugins = list(self._tables(table, "plugins"))
        own = {key: value for key, value in table.items() if key not in {"plugins", "service"}}
        if not any(own.get(key) for key in ("paths", "hosts", "methods", "headers", "snis")):
            name = own.get("name")
            raise MistakeError(f"kong.yml: route {name}: must set one of paths, hosts, methods, headers, snis.")
        links = {"service": {"id": service.id}} if service else {}
        route = Route(self._complete("route", own, {**ROUTE, **links}, own.get("name"), len(self._routes)), service)
        self._routes.append(route)
        for plugin in plugins:
            self._plugin(plugin, {"route": route.id})

    def _consumer(self, table: Table) -> None:
        groups = tuple(acl["group"] for acl in self._tables(table, "acls"))
        plugins = list(self._tables(table, "plugins"))
        own = {key: table[key] for key in ("id", "username", "custom_id", "tags") if table.get(key) is not None}
        complete = self._complete("consumer", own, {}, own.get("username"), own.get("custom_id"))
        consumer = Consumer({key: value for key, value in complete.items() if key != "ws_id"}, groups)
        self._consumers.append(consumer)
        for plugin in plugins:
            self._plugin(plugin, {"consumer": consumer.id})

    def _plugin(self, table: Table, scope: Mapping[str, str | None]) -> None:
        links = {key: value for key, value in scope.items() if value}
        own = {key: value for key, value in table.items() if key not in {"config", *SCOPES}}
        label = (own.get("name"), own.get("instance_name"), *sorted(links.values()))
        complete = self._complete("plugin", own, {"enabled": True, "protocols": ["http", "https"]}, *label)
        self._plugins.append(PluginEntry(complete, table.get("config") or {}, **links))

    def _find_service(self, reference: Any) -> Service | None:
        wanted = self._reference("service", reference)
        return next((service for service in self._services if service.id == wanted), None)

    def _reference(self, kind: str, reference: Any) -> str | None:
        """A plugin or a flat route names its owner by name, by username or by id."""
        if reference is None:
            return None
        wanted: Any = reference.get("id") or reference.get("name") if is_table(reference) else reference
        owners: dict[str, Sequence[Entity]] = {
            "route": self._routes,
            "service": self._services,
            "consumer": self._consumers,
        }
        for owner in owners[kind]:
            if wanted in {owner.id, owner.name, owner.table.get("username")}:
                return owner.id
        raise MistakeError(f"kong.yml: {kind} {wanted!r} is referred to, but not declared.")


def _of_url(url: str | None) -> Table:
    if not url:
        return {}
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"protocol": parts.scheme, "host": parts.hostname, "port": port, "path": parts.path or None}
