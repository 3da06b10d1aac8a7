"""Hands the consumer that our plugins found to Kong, whose own plugins behind ours look there."""

import logging
from collections.abc import Callable, Generator, Sequence
from time import monotonic
from typing import Any

from cachetools import TTLCache

from outrider.consumer import Consumer
from outrider.request import Request
from outrider_kong.calls import Call, authenticate, load_consumer
from outrider_kong.proto import pluginsocket_pb2 as pb

_log = logging.getLogger("outrider.kong")

KEPT = 10_000
"""How many of Kong's records a worker remembers; the least recently used goes first."""
SECONDS = 10.0
"""How long: a consumer that was made anew in Kong has another id there."""


class KongConsumers:
    """Kong's records of our consumers."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._known: TTLCache[str, pb.Consumer] = TTLCache(KEPT, SECONDS, clock)

    def handed(self, request: Request) -> Generator[Sequence[Call], Sequence[Any], list[Call]]:
        """The calls that tell Kong who sends the request. Where Kong's record is not known it is asked for first."""
        consumer, credential = request.consumer, request.credential
        if consumer is None and credential is None:
            return []
        record = None if consumer is None else (yield from self._record(consumer))
        if record is None and credential is None:
            return []
        return [authenticate(record, credential)]

    def _record(self, consumer: Consumer) -> Generator[Sequence[Call], Sequence[Any], pb.Consumer | None]:
        record = self._known.get(consumer.id)
        if record is None:
            (record,) = yield (load_consumer(consumer),)
            self._known[consumer.id] = record
            if not record.id:
                who = consumer.name
                _log.warning("Kong has no consumer %s: add it to kong.yml where Kong's own plugins need it", who)
        return record if record.id else None
