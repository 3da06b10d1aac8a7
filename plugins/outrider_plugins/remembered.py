"""A bounded memory of what was found out, each entry with its end."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from cachetools import LRUCache

Found = TypeVar("Found")


class Remembered(Generic[Found]):
    """Beyond `size` entries, the one that was used least recently is forgotten: it is found out again."""

    def __init__(self, size: int, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._entries: LRUCache[bytes, tuple[Found, float]] = LRUCache(size)

    def get(self, key: bytes) -> Found | None:
        """What is remembered of a key, until its end."""
        entry = self._entries.get(key)
        return entry[0] if entry is not None and self._clock() < entry[1] else None

    def put(self, key: bytes, found: Found, end: float) -> None:
        """Remembers it until `end`, a time of the clock."""
        self._entries[key] = found, end

    def clear(self) -> None:
        """Forgets everything."""
        self._entries.clear()
