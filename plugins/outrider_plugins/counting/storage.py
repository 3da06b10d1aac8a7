"""What every storage of counts does, whatever it keeps them in."""

from collections.abc import Sequence
from typing import Protocol

from outrider import OutriderError
from outrider_plugins.counting.rule import Charge, Usage


class StorageError(OutriderError):
    """The counts can't be asked now. Whoever asks decides what that means; the default is to refuse."""


class StorageFullError(StorageError):
    """There is no place for a new key. Keys that have a place go on counting."""


class StorageTimeoutError(StorageError):
    """The storage did not answer in time."""


class Storage(Protocol):
    """Counts charges, together with every other process that uses the same counts.

    A request is counted in all of its charges, or in none if one of them has no room: a refused request consumes
    nothing (as in Kong). With `owed` it is counted in all of them, whether there is room or not: what has been used
    already. The keys of one request's charges differ, or their rules do.
    """

    def try_take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage] | None:
        """Counts at once, or returns None: then it is `take` that can. Raises `StorageError`."""

    async def take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage]:
        """Counts, and waits for it as long as the storage allows. Raises `StorageError`."""
        ...

    async def close(self) -> None:
        """Whoever opened it needs it no more."""
