"""The rules that could take a request, by its host and by the beginning of its path.

So the work for a request does not grow with the number of routes: of 10,000 rules only those are tried whose host and
whose letters the request has.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from outrider.host_pattern import HostPattern, names_for
from outrider.routing import Asked, Rule

MOST = 200_000
"""How many candidates a table may have over all hosts and beginnings."""


class Candidate(NamedTuple):
    """A rule that could take a request, and whether its host is still to be looked at."""

    number: int
    """Its place in the order in which rules are tried."""
    rule: Rule
    host_is_sure: bool

    @property
    def is_sure(self) -> bool:
        """Whether it takes every request that comes this far."""
        return self.host_is_sure and self.rule.is_prefix


@dataclass(frozen=True, slots=True)
class Hosts:
    """The candidates for the hosts that these names stand for; `names` is empty for all hosts that no other names."""

    names: tuple[str, ...]
    beginnings: dict[str, tuple[Candidate, ...]]
    """By the beginning of the path: the longest that a path has counts. `/` is always there."""
    lengths: tuple[int, ...]
    """Of the beginnings, falling."""

    def candidates(self, path: str) -> tuple[Candidate, ...]:
        """Those for a path."""
        fitting = (self.beginnings.get(path[:length]) for length in self.lengths)
        return next(found for found in fitting if found is not None)


class TooManyError(ValueError):
    """The hosts and paths of a file would have to be combined into more candidates than there may be."""

    what = f"are more than {MOST:,} combinations of hosts, beginnings of paths and regular expressions"
    remedy = (
        "give routes without hosts the hosts that they are for, and let regular expressions begin with more letters"
    )


class RouteTable:
    """Rules, in the order in which they are tried, arranged by host and path. Raises `TooManyError`."""

    def __init__(self, ordered: Sequence[Rule], most: int = MOST) -> None:
        self._left = most
        general = (Candidate(at, rule, host_is_sure=True) for at, rule in enumerate(ordered) if not rule.hosts)
        self._general = _up_to_sure(general, "/")
        self._named: dict[str, list[Candidate]] = {}
        for at, rule in enumerate(ordered):
            for name in dict.fromkeys(host.name for host in rule.hosts):
                sure = any(host == HostPattern(name, None) for host in rule.hosts)
                self._named.setdefault(name, []).append(Candidate(at, rule, sure))
        begun = (found for name, found in self._named.items() if name.endswith("."))
        self._begun = [one._replace(host_is_sure=False) for found in begun for one in found]
        self.hosts = list(self._hosts())
        self._by_name = {name: one for one in self.hosts for name in one.names or ("",)}

    def find(self, asked: Asked) -> Rule | None:
        """The rule that takes a request; None where none does."""
        candidates = self._of(asked.host).candidates(asked.path)
        return next((one.rule for one in candidates if one.rule.matches(asked)), None)

    def _of(self, host: str) -> Hosts:
        """As Envoy chooses a virtual host: the name itself, the longest end, the longest beginning, any."""
        names = sorted((name for name in names_for(host) if name in self._by_name), key=_preference)
        return self._by_name[names[0] if names else ""]

    def _hosts(self) -> Iterator[Hosts]:
        """Names with the same candidates share one."""
        together: dict[tuple[tuple[int, bool], ...], tuple[list[str], list[Candidate]]] = {}
        for name in self._named:
            candidates = self._candidates(name)
            key = tuple((one.number, one.host_is_sure) for one in candidates)
            together.setdefault(key, ([], candidates))[0].append(name)
        for names, candidates in together.values():
            yield self._made(names, candidates)
        yield self._made([], self._general)

    def _candidates(self, name: str) -> list[Candidate]:
        """All rules that could take a request whose host this name stands for."""
        # Among the hosts that end alike, some may begin as another name says.
        named = {one.number: one for one in (self._begun if name.startswith(".") else ())}
        for wider in names_for(name):
            for one in self._named.get(wider, ()):
                if one.host_is_sure or one.number not in named:
                    named[one.number] = one
        own = _up_to_sure((named[number] for number in sorted(named)), "/")
        # Behind a rule that takes everything comes nothing: with a rule for a whole host, its list stays short.
        cut = own and own[-1].is_sure and own[-1].rule.literal == "/"
        general = self._general[: bisect_left(self._general, (own[-1].number,))] if cut else self._general
        self._count(len(own) + len(general))
        return sorted([*own, *general])

    def _made(self, names: list[str], candidates: list[Candidate]) -> Hosts:
        beginnings = self._beginnings(candidates)
        return Hosts(tuple(names), beginnings, tuple(sorted({len(one) for one in beginnings}, reverse=True)))

    def _beginnings(self, candidates: list[Candidate]) -> dict[str, tuple[Candidate, ...]]:
        own: dict[str, list[Candidate]] = {"/": []}
        for one in candidates:
            own.setdefault(one.rule.literal, []).append(one)
        found: dict[str, tuple[Candidate, ...]] = {}
        above: list[str] = []
        for begin in sorted(own):
            while above and not begin.startswith(above[-1]):
                above.pop()
            inherited = found[above[-1]] if above else ()
            listed = tuple(_up_to_sure(sorted([*inherited, *own[begin]]), begin))
            if listed != inherited or not above:
                found[begin] = listed
                above.append(begin)
                self._count(len(listed))
        return found

    def _count(self, more: int) -> None:
        self._left -= more
        if self._left < 0:
            raise TooManyError


def _up_to_sure(candidates: Iterable[Candidate], begin: str) -> list[Candidate]:
    """Those that are tried at all for such paths: none behind the first that takes every request."""
    found: list[Candidate] = []
    for one in candidates:
        found.append(one)
        if one.is_sure and begin.startswith(one.rule.literal):
            break
    return found


def _preference(name: str) -> tuple[int, int]:
    return (1 if name.startswith(".") else 2 if name.endswith(".") else 0, -len(name))
