"""The plugin concurrency-limit: so many requests in flight at once, counted over all workers of this machine."""

import logging
from collections.abc import Awaitable
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from outrider import LogRecord, Plugin, Refusal, Reply, Request, Runtime, StartError
from outrider.metrics import Counter, Metrics
from outrider.quiet_log import QuietLog
from outrider_plugins.counted_by import WHOLE_NETWORK, By, PrefixLength, key_reader
from outrider_plugins.counting.storage import StorageError
from outrider_plugins.counting.watched import uncounted_counter
from outrider_plugins.held_places import HeldPlaces
from outrider_plugins.places import NO_PLACE, open_places

_log = logging.getLogger("outrider.plugin.concurrency-limit")

_PLACE: Final = "concurrency-limit"
"""Under this name the request's context has its place: the digest of its key, and a term."""


class ConcurrencyLimit(Plugin):
    """Refuses requests with 429 while as many as may be are in flight.

    A request is in flight from this plugin until it has ended, however it ends: answered, refused by a later plugin,
    broken off.
    """

    priority: ClassVar[int] = 915

    limit: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many requests may be in flight at once."""
    by: By = "consumer"
    """What has a limit of its own: `consumer`, `credential`, `ip`, `header:NAME`, `claim:NAME`, `route`, `service`.
    A list means every combination. Where there is no consumer the credential counts, and where there is none of
    these the client's address."""
    ipv6_prefix: PrefixLength = WHOLE_NETWORK
    """How many bits of an IPv6 address count: whoever has one address of a network has all of them."""
    lease: Annotated[int, Field(ge=1, le=86_400)] = 60
    """After how many seconds a request counts no more whose ending nobody saw: of a worker that was killed. Behind
    Kong every request that lasts longer."""
    dry_run: bool = False
    """Counts, and refuses nobody: `outrider_concurrency_limit_dry_run_total` tells what would have become of
    requests."""
    on_storage_error: Literal["deny", "allow"] = "deny"
    """What becomes of a request that can't be counted: refused with 503, or let on."""

    async def start(self, runtime: Runtime, /) -> None:
        self._key = key_reader(self.by, runtime.scope, self.ipv6_prefix)
        self._quiet = QuietLog(_log)
        self._missed = uncounted_counter(runtime.metrics, "concurrency-limit")
        try:
            self._places = open_places(runtime.shared / "concurrency-limit", self.lease)
        except (OSError, StorageError) as error:
            raise StartError(f"the places can't be opened ({error})") from error
        self._held = HeldPlaces(self._places, runtime, self.lease, self._quiet)
        self._dry = lru_cache(maxsize=None)(partial(_dry_run, runtime.metrics)) if self.dry_run else None

    def on_request(self, request: Request, /) -> Reply | Awaitable[Reply]:
        key = _digest(self._key(request))
        try:
            term = self._places.try_take(key.encode(), self.limit)
        except StorageError as error:
            return self._uncounted(error)
        return self._answer(request, key, term) if term is not None else self._wait(request, key)

    async def _wait(self, request: Request, key: str) -> Reply:
        try:
            term = await self._places.take(key.encode(), self.limit)
        except StorageError as error:
            return self._uncounted(error)
        return self._answer(request, key, term)

    def on_log(self, request: Request, log: LogRecord, /) -> None:
        del log
        if place := request.context.get(_PLACE):
            key, term = place
            self._held.give_back(key.encode(), term)

    def _answer(self, request: Request, key: str, term: int) -> Reply:
        if self._dry is not None:
            self._dry(request.route.name, "passed" if term != NO_PLACE else "refused").add()
        if term != NO_PLACE:
            self._held.add(key.encode(), term)
            request.context[_PLACE] = [key, term]
            return None
        return None if self.dry_run else Refusal(429, "Too many requests at once", headers={"retry-after": "1"})

    def _uncounted(self, error: StorageError) -> Reply:
        self._missed.add()
        let_on = self.dry_run or self.on_storage_error == "allow"
        meanwhile = "they are let on" if let_on else "they are refused"
        self._quiet.error("requests can't be counted (%s): %s", error, meanwhile)
        if let_on:
            return None
        return Refusal(503, "Requests can't be counted at the moment", headers={"retry-after": "1"})


def _dry_run(metrics: Metrics, route: str, outcome: str) -> Counter:
    help_ = "What would have become of requests under a concurrency-limit with dry_run."
    return metrics.counter("outrider_concurrency_limit_dry_run_total", help_, route=route, outcome=outcome)


@lru_cache(maxsize=4096)
def _digest(key: str) -> str:
    # Whoever else sees the context need not know what is counted by.
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
