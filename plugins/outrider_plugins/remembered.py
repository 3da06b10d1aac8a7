"""A bounded memory of what was found out, each entry with its end."""

import time
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from cachetools import LRUCache

Found = TypeVar("Found")


class _Entry(NamedTuple, Generic[Found]):
    found: Found
    end: float
    size: int


class Remembered(Generic[Found]):
    """Where all entries together are beyond `size`, those used least recently are forgotten, and found out again.

    An entry is of size 1, unless `put` says otherwise; a single one beyond `size` is not remembered.
    """

    def __init__(self, size: int, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: LRUCache[bytes, _Entry[Found]] = LRUCache(size, getsizeof=_size)

    def get(self, key: bytes) -> Found | None:
        """What is remembered of a key, until its end."""
        entry = self._entries.get(key)
        return entry.found if entry is not None and self._clock() < entry.end else None

    def put(self, key: bytes, found: Found, end: float, size: int = 1) -> None:
        """Remembers it until `end`, a time of the clock."""
        if size <= self._entries.maxsize:
            self._entries[key] = _Entry(found, end, size)

    def clear(self) -> None:
        """Forgets everything."""
        self._entries.clear()


def _size(entry: _Entry[Any]) -> int:
    return entry.size
