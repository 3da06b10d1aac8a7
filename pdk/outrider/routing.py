"""Which route a request takes, in Kong's order; the Envoy adapter renders the same order into Envoy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


class Matchable(Protocol):
    """What a route of the configuration tells about the requests that it takes."""

    @property
    def name(self) -> str: ...
    @property
    def paths(self) -> Sequence[str]: ...
    @property
    def hosts(self) -> Sequence[str]: ...
    @property
    def methods(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to match a route: None and an empty tuple match everything."""

    route: str
    path: str | None
    host: str | None
    methods: tuple[str, ...]

    @property
    def rank(self) -> tuple[int, bool, int]:
        """Rules are tried by falling rank, as in Kong: more kinds of things, then a host, then a longer path."""
        kinds = sum(1 for kind in (self.path, self.host, self.methods) if kind)
        return kinds, self.host is not None, len(self.path or "")

    def matches(self, method: str, host: str, path: str) -> bool:
        """Whether a request meets the rule; `path` is the normal one, a rule's path is a prefix of it."""
        return (
            (self.path is None or path.startswith(self.path))
            and (self.host is None or host == self.host)
            and (not self.methods or method in self.methods)
        )


def rules(routes: Iterable[Matchable]) -> list[Rule]:
    """The rules of all routes in the order in which they are tried; equal ranks keep the order of the file."""
    found = [
        Rule(route.name, path, host, tuple(route.methods))
        for route in routes
        for host in route.hosts or (None,)
        for path in route.paths or (None,)
    ]
    return sorted(found, key=lambda rule: rule.rank, reverse=True)
