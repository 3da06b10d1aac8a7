"""Routes that Kong itself does not try in the order that its documentation gives, and Envoy does.

Kong 3.9.1 adds up a route's conditions in numbers of 32 bits where 64 are meant, so that a plain host, then a regular
expression count more than the number of conditions.
"""

from collections.abc import Iterator
from itertools import islice, zip_longest

from outrider.config import Configuration
from outrider.route_table import Hosts, RouteTable, TooManyError
from outrider.routing import Rule, rules

_MOST = 20
_WORDS = (
    "Kong 3.9 tries {theirs} before {ours}, against its documentation, which Envoy goes by: a request that meets "
    "both takes another route there. Give both the same kinds of conditions"
)


def doubts(configuration: Configuration) -> Iterator[str]:
    """One line for each two routes, with the line number before it."""
    ordered = rules(configuration.routes)
    kongs = sorted(ordered, key=kongs_rank, reverse=True)
    if all(one is other for one, other in zip(ordered, kongs, strict=True)):
        return
    pairs = dict.fromkeys(_pairs(ordered, kongs))
    for ours, theirs in islice(pairs, _MOST):
        yield f"1: routes: {_WORDS.format(theirs=theirs, ours=ours)}"


def kongs_rank(rule: Rule) -> tuple[int, str]:
    """What Kong's router really sorts by."""
    rank = rule.rank
    bits = (
        _signed(rank.kinds << 29)
        | _signed(min(rank.headers, 255) << 20)
        | _signed(rank.regex_priority << 19)
        | rank.length
    )
    unsigned = (bits | rank.plain_hosts << 60 | rank.is_regex << 51) & (1 << 64) - 1
    return unsigned, rank.tie


def _signed(value: int) -> int:
    value &= 0xFFFF_FFFF
    return value - (value >> 31 << 32)


def _pairs(ordered: list[Rule], kongs: list[Rule]) -> Iterator[tuple[str, str]]:
    try:
        tables = RouteTable(ordered), RouteTable(kongs)
    except TooManyError:
        return
    ours, theirs = ({hosts.names[:1]: hosts for hosts in _by_name(table)} for table in tables)
    for name, hosts in ours.items():
        for begin in hosts.beginnings.keys() | theirs[name].beginnings.keys():
            yield from _first(hosts, theirs[name], begin)


def _by_name(table: RouteTable) -> Iterator[Hosts]:
    for hosts in table.hosts:
        for name in hosts.names or ("",):
            yield Hosts((name,), hosts.beginnings, hosts.lengths)


def _first(ours: Hosts, theirs: Hosts, begin: str) -> Iterator[tuple[str, str]]:
    """The first two that change places, if a request could meet both."""
    for one, other in zip_longest(ours.candidates(begin), theirs.candidates(begin)):
        if one is None or other is None or one.rule is not other.rule:
            if one and other and _together(one.rule, other.rule):
                yield one.rule.route, other.rule.route
            return


def _together(one: Rule, other: Rule) -> bool:
    methods = not one.methods or not other.methods or not set(one.methods).isdisjoint(other.methods)
    return methods and one.route != other.route
