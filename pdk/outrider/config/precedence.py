"""Which configuration of a plugin runs: the most specific one, in Kong's order."""

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from outrider.consumer import Consumer
from outrider.plugin import Plugin

_ORDER = (
    frozenset({"consumer", "route", "service"}),
    frozenset({"group", "route", "service"}),
    frozenset({"consumer", "route"}),
    frozenset({"consumer", "service"}),
    frozenset({"group", "route"}),
    frozenset({"group", "service"}),
    frozenset({"route", "service"}),
    frozenset({"consumer"}),
    frozenset({"group"}),
    frozenset({"route"}),
    frozenset({"service"}),
    frozenset[str](),
)
_RANKS = {scope: rank for rank, scope in enumerate(_ORDER)}


@dataclass(frozen=True, slots=True)
class ScopedPlugin:
    """One configuration of a plugin, and the requests that it is for: None is every one."""

    name: str
    plugin: Plugin
    service: str | None = None
    route: str | None = None
    consumer: str | None = None
    """The consumer's id."""
    group: str | None = None
    line: int = 0
    tags: tuple[str, ...] = ()
    instance_name: str | None = None

    @property
    def rank(self) -> int:
        """Its place in Kong's order: 0 is the most specific."""
        scope = {"service": self.service, "route": self.route, "consumer": self.consumer, "group": self.group}
        return _RANKS[frozenset(name for name, value in scope.items() if value is not None)]

    @property
    def place(self) -> str:
        """Tells it apart from the plugin's other configurations, in the same way in every process."""
        return json.dumps([self.service, self.route, self.consumer, self.group])


@dataclass(frozen=True, slots=True)
class Candidates:
    """The configurations of one plugin that can run on one route."""

    name: str
    entries: tuple[ScopedPlugin, ...]
    """The most specific first."""
    _everybody: ScopedPlugin | None = field(init=False, repr=False)
    _consumers: Mapping[str, ScopedPlugin] = field(init=False, repr=False)
    _groups: Mapping[str, ScopedPlugin] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        everybody = next((one for one in self.entries if one.consumer is None and one.group is None), None)
        # less specific ones first, so that the most specific stays
        backwards = self.entries[::-1]
        object.__setattr__(self, "_everybody", everybody)
        object.__setattr__(self, "_consumers", {one.consumer: one for one in backwards if one.consumer is not None})
        object.__setattr__(self, "_groups", {one.group: one for one in backwards if one.group is not None})

    @property
    def anonymous(self) -> Plugin | None:
        """What runs as long as no consumer is known."""
        return self._everybody.plugin if self._everybody else None

    def resolve(self, consumer: Consumer | None) -> Plugin | None:
        """The one that runs for a consumer; of several groups of equal rank, the consumer's first one's."""
        best = self._everybody
        if consumer is not None:
            groups = [self._groups.get(group) for group in consumer.groups]
            for one in (*groups, self._consumers.get(consumer.id)):
                if one is not None and (best is None or one.rank < best.rank):
                    best = one
        return best.plugin if best else None


class Scopes:
    """All configurations of a file, found by the route they can run on."""

    def __init__(self, plugins: Iterable[ScopedPlugin]) -> None:
        self._found: dict[tuple[str | None, str | None], list[tuple[int, ScopedPlugin]]] = {}
        for position, one in enumerate(plugins):
            self._found.setdefault((one.service, one.route), []).append((position, one))

    def candidates(self, service: str, route: str) -> tuple[Candidates, ...]:
        """What can run on a route: one entry for each plugin name, in the order of the file."""
        wanted = itertools.product((None, service), (None, route))
        rows = sorted((row for scope in wanted for row in self._found.get(scope, ())), key=lambda row: row[0])
        named: dict[str, list[ScopedPlugin]] = {}
        for _, one in rows:
            named.setdefault(one.name, []).append(one)
        return tuple(Candidates(name, tuple(sorted(some, key=lambda one: one.rank))) for name, some in named.items())
