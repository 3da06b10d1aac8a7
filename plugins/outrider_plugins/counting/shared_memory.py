"""The storage `memory`: one table of counts for all worker processes of this machine."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self
from weakref import WeakValueDictionary

from outrider_plugins.counting.rule import Charge, Rule, State, Usage
from outrider_plugins.counting.shared_table import SharedTable
from outrider_plugins.counting.storage import Storage

SLOTS: Final = 1 << 18
"""How many counts a table has: 262,144, which takes 12 MiB."""
PATIENCE: Final = 0.1
"""How long `take` waits for the table, in seconds."""

_MAGIC = b"outrider counts2"
_COUNT, _BEFORE = 1, 2


class SharedCounters(Storage):
    """Counts together with every other process that opens the same file.

    A request is counted before it is answered, under the lock of `SharedTable`, with stores in such an order that
    a process killed between two of them loses nothing that was answered: the worst is a count more than there was.
    `clock` gives seconds since the Unix epoch. An object belongs to one thread.
    """

    def __init__(
        self,
        path: Path,
        *,
        slots: int = SLOTS,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE,
    ) -> None:
        self._table = SharedTable(path, _MAGIC, 3, slots=slots, clock=clock)
        self._patience = patience

    @classmethod
    def private(cls, folder: Path) -> Self:
        """A small table of this process alone, whose file in `folder` has no name any more."""
        path = Path(tempfile.mkdtemp(dir=folder)) / "counters"
        try:
            return cls(path, slots=SLOTS // 8)
        finally:
            path.unlink(missing_ok=True)
            path.parent.rmdir()

    def try_take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage] | None:
        return self._table.locked(self._take, charges, owed)

    async def take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage]:
        return await self._table.patiently(self._take, self._patience, charges, owed)

    async def close(self) -> None:
        """Nothing: the table is there for the other workers, and for a plugin that is opened again."""

    def _take(self, moment: int, charges: Sequence[Charge], owed: bool) -> list[Usage]:
        table, words = self._table, self._table.words
        found: list[tuple[Rule, int, int, State]] = []
        passed = True
        for rule, key, cost in charges:
            place = table.place(rule.name + key, moment)
            state = rule.advance((words[place], words[place + _COUNT], words[place + _BEFORE]), moment)
            if passed and not owed:
                passed = rule.fits(state, moment, cost)
            found.append((rule, cost, place, state))
        if not passed:
            return [rule.usage(state, moment, cost, passed) for rule, cost, _, state in found]
        return [
            rule.usage(self._store(rule, place, rule.charge(state, cost)), moment, cost, passed)
            for rule, cost, place, state in found
        ]

    def _store(self, rule: Rule, place: int, state: State) -> State:
        # The count comes last: cut short before, an old count stands in a new window, and never a new one in none.
        words = self._table.words
        words[place], words[place + _BEFORE] = state[0], state[_BEFORE]
        words[place - 1] = rule.lasts(state)
        words[place + _COUNT] = state[_COUNT]
        return state


_open: WeakValueDictionary[Path, SharedCounters] = WeakValueDictionary()


def open_counters(path: Path) -> SharedCounters:
    """The table of that file, opened once in each process however many plugins ask for it."""
    if (counters := _open.get(path)) is None:
        _open[path] = counters = SharedCounters(path)
    return counters
