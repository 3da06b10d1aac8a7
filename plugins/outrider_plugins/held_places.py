"""The places that requests of one worker have: renewed while these are in flight, given back when they end."""

import asyncio
from collections import Counter
from typing import Final

from outrider import Runtime
from outrider.quiet_log import QuietLog
from outrider_plugins.counting.storage import StorageError
from outrider_plugins.places import Held, Places

_BATCH: Final = 16
"""How many are renewed at once: who else wants the table waits meanwhile."""
_PAUSE: Final = 0.5
"""After how many seconds a table that could not be had is tried again."""
_PER_LEASE: Final = 4
"""How often in a lease places are renewed: one round may come late, or fail."""


class HeldPlaces:
    """Tell it of each place that was taken, and let it give them back.

    It renews leases where the worker sees each request from its first phase to its ending. Elsewhere it can't know
    what is still in flight, and a place is given back by whichever worker sees the ending.
    """

    def __init__(self, places: Places, runtime: Runtime, lease: int, log: QuietLog) -> None:
        self._places = places
        self._spawn = runtime.spawn
        self._log = log
        self._held: dict[tuple[bytes, int], Held] = {}
        self._owed: Counter[tuple[bytes, int]] = Counter()
        self._renews = runtime.sees_endings
        if self._renews:
            runtime.spawn(self._keep(lease / _PER_LEASE))

    def add(self, key: bytes, term: int) -> None:
        """A request has a place of that term."""
        if self._renews:
            if (held := self._held.get((key, term))) is None:
                held = self._held[key, term] = Held(key, term)
            held.count += 1

    def give_back(self, key: bytes, term: int) -> None:
        """The request has ended. Where another process has the table, the place comes back a little later."""
        if held := self._held.get((key, term)):
            held.count -= 1
            if not held.count:
                del self._held[key, term]
            term = held.term
        if not self._places.try_give_back(key, term):
            if not self._owed:
                self._spawn(self._pay())
            self._owed[key, term] += 1

    async def renew(self) -> None:
        """One round over all that is in flight."""
        held = list(self._held.values())
        try:
            for first in range(0, len(held), _BATCH):
                await self._places.renew(held[first : first + _BATCH])
                await asyncio.sleep(0)
        except StorageError as error:
            self._log.error("leases can't be renewed (%s)", error)

    async def _keep(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            await self.renew()

    async def _pay(self) -> None:
        """Gives back what is owed, however long that takes; what comes later than its lease changes nothing."""
        while self._owed:
            (key, term), count = next(iter(self._owed.items()))
            try:
                await self._places.give_back(key, term, count)
            except StorageError as error:
                self._log.error("places can't be given back (%s)", error)
                await asyncio.sleep(_PAUSE)
            else:
                self._owed[key, term] -= count
                if not self._owed[key, term]:
                    del self._owed[key, term]
