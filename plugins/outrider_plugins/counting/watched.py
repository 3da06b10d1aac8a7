"""A storage that says in the log when it can't count, and counts on this machine meanwhile, if it may."""

import logging
from collections.abc import Sequence

from outrider_plugins.counting.rule import Charge, Usage
from outrider_plugins.counting.storage import Storage, StorageError
from outrider_plugins.quiet_log import QuietLog


class Watched(Storage):
    """Counts in `storage`; what that can't count is counted in `local`, if there is one, else the error stays."""

    def __init__(self, storage: Storage, log: logging.Logger, local: Storage | None = None) -> None:
        self._storage = storage
        self._local = local
        self._log = QuietLog(log)

    def try_take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage] | None:
        try:
            return self._storage.try_take(charges, owed=owed)
        except StorageError as error:
            self._report(error)
            if self._local is None:
                raise
            return self._local.try_take(charges, owed=owed)

    async def take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage]:
        try:
            return await self._storage.take(charges, owed=owed)
        except StorageError as error:
            self._report(error)
            if self._local is None:
                raise
            return await self._local.take(charges, owed=owed)

    async def close(self) -> None:
        await self._storage.close()
        if self._local is not None:
            await self._local.close()

    def _report(self, error: StorageError) -> None:
        meanwhile = "" if self._local is None else ": they are counted on this machine alone"
        self._log.error("requests can't be counted (%s)%s", error, meanwhile)
