"""Load shedding: how long requests wait for a worker, and from when on it refuses new ones."""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from outrider.metrics import Metrics

SHORTEST: Final = 0.02
"""The shortest budget, in seconds."""
_TICKS: Final = 20  # in a budget
_TICK: Final = 0.005  # seconds, at least


class Pressure:
    """What a worker asks before it lets a new request in.

    A tick of the event loop that is late is as late as whatever else came into the loop's queue meanwhile; so a
    message that is read now has waited since the last tick was due, at most. Once a tick is late, each turn of the
    loop has one until turns are short again. `budget` is how long a message may wait, in seconds; 0 is no limit.
    Asking costs one comparison.
    """

    __slots__ = ("_budget", "_clock", "_due", "_loop", "_shed", "_tick", "_until")

    def __init__(self, budget: float, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = budget
        self._clock = clock
        self._tick = max(budget / _TICKS, _TICK)
        self._until = math.inf
        help_ = "Requests that were refused since their worker had too much to do."
        self._shed = metrics.counter("outrider_requests_shed_total", help_)

    def watch(self) -> None:
        """Looks at the running event loop from now on."""
        if self._budget:
            self._loop = asyncio.get_running_loop()
            self._due = self._clock()
            self._look()

    def sheds(self, now: float) -> bool:
        """Whether a new request that was read at `now`, in monotonic seconds, is to be refused. Counts it if so."""
        if now <= self._until:
            return False
        self._shed.add()
        return True

    def _look(self) -> None:
        now = self._clock()
        self._until = self._due + self._budget
        if now - self._due < self._tick:
            self._due = now + self._tick
            # Among what is called soon, as what is called from there comes in the next turn: after sockets were read.
            self._loop.call_later(self._tick, self._loop.call_soon, self._look)
        else:
            self._due = now
            self._loop.call_soon(self._look)
