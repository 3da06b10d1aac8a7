"""Which route a request takes, in the order of Kong's default router (`traditional_compatible`)."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from outrider.host_pattern import HostPattern
from outrider.plain_path import plain_path
from outrider.regex import Regex, path_regex
from outrider.regex.checked import machine_of

_SPLIT = uuid.UUID("7f145bf9-0dce-4f91-98eb-debbce4b9f6b")


class Matchable(Protocol):
    """What a route of the configuration tells about the requests that it takes."""

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def paths(self) -> Sequence[str]: ...
    @property
    def hosts(self) -> Sequence[str]: ...
    @property
    def methods(self) -> Sequence[str]: ...
    @property
    def headers(self) -> Sequence[tuple[str, Sequence[str]]]: ...
    @property
    def snis(self) -> Sequence[str]: ...
    @property
    def regex_priority(self) -> int: ...


class Asked(NamedTuple):
    """What a request is routed by."""

    method: str
    host: str
    """In lower case, without its port."""
    path: str
    """The normal one."""
    port: int = 80
    """The port of the host, else that of the listener."""
    header: Callable[[str], Sequence[str]] = lambda _: ()
    """The values of a header."""
    sni: str | None = None
    """The name that TLS asked for, empty where it asked for none; None without TLS."""


class Rank(NamedTuple):
    """Rules are tried by falling rank."""

    kinds: int
    """How many of paths, hosts, methods, headers and snis the route has."""
    plain_hosts: bool
    """Whether it has hosts, and none with a wildcard."""
    headers: int
    is_regex: bool
    regex_priority: int
    length: int
    """Of the path, in bytes, as Kong has it; of a regular expression 0."""
    tie: str
    """Kong's router goes by the identifier, backwards, where all else is equal."""


@dataclass(frozen=True)
class Rule:
    """One path of a route, with everything else that the route asks for; None and empty match everything."""

    route: str
    path: str | None
    hosts: tuple[HostPattern, ...]
    methods: tuple[str, ...]
    headers: tuple[tuple[str, tuple[str, ...]], ...]
    snis: tuple[HostPattern, ...]
    rank: Rank

    @cached_property
    def regex(self) -> Regex | None:
        """The path, if it is a regular expression."""
        return path_regex(self.path[1:]) if self.path and self.path.startswith("~") else None

    @cached_property
    def literal(self) -> str:
        """What every path that meets the rule begins with, letter by letter."""
        path = self.regex.literal if self.regex else self.path or "/"
        return path.partition("%")[0]

    @cached_property
    def is_prefix(self) -> bool:
        """Whether every request meets it whose host does, and whose path begins with `literal`."""
        return not (self.regex or self.methods or self.headers or self.snis or "%" in (self.path or ""))

    def matches(self, asked: Asked) -> bool:
        """Whether a request meets the rule."""
        return (
            (not self.methods or asked.method in self.methods)
            and (not self.hosts or any(host.matches(asked.host, asked.port) for host in self.hosts))
            and self._takes_path(asked.path)
            and all(
                any(_meets(value, given) for given in asked.header(name) for value in values)
                for name, values in self.headers
            )
            and (not self.snis or asked.sni is None or any(sni.matches(asked.sni, 0) for sni in self.snis))
        )

    def _takes_path(self, path: str) -> bool:
        if self.path and self.path.startswith("~"):
            return machine_of(self.path[1:], is_path=True).matches(path)
        return path.startswith(self.path or "")


LONGEST_VALUE = 256
"""Of a header that is compared with a regular expression here, in characters."""


class TooLongError(ValueError):
    """A header value is too long to be compared with a regular expression in a time that others can wait for."""


def _meets(value: str, given: str) -> bool:
    if not value.startswith("~*"):
        return value.lower() == given.lower()
    if len(given) > LONGEST_VALUE:
        raise TooLongError
    return machine_of(value[2:], is_path=False).matches(given.lower(), anywhere=True)


def rules(routes: Iterable[Matchable]) -> list[Rule]:
    """The rules of all routes in the order in which they are tried."""
    return sorted((rule for route in routes for rule in _rules(route)), key=lambda rule: rule.rank, reverse=True)


def _rules(route: Matchable) -> Iterator[Rule]:
    """Kong makes several routes of one: for its regular expressions, and for its paths of each length."""
    hosts = tuple(map(HostPattern.read, route.hosts))
    kinds = sum(map(bool, (route.paths, route.hosts, route.methods, route.headers, route.snis)))
    plain = bool(hosts) and not any(host.wild for host in hosts)
    sizes = [_size(path) for path in route.paths] or [0]
    groups = {size: number for number, size in enumerate(dict.fromkeys(sizes), 1)}
    for path, size in zip(route.paths or (None,), sizes, strict=True):
        is_regex = path is not None and path.startswith("~")
        yield Rule(
            route=route.name,
            path=path,
            hosts=hosts,
            methods=tuple(route.methods),
            headers=tuple((name, tuple(values)) for name, values in route.headers),
            snis=tuple(map(HostPattern.read, route.snis)),
            rank=Rank(
                kinds,
                plain,
                len(route.headers),
                is_regex,
                route.regex_priority if is_regex else 0,
                size,
                str(uuid.uuid5(_SPLIT, f"{route.id}#{groups[size]}")) if len(groups) > 1 else route.id,
            ),
        )


def _size(path: str) -> int:
    return 0 if path.startswith("~") else len(plain_path(path).encode())
