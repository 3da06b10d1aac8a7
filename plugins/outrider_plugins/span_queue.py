"""Finished spans on their way to a collector: no request waits for it, and what it does not take is counted."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Event, Thread
from typing import Protocol

from outrider.metrics import Counter, Metrics
from outrider_plugins.spans import Span

_log = logging.getLogger("outrider.plugin.tracing")

BATCH = 32
"""How many spans go out at once, at most. A larger batch would keep the requests from the interpreter for longer."""
INTERVAL = 1.0
"""How long a span waits for others, in seconds."""
FLUSH = 1.0
"""How long the last spans may take when the worker stops, in seconds."""


class Collector(Protocol):
    """Where spans go."""

    name: str
    """What log lines call it; no secret."""

    def export(self, spans: Sequence[Span]) -> bool:
        """Sends a batch, and says whether it was taken. Runs in the queue's thread, and may take its time."""
        ...

    def close(self) -> None:
        """Makes this and every later `export` give up soon."""
        ...


class SpanQueue:
    """Takes spans from the event loop, and brings them to the collector in a thread of its own.

    `limit` is how many spans may wait. One that finds no room is dropped, and so is a batch that is not taken.
    """

    def __init__(
        self,
        collector: Collector,
        limit: int,
        metrics: Metrics,
        *,
        interval: float = INTERVAL,
        flush: float = FLUSH,
    ) -> None:
        self._collector = collector
        self._limit = limit
        self._interval = interval
        self._flush = flush
        self._exported = metrics.counter("outrider_spans_exported_total", "Spans that the collector has taken.")
        self._overflowed = _dropped(metrics, "queue")
        self._refused = _dropped(metrics, "collector")
        self._waiting: deque[Span] = deque()
        self._wake = Event()
        self._stopping = False
        self._is_out = False
        self._loop = asyncio.get_running_loop()
        # A daemon: a collector that answers byte by byte can't keep the worker from ending.
        self._thread = Thread(target=self._work, name="outrider-spans", daemon=True)
        self._thread.start()

    def put(self, span: Span) -> None:
        """Queues a span, or drops and counts it. For the event loop; never waits."""
        if len(self._waiting) >= self._limit:
            self._overflowed.add()
            return
        self._waiting.append(span)
        if len(self._waiting) == BATCH:
            self._wake.set()

    async def stop(self) -> None:
        """Sends what still waits, if the collector takes it soon; what is left then is dropped and counted."""
        self._stopping = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join, self._flush)
        self._collector.close()
        await asyncio.to_thread(self._thread.join, self._flush)
        while batch := self._take():
            self._refused.add(len(batch))

    def _work(self) -> None:
        stopping = False
        while not stopping:
            self._wake.wait(self._interval)
            self._wake.clear()
            # Read before the queue is emptied: what came before `stop` is sent in any case.
            stopping = self._stopping
            while batch := self._take():
                self._send(batch)

    def _take(self) -> list[Span]:
        """A batch of what waits. Two threads may ask at once: each span is given to one of them."""
        batch: list[Span] = []
        with suppress(IndexError):
            while len(batch) < BATCH:
                batch.append(self._waiting.popleft())
        return batch

    def _send(self, batch: list[Span]) -> None:
        try:
            taken = self._collector.export(batch)
        except Exception:  # noqa: BLE001 - the thread must live on, whatever a strange collector makes it do
            taken = False
        # Counters belong to the loop's thread. Once the worker has stopped there is none, and nobody to count for.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._count, taken, len(batch))

    def _count(self, taken: bool, spans: int) -> None:
        (self._exported if taken else self._refused).add(spans)
        # Once for each outage, and not once for each batch.
        if not taken and not self._is_out:
            _log.warning("%s takes no spans: they are dropped and counted until it does", self._collector.name)
        elif taken and self._is_out:
            _log.info("%s takes spans again", self._collector.name)
        self._is_out = not taken


def _dropped(metrics: Metrics, reason: str) -> Counter:
    return metrics.counter("outrider_spans_dropped_total", "Spans that did not reach the collector.", reason=reason)
