"""Remembers which signatures were used, so that nobody sends one again."""

from collections.abc import Awaitable
from pathlib import Path

from outrider_plugins.counting.gcra import Gcra
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.storage import Storage


class _Once(Gcra):
    """One in so many seconds. Its state is how much of them is left, whatever they are when it is asked again: a
    file that changes them opens nothing anew.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(limit=1, window=seconds)
        self.name = b"once "


class Replays:
    """Each identity passes once in `seconds`, over all who share the storage.

    Counted by GCRA, which has no windows: where one ends, it would pass a second time.
    """

    def __init__(self, storage: Storage, seconds: int) -> None:
        self._storage = storage
        self._rule = _Once(seconds)

    def is_first(self, identity: bytes) -> bool | Awaitable[bool]:
        """Whether it was not used before; now it is. Raises `StorageError`, also where it is waited for."""
        charges = [Charge(self._rule, b"signature " + identity)]
        usages = self._storage.try_take(charges)
        return self._wait(charges) if usages is None else usages[0].passed

    async def look(self) -> None:
        """Asks for nothing, so that whoever starts hears at once that nobody answers. Raises `StorageError`."""
        await self._storage.take([Charge(self._rule, b"", 0)])

    async def close(self) -> None:
        """They are needed no more."""
        await self._storage.close()

    async def _wait(self, charges: list[Charge]) -> bool:
        return (await self._storage.take(charges))[0].passed


def folder_of(shared: Path) -> Path:
    """The folder of their own table: signatures take no place from the counters of limits."""
    folder = shared / "signatures"
    folder.mkdir(exist_ok=True)
    return folder
