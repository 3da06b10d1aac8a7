"""Load shedding: when a worker takes a request for one that has waited too long."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from outrider.metrics import Metrics
from outrider.pressure import Pressure

BUDGET = 0.5
TICK = BUDGET / 20


Callback = Callable[[], Any]


class Loop:
    """An event loop in turns as libuv has them: timers, then what was called soon, then what a socket brought."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, Callback]] = []
        self._soon: deque[Callback] = deque()

    def call_later(self, delay: float, callback: Callable[..., Any], *arguments: Any) -> None:
        self._timers.append((self.now + delay, lambda: callback(*arguments)))

    def call_soon(self, callback: Callable[..., Any], *arguments: Any) -> None:
        self._soon.append(lambda: callback(*arguments))

    def turn(self) -> None:
        """Up to the moment at which sockets are read."""
        due = [timer for timer in self._timers if timer[0] <= self.now]
        for timer in due:
            self._timers.remove(timer)
            timer[1]()
        for _ in range(len(self._soon)):
            self._soon.popleft()()

    def idle(self, seconds: float) -> None:
        """Nothing happens, and timers are on time."""
        end = self.now + seconds
        while self._soon or self._next <= end:
            self.now = self.now if self._soon else self._next
            self.turn()
        self.now = end

    @property
    def _next(self) -> float:
        return min(at for at, _ in self._timers)


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr("outrider.pressure.asyncio.get_running_loop", lambda: loop)
    return loop


def watched(loop: Loop, metrics: Metrics | None = None, budget: float = BUDGET) -> Pressure:
    pressure = Pressure(budget, metrics or Metrics(slots=1 << 10), lambda: loop.now)
    pressure.watch()
    return pressure


def test_where_turns_are_short_nothing_is_shed(loop: Loop) -> None:
    pressure = watched(loop)
    for _ in range(1000):
        loop.idle(0.0101)
        assert not pressure.sheds(loop.now)


def test_in_a_turn_that_takes_longer_than_the_budget_the_rest_is_shed(loop: Loop) -> None:
    pressure = watched(loop)
    loop.idle(1.0)
    began = loop.now
    served = 0
    while not pressure.sheds(loop.now):
        loop.now += 0.005
        served += 1
    assert BUDGET - TICK <= loop.now - began <= BUDGET + TICK
    assert served >= 90


def test_what_came_while_a_turn_took_long_has_waited_for_it(loop: Loop) -> None:
    pressure = watched(loop)
    loop.idle(1.0)
    loop.turn()
    loop.now += 0.4
    loop.turn()
    assert not pressure.sheds(loop.now)
    loop.now += 0.4 * BUDGET
    assert pressure.sheds(loop.now)


def test_after_a_long_turn_and_a_short_one_there_is_a_whole_budget_again(loop: Loop) -> None:
    pressure = watched(loop)
    loop.idle(1.0)
    for took in (5.0, 0.001):
        loop.turn()
        loop.now += took
    loop.turn()
    assert not pressure.sheds(loop.now + BUDGET - TICK)
    loop.idle(1.0)
    assert not pressure.sheds(loop.now)


def test_long_turns_one_after_the_other_are_all_seen(loop: Loop) -> None:
    pressure = watched(loop)
    loop.idle(1.0)
    for _ in range(20):
        loop.turn()
        loop.now += 0.3
        loop.turn()
        assert not pressure.sheds(loop.now)
        assert pressure.sheds(loop.now + 0.25)
        loop.now += 0.3


def test_without_a_budget_nothing_is_shed(loop: Loop) -> None:
    pressure = watched(loop, budget=0.0)
    loop.now += 1000.0
    assert not pressure.sheds(loop.now)


def test_each_request_that_is_shed_is_counted(loop: Loop) -> None:
    metrics = Metrics(slots=1 << 10)
    pressure = watched(loop, metrics)
    help_ = "Requests that were refused since their worker had too much to do."
    for late in (0.0, 2 * BUDGET, 2 * BUDGET):
        pressure.sheds(loop.now + late)
    assert metrics.counter("outrider_requests_shed_total", help_).value == 2


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_loop_that_was_blocked_sheds_until_it_has_caught_up(run: Callable[[Any], list[bool]]) -> None:
    async def main() -> list[bool]:
        pressure = Pressure(0.02, Metrics(slots=1 << 10))
        pressure.watch()
        time.sleep(0.1)  # noqa: ASYNC251 - a hook that blocks
        blocked = pressure.sheds(time.monotonic())
        while pressure.sheds(time.monotonic()):
            await asyncio.sleep(0)
        return [blocked]

    assert run(main()) == [True]
