"""The queue between requests and collector: bounded, counted, and never waited for."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event

import pytest

from outrider import LogRecord, Request
from outrider.metrics import Metrics
from outrider_plugins.span_queue import BATCH, SpanQueue
from outrider_plugins.spans import Span, ended, started

LOGGER = "outrider.plugin.tracing"


class Slow:
    """A collector that answers what it is told, and only while its gate is open."""

    name = "the slow collector"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.takes: bool | Exception = True
        self.gate, self.asked = Event(), Event()
        self.gate.set()

    def export(self, spans: Sequence[Span]) -> bool:
        self.asked.set()
        assert self.gate.wait(15), "nobody opened the gate"
        self.batches.append(len(spans))
        if isinstance(self.takes, Exception):
            raise self.takes
        return self.takes

    def close(self) -> None:
        self.takes = False
        self.gate.set()


class Counted:
    """A queue in front of a slow collector, and what it has counted."""

    def __init__(self, limit: int, *, interval: float = 0.001, flush: float = 15.0) -> None:
        metrics = Metrics(slots=64)
        self.collector = Slow()
        self.queue = SpanQueue(self.collector, limit, metrics, interval=interval, flush=flush)
        self._exported = metrics.counter("outrider_spans_exported_total", "Spans that the collector has taken.")
        self._dropped = {
            reason: metrics.counter(
                "outrider_spans_dropped_total", "Spans that did not reach the collector.", reason=reason
            )
            for reason in ("queue", "collector")
        }

    def put(self, spans: int) -> None:
        for _ in range(spans):
            self.queue.put(SPAN)

    def has_counted(self, spans: int) -> bool:
        return sum(self.counts) == spans

    @property
    def counts(self) -> tuple[float, float, float]:
        """Exported, dropped for want of room, not taken."""
        return self._exported.value, self._dropped["queue"].value, self._dropped["collector"].value


SPAN = ended(started("a" * 32, "b" * 16, "", ""), Request(), LogRecord("passed", 200, 0.1))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not true():
            await asyncio.sleep(0.001)


def test_spans_go_out_in_batches_when_the_interval_is_over() -> None:
    async def test() -> None:
        counted = Counted(1000)
        counted.put(BATCH + 1)
        await until(lambda: counted.counts == (BATCH + 1, 0, 0))
        assert max(counted.collector.batches) <= BATCH
        await counted.queue.stop()

    asyncio.run(test())


def test_a_full_batch_does_not_wait_for_the_interval() -> None:
    async def test() -> None:
        counted = Counted(1000, interval=1000)
        counted.put(BATCH)
        await until(lambda: counted.counts == (BATCH, 0, 0))
        await counted.queue.stop()

    asyncio.run(test())


def test_spans_that_find_no_room_are_dropped_and_counted_at_once() -> None:
    async def test() -> None:
        counted = Counted(5)
        counted.collector.gate.clear()
        counted.put(1)
        await asyncio.to_thread(counted.collector.asked.wait)
        counted.put(12)
        assert counted.counts == (0, 7, 0)
        counted.collector.gate.set()
        await until(lambda: counted.counts == (6, 7, 0))
        await counted.queue.stop()

    asyncio.run(test())


def test_stop_sends_what_still_waits() -> None:
    async def test() -> None:
        counted = Counted(1000, interval=1000)
        counted.put(BATCH - 1)
        await counted.queue.stop()
        assert counted.counts == (BATCH - 1, 0, 0)

    asyncio.run(test())


def test_stop_does_not_wait_for_a_collector_that_hangs_and_counts_what_is_lost() -> None:
    async def test() -> None:
        counted = Counted(1000, flush=0.01)
        counted.collector.gate.clear()
        counted.put(3)
        await asyncio.to_thread(counted.collector.asked.wait)
        counted.put(4)
        await counted.queue.stop()
        await until(partial(counted.has_counted, 7))
        assert counted.counts == (0, 0, 7)

    asyncio.run(test())


def test_an_outage_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        counted = Counted(1000)
        for number, taken in enumerate((False, False, True, True, False), 1):
            counted.collector.takes = taken
            counted.put(1)
            await until(partial(counted.has_counted, number))
        assert counted.counts == (2, 0, 3)
        await counted.queue.stop()

    with caplog.at_level(logging.INFO, LOGGER):
        asyncio.run(test())
    out = "the slow collector takes no spans: they are dropped and counted until it does"
    assert [record.getMessage() for record in caplog.records] == [out, "the slow collector takes spans again", out]


def test_a_collector_that_raises_takes_nothing_and_is_asked_again() -> None:
    async def test() -> None:
        counted = Counted(1000)
        counted.collector.takes = RuntimeError("hunter2")
        counted.put(1)
        await until(lambda: counted.counts == (0, 0, 1))
        counted.collector.takes = True
        counted.put(1)
        await until(lambda: counted.counts == (1, 0, 1))
        await counted.queue.stop()

    asyncio.run(test())
