"""Services, routes, consumers and plugins of a kong.yml, with the defaults that Kong gives them."""

from dataclasses import dataclass, field
from typing import Any

Table = dict[str, Any]


@dataclass(frozen=True)
class Entity:
    """One object of kong.yml; `table` is all of it, as Kong shows it to plugins and in logs."""

    table: Table = field(hash=False)

    @property
    def id(self) -> str:
        return str(self.table["id"])

    @property
    def name(self) -> str | None:
        return self.table.get("name")


@dataclass(frozen=True)
class Service(Entity):
    """Where requests go."""

    @property
    def host(self) -> str:
        return str(self.table["host"])

    @property
    def port(self) -> int:
        return int(self.table["port"])

    @property
    def path(self) -> str:
        return self.table.get("path") or "/"

    def seconds(self, which: str) -> float:
        """One of connect, read and write."""
        return float(self.table[f"{which}_timeout"]) / 1000


@dataclass(frozen=True)
class Route(Entity):
    """Which requests go to a service; one without a service needs a plugin that answers."""

    service: Service | None = None

    def strings(self, name: str) -> list[str]:
        """A list among the fields: paths, hosts, methods, protocols."""
        return self.table.get(name) or []


@dataclass(frozen=True)
class Consumer(Entity):
    """Who asks, once a plugin has said so; `groups` are those that the plugin acl looks at."""

    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class PluginEntry(Entity):
    """One configuration of one plugin, and what it is for."""

    config: Table = field(default_factory=dict[str, Any], hash=False)
    route: str | None = None
    service: str | None = None
    consumer: str | None = None

    @property
    def plugin(self) -> str:
        return str(self.table["name"])


@dataclass(frozen=True)
class Declared:
    """All that a kong.yml declares."""

    services: tuple[Service, ...] = ()
    routes: tuple[Route, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    plugins: tuple[PluginEntry, ...] = ()

    def consumer(self, key: str, *, by_username: bool) -> Consumer | None:
        """Finds a consumer by id and, if asked to, by username."""
        for consumer in self.consumers:
            if consumer.id == key:
                return consumer
        matches = (one for one in self.consumers if by_username and one.table.get("username") == key)
        return next(matches, None)
