"""Places for requests in flight, so many for each key, in memory that all workers of this machine share."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from outrider_plugins.counting.shared_table import SharedTable
from outrider_plugins.counting.storage import StorageFullError

SLOTS: Final = 1 << 16
"""How many keys can have places at once: 65,536, which takes 6 MiB."""
PATIENCE: Final = 0.1
"""How long requests wait for the table, in seconds."""
NO_PLACE: Final = -1
"""What taking gives where all places are taken."""

TERMS: Final = 8
_RENEWED: Final = 2
"""How many terms a place stands before it is renewed."""
_MAGIC = b"outrider places1"
_COUNT = 0xFFFF_FFFF
_TERM = 32  # bits above the count
_MICRO = 1_000_000


class Held:
    """So many places of a key that were taken in one term. `term` is the one that they stand in now."""

    __slots__ = ("count", "key", "term")

    def __init__(self, key: bytes, term: int) -> None:
        self.key = key
        self.term = term
        self.count = 0


class Places:
    """Gives out places that come back by themselves when their lease is over.

    Time goes in terms, seven to a lease. A key has eight words, each with a term and how many places were taken in
    it: what is in flight is the sum of those that are not over, so a place that nobody gives back is kept for a lease
    at least, and a seventh more at most. Every change is the store of one word, behind the end until which the key
    keeps its words: a process killed anywhere leaves a place too many taken, and never one too few.
    """

    def __init__(self, table: SharedTable, lease: int, *, patience: float = PATIENCE) -> None:
        self._table = table
        self._length = -(-lease * _MICRO // (TERMS - 1))
        self._prefix = b"%d " % lease  # terms of another length would mean other moments
        self._patience = patience

    def try_take(self, key: bytes, limit: int) -> int | None:
        """A place, if fewer than `limit` are taken: the term that it stands in, or `NO_PLACE`.

        None if another process has the table: then it is `take` that can. Raises `StorageError`.
        """
        return self._table.locked(partial(self._take, key, limit))

    async def take(self, key: bytes, limit: int) -> int:
        """The same, and waits for the table. Raises `StorageError`."""
        return await self._table.patiently(partial(self._take, key, limit), self._patience)

    def try_give_back(self, key: bytes, term: int) -> bool:
        """Gives back one of the places that stand in a term; False if another process has the table."""
        return self._table.locked(partial(self._give_back, key, term, 1)) is not None

    async def give_back(self, key: bytes, term: int, count: int = 1) -> None:
        """The same for so many, and waits for the table. Raises `StorageTimeoutError`."""
        await self._table.patiently(partial(self._give_back, key, term, count), self._patience)

    async def renew(self, held: Sequence[Held]) -> None:
        """Moves places that have stood for a while into this term. Raises `StorageTimeoutError`."""
        await self._table.patiently(partial(self._renew, held), self._patience)

    def _take(self, key: bytes, limit: int, moment: int) -> int:
        place = self._table.place(self._prefix + key, moment)
        term = moment // self._length
        if self._in_flight(place, term) >= limit:
            return NO_PLACE
        self._add(place, term, 1)
        return term

    def _give_back(self, key: bytes, term: int, count: int, moment: int) -> bool:
        place = self._table.find(self._prefix + key)
        if place is not None:
            self._subtract(place, term, count)
            if not self._in_flight(place, moment // self._length):
                self._table.set_end(place, 0)
        return True

    def _renew(self, held: Sequence[Held], moment: int) -> bool:
        term = moment // self._length
        for one in held:
            if term - one.term >= _RENEWED:
                # A key whose leases were over, since this process slept, may find no room: it is tried again.
                with suppress(StorageFullError):
                    place = self._table.place(self._prefix + one.key, moment)
                    self._add(place, term, one.count)
                    self._subtract(place, one.term, one.count)
                    one.term = term
        return True

    def _in_flight(self, place: int, term: int) -> int:
        oldest = (term - TERMS + 1) << _TERM
        words = self._table.words[place : place + TERMS].tolist()
        return sum([word & _COUNT for word in words if word >= oldest])

    def _add(self, place: int, term: int, count: int) -> None:
        words, at = self._table.words, place + term % TERMS
        self._table.set_end(place, (term + TERMS) * self._length)
        words[at] = max(words[at], term << _TERM) + count

    def _subtract(self, place: int, term: int, count: int) -> None:
        words, at = self._table.words, place + term % TERMS
        word = words[at]
        if word >> _TERM == term:
            words[at] = word - min(count, word & _COUNT)


_open: WeakValueDictionary[Path, SharedTable] = WeakValueDictionary()


def open_places(path: Path, lease: int) -> Places:
    """Places in the table of that file, which is opened once in each process. Raises `StorageError` and `OSError`."""
    if (table := _open.get(path)) is None:
        _open[path] = table = place_table(path)
    return Places(table, lease)


def place_table(path: Path, *, slots: int = SLOTS, clock: Callable[[], float] = time.monotonic) -> SharedTable:
    """The table of that file. The clock of the machine runs evenly, and is one for all of its processes."""
    return SharedTable(path, _MAGIC, TERMS, slots=slots, clock=clock)
