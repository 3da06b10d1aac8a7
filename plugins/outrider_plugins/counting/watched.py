"""A storage that tells when it can't count, and counts on this machine meanwhile, if it may."""

import logging
from collections.abc import Sequence

from outrider.metrics import Counter, Metrics
from outrider.quiet_log import QuietLog
from outrider_plugins.counting.rule import Charge, Usage
from outrider_plugins.counting.storage import Storage, StorageError


def uncounted_counter(metrics: Metrics, by: str) -> Counter:
    """Counts the requests that somebody could not count."""
    help_ = "Requests that could not be counted where the file says."
    return metrics.counter("outrider_uncounted_total", help_, by=by)


class Watched(Storage):
    """Counts in `storage`; what that can't count is counted in `local`, if there is one, else the error stays.

    `meanwhile` says for the log what becomes of such requests; `uncounted` counts them.
    """

    def __init__(
        self, storage: Storage, log: logging.Logger, uncounted: Counter, meanwhile: str, local: Storage | None = None
    ) -> None:
        self._storage = storage
        self._local = local
        self._log = QuietLog(log)
        self._uncounted = uncounted
        self._meanwhile = meanwhile

    def try_take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage] | None:
        try:
            return self._storage.try_take(charges, owed=owed)
        except StorageError as error:
            return self._at_hand(error).try_take(charges, owed=owed)

    async def take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage]:
        try:
            return await self._storage.take(charges, owed=owed)
        except StorageError as error:
            return await self._at_hand(error).take(charges, owed=owed)

    async def close(self) -> None:
        await self._storage.close()
        if self._local is not None:
            await self._local.close()

    def _at_hand(self, error: StorageError) -> Storage:
        self._uncounted.add()
        self._log.error("requests can't be counted (%s): %s", error, self._meanwhile)
        if self._local is None:
            raise error
        return self._local
