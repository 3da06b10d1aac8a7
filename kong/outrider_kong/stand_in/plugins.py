"""Which plugins there are, which configuration of each runs for a request, and in which order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from outrider_kong.stand_in.configured import Configured
from outrider_kong.stand_in.entities import Declared, PluginEntry
from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.mistakes import MistakeError
from outrider_kong.stand_in.remote import Context
from outrider_kong.stand_in.schema import Field, check
from outrider_kong.stand_in.settings import Settings
from outrider_kong.stand_in.values import get

Scope = tuple[str | None, str | None, str | None]


@dataclass(frozen=True, kw_only=True)
class Known:
    """A plugin that Kong knows; `also` says what else is wrong with a config, a sentence each."""

    name: str
    priority: float
    phases: frozenset[str]
    fields: Sequence[Field]
    bundled: bool = False
    also: Callable[[Mapping[str, Any]], list[str]] = lambda _: []


class Handler(Protocol):
    """What runs a plugin's phases in one nginx worker."""

    async def handle(self, configured: Configured, context: Context) -> None: ...


class Table:
    """All configurations of a kong.yml, by plugin and by what they are for."""

    def __init__(self, known: Iterable[Known], configured: Iterable[Configured]) -> None:
        self._by_name: dict[str, dict[Scope, Configured]] = {}
        for one in configured:
            self._by_name.setdefault(one.entry.plugin, {})[_scope(one.entry)] = one
        used = [plugin for plugin in known if plugin.name in self._by_name]
        # Equal priorities: by falling names, as in Kong.
        self.plugins = sorted(used, key=lambda plugin: (plugin.priority, plugin.name), reverse=True)

    def of(self, plugin: Known, exchange: Exchange) -> Configured | None:
        """The most specific configuration of a plugin for the request as it is now."""
        scopes = self._by_name[plugin.name]
        consumer = get(exchange.consumer, b"id")
        route = exchange.route.id if exchange.route else None
        service = exchange.service.id if exchange.service else None
        wanted = precedence(route, service, consumer.decode() if isinstance(consumer, bytes) else None)
        return next((scopes[scope] for scope in wanted if scope in scopes), None)

    def everywhere(self, plugin: Known) -> Configured | None:
        """The global configuration of a plugin: the only one that has a rewrite phase."""
        return self._by_name[plugin.name].get((None, None, None))


def precedence(route: str | None, service: str | None, consumer: str | None) -> list[Scope]:
    """What a configuration may be for, the most specific first, as Kong orders it."""
    return [
        (route, service, consumer),
        (route, None, consumer),
        (None, service, consumer),
        (route, service, None),
        (None, None, consumer),
        (route, None, None),
        (None, service, None),
        (None, None, None),
    ]


def load(declared: Declared, known: Mapping[str, Known], settings: Settings, first: int) -> list[Configured]:
    """Checks every configuration; MistakeError with a sentence for each thing that Kong would refuse."""
    mistakes: list[str] = []
    configured: list[Configured] = []
    scopes: set[tuple[str, Scope]] = set()
    for number, entry in enumerate(declared.plugins, first):
        plugin = known.get(entry.plugin)
        if plugin is None or not _enabled(plugin, settings):
            mistakes.append(f"kong.yml: plugin '{entry.plugin}' not enabled; add it to the 'plugins' of kong.conf.")
            continue
        if (key := (entry.plugin, _scope(entry))) in scopes:
            mistakes.append(f"kong.yml: plugin {entry.plugin}: configured twice for the same scope.")
        scopes.add(key)
        config, wrong = check(f"kong.yml: plugin {entry.plugin}: config", entry.config, plugin.fields)
        mistakes += wrong or plugin.also(config)
        if entry.table.get("enabled", True):
            configured.append(Configured(entry, config, number))
    if mistakes:
        raise MistakeError(mistakes)
    return configured


def _scope(entry: PluginEntry) -> Scope:
    return entry.route, entry.service, entry.consumer


def _enabled(plugin: Known, settings: Settings) -> bool:
    return plugin.name in settings.plugins or (plugin.bundled and "bundled" in settings.plugins)
