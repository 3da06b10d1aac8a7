"""The rate limit service of a file: what is wrong with it, and what counts for it."""

import logging
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import SecretStr

from outrider.config import Configuration, Mistake
from outrider.config.rate_limit_service import RateLimit, RateLimitService
from outrider.config.where import Place
from outrider.counting import StorageAddress
from outrider.metrics import Metrics
from outrider_envoy.descriptors import Limit
from outrider_envoy.rate_limit_service import Hits, RateLimits
from outrider_plugins.counting.algorithm import rule
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.opening import open_storage
from outrider_plugins.counting.redis.address import RedisAddress
from outrider_plugins.counting.rule import Charge, Rule, Usage
from outrider_plugins.counting.storage import Storage
from outrider_plugins.counting.watched import uncounted_counter

_log = logging.getLogger("outrider.rate_limit_service")

_SERVICE: Place = ("gateway", "rate_limit_service")


def opened(service: RateLimitService, shared: Path, metrics: Metrics) -> tuple[RateLimits, Storage]:
    """What answers, and what is to be closed when it answers no more. Raises `StartError`."""
    timeout = service.storage_timeout / 1000
    on_error = service.on_storage_error
    storage = open_storage(
        service.storage,
        shared,
        _log,
        uncounted_counter(metrics, "rate_limit_service"),
        on_error=on_error,
        timeout=timeout,
        namespace=service.namespace,
    )
    return RateLimits(service, metrics, StorageLimiter(storage)), storage


def mistakes(configuration: Configuration) -> Iterator[Mistake]:
    """What only the storage and the algorithms know to be wrong."""
    service = configuration.gateway.rate_limit_service
    if service is None:
        return
    try:
        _check_storage(service.storage)
    except ValueError as error:
        yield _mistake(configuration, (*_SERVICE, "storage"), error)
    for place, _, one in service.descriptors():
        try:
            _check_limit(one.rate_limit)
        except ValueError as error:
            yield _mistake(configuration, (*_SERVICE, *place, "rate_limit"), error)


def _check_storage(address: StorageAddress) -> None:
    if isinstance(address, SecretStr) and RedisAddress.parse(address.get_secret_value()).kind == "cluster":
        raise ValueError("is a cluster, which can't count all descriptors of a request at once: name one server")


def _check_limit(limit: RateLimit | None) -> None:
    if limit is not None and limit.requests_per_unit is not None:
        _rule(Limit(limit.requests_per_unit, limit.seconds, limit.algorithm, limit.burst))


def _mistake(configuration: Configuration, place: Place, error: ValueError) -> Mistake:
    what, _, remedy = str(error).partition(": ")
    return configuration.document.mistake(place, what, remedy)


class StorageLimiter:
    """Counts what descriptors fall under in the storage that plugins count in."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def try_take(self, hits: Sequence[Hits], *, owed: bool = False) -> Sequence[Usage] | None:
        return self._storage.try_take(_charges(hits), owed=owed)

    async def take(self, hits: Sequence[Hits], *, owed: bool = False) -> Sequence[Usage]:
        return await self._storage.take(_charges(hits), owed=owed)


def _charges(hits: Sequence[Hits]) -> list[Charge]:
    return [Charge(_rule(one.limit), one.key, one.cost) for one in hits]


@lru_cache(maxsize=4096)
def _rule(limit: Limit) -> Rule:
    if limit.quota == 0:
        # A bucket that holds nothing has no rate.
        return FixedWindow(0, limit.window)
    return rule(limit.algorithm, limit.quota, limit.window, limit.burst)
