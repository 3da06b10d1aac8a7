"""Which limit of a domain a request's descriptor falls under.

A descriptor is a list of entries, each a key with a value. They are looked up one after another: the first in the
domain, each further one below what the one before it led to. At each level the key with that very value comes
before the key with a value that has a `*` (in the order of the file), and this before the key alone; a way that was
taken is never taken back. There is a limit only where all entries are used up at a place that has one.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from outrider.config.rate_limit_service import UNITS, WILD, Descriptor, Domain
from outrider.counting import Algorithm
from outrider_envoy.proto.rate_limit_pb2 import RateLimitResponse
from outrider_envoy.wire import sized, tag

_LONG: Final = 128
"""Longer keys are cut down to a digest: storages remember them."""
_CURRENT_LIMIT = tag(2)
_UNITS = RateLimitResponse.RateLimit.Unit
"""Their numbers are those of RateLimitUnit in requests, too."""
_SECONDS = {seconds: _UNITS.Value(unit.upper()) for unit, seconds in UNITS.items()}
_OVERRIDES = {number: seconds for seconds, number in _SECONDS.items()}


Entry = tuple[str, str]
"""A key with a value."""


class Limit(NamedTuple):
    """What a storage counts by: so much in so many seconds."""

    quota: int
    window: int
    algorithm: Algorithm = "fixed-window"
    burst: int | None = None


class Applied(NamedTuple):
    """A limit at its place in the file."""

    limit: Limit | None
    """None if it is unlimited."""
    told: bytes
    """The field `current_limit` of a status, as it is written."""
    name: str = ""
    replaces: frozenset[str] = frozenset()
    shadow: bool = False


class Found(NamedTuple):
    """What a descriptor falls under, and the key of the count that is its own."""

    applied: Applied
    key: bytes


class Tree:
    """A domain, ready to be looked things up in."""

    def __init__(self, domain: Domain) -> None:
        self._name = domain.domain
        self._root = _Node(domain.descriptors)

    def find(self, entries: Iterable[Entry]) -> Found | None:
        """The limit of a descriptor, if it has one."""
        node, names = self._root, [self._name]
        for key, value in entries:
            below, counted = node.below(key, value)
            if below is None:
                return None
            node = below
            names += (key, counted)
        return None if node.applied is None else Found(node.applied, count_key("", names))

    def override(self, entries: Iterable[Entry], quota: int, unit: int) -> Found | None:
        """What a descriptor falls under that brings its own limit; None if its unit is unknown."""
        if unit not in _OVERRIDES:
            return None
        # Its counts are kept apart from those of the file's limits, and from those in other units.
        names = [self._name]
        for entry in entries:
            names += entry
        return Found(_own(quota, _OVERRIDES[unit]), count_key(f"own{unit}", names))


class _Node:
    """A place in the tree, and the ways that lead on from it."""

    def __init__(self, descriptors: Sequence[Descriptor], applied: Applied | None = None) -> None:
        self.applied = applied
        self._exact: dict[tuple[str, str], _Node] = {}
        self._wild: dict[str, list[tuple[_Pattern, _Node]]] = {}
        self._any: dict[str, _Node] = {}
        for one in descriptors:
            node = _Node(one.descriptors, _applied(one))
            if one.value is None:
                self._any[one.key] = node
            elif WILD in one.value:
                self._wild.setdefault(one.key, []).append((_Pattern(one.value, shared=one.share_threshold), node))
            else:
                self._exact[one.key, one.value] = node

    def below(self, key: str, value: str) -> "tuple[_Node | None, str]":
        """Where an entry leads, and what stands for its value in the key of the count."""
        if (node := self._exact.get((key, value))) is not None:
            return node, value
        for pattern, wild in self._wild.get(key, ()):
            if pattern.matches(value):
                return wild, pattern.text if pattern.shared else value
        return self._any.get(key), value


class _Pattern:
    """A value in which each `*` stands for any characters, also none. It takes time in proportion to the value."""

    def __init__(self, text: str, *, shared: bool) -> None:
        self.text = text
        self.shared = shared
        self._first, *self._between, self._last = text.split(WILD)

    def matches(self, value: str) -> bool:
        at, end = len(self._first), len(value) - len(self._last)
        if at > end or not value.startswith(self._first) or not value.endswith(self._last):
            return False
        for part in self._between:
            # The leftmost place leaves most room for the parts that follow.
            if (found := value.find(part, at, end)) < 0:
                return False
            at = found + len(part)
        return True


def count_key(kind: str, names: Sequence[str]) -> bytes:
    """One key for a list of names: different lists never have the same one."""
    name = f"rls {kind} {''.join([f'{len(each)}:{each}' for each in names])}".encode("utf-8", "surrogateescape")
    return name if len(name) <= _LONG else b"rls #" + blake2b(name, digest_size=32).digest()


def _applied(one: Descriptor) -> Applied | None:
    limit = one.rate_limit
    if limit is None:
        return None
    # What refuses nobody takes nobody's place.
    replaces = frozenset[str]() if one.shadow_mode else frozenset(other.name for other in limit.replaces)
    if limit.unlimited or limit.requests_per_unit is None:
        return Applied(None, b"", limit.name, replaces)
    counted = Limit(limit.requests_per_unit, limit.seconds, limit.algorithm, limit.burst)
    return Applied(counted, _told(counted, limit.name), limit.name, replaces, one.shadow_mode)


@lru_cache(maxsize=1024)
def _own(quota: int, window: int) -> Applied:
    limit = Limit(quota, window)
    return Applied(limit, _told(limit, ""))


def _told(limit: Limit, name: str) -> bytes:
    # A window that no unit has is told as UNKNOWN: in its x-ratelimit headers Envoy leaves it out.
    unit = _SECONDS.get(limit.window, _UNITS.UNKNOWN)
    told = RateLimitResponse.RateLimit(requests_per_unit=limit.quota, unit=_UNITS.Name(unit), name=name)
    return sized(_CURRENT_LIMIT, told.SerializeToString())
