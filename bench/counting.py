"""Checks limits on and on. Run as a process, so that its memory is its own: a `Checks` in JSON.

It prints a line of JSON with the memory that its keys take; then it reads seconds, line by line, and prints what a
check cost meanwhile.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

from limits import RateLimitItemPerHour
from limits import strategies as plain
from limits.aio import strategies as waiting
from limits.aio.storage import RedisStorage as LimitsRedis
from limits.storage import MemoryStorage

from clocks import memory
from limiting import LIBRARY, TOGETHER, Checks
from outrider_plugins.counting.algorithm import rule
from outrider_plugins.counting.redis.storage import open_redis
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.shared_memory import SharedCounters

MANY = 10**6
_STRATEGIES = {
    "fixed-window": "FixedWindowRateLimiter",
    "sliding-window": "SlidingWindowCounterRateLimiter",
    "a log of all requests": "MovingWindowRateLimiter",
}

Check = Callable[[str], object]
Ask = Callable[[int], Awaitable[object]]


async def main() -> None:
    checks = Checks(**json.loads(sys.argv[1]))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        if checks.server:
            _print()
            ask = _asking(checks)
            for line in sys.stdin:
                _print(**await _asked(ask, checks.keys, float(line)))
            return
        keys = [f"the key of number {number}" for number in range(checks.keys)]
        before = memory(os.getpid())
        check = _checking(checks, Path(folder))
        for key in keys:
            check(key)
        _print(memory=memory(os.getpid()) - before)
        for line in sys.stdin:
            _print(check=_timed(check, keys, float(line)))


def _checking(checks: Checks, folder: Path) -> Check:
    """A check in the memory of this process, or of this machine."""
    if checks.who == LIBRARY:
        limiter: Any = getattr(plain, _STRATEGIES[checks.algorithm])(MemoryStorage())
        item = RateLimitItemPerHour(MANY)
        return lambda key: limiter.hit(item, key)
    counters, one = SharedCounters(folder / "counters"), rule(checks.algorithm, MANY, 3600)
    return lambda key: counters.try_take((Charge(one, key.encode()),))


def _asking(checks: Checks) -> Ask:
    """A check in a server."""
    if checks.who == LIBRARY:
        storage = LimitsRedis(f"async+{checks.server}", implementation="redispy", max_connections=TOGETHER)
        limiter: Any = getattr(waiting, _STRATEGIES[checks.algorithm])(storage)
        item = RateLimitItemPerHour(MANY)
        return lambda key: limiter.hit(item, checks.algorithm, _key(key))
    redis, one = open_redis(checks.server, timeout=10), rule(checks.algorithm, MANY, 3600)
    return lambda key: redis.take((Charge(one, _key(key).encode()),))


def _key(number: int) -> str:
    return f"the key of number {number}"


def _timed(check: Check, keys: Sequence[str], seconds: float) -> float:
    """Microseconds of CPU a check."""
    done, began, order = 0, time.process_time(), cycle(keys)
    while (taken := time.process_time() - began) < seconds:
        for _ in range(500):
            check(next(order))
        done += 500
    return taken / done * 1e6


async def _asked(ask: Ask, keys: int, seconds: float) -> dict[str, float]:
    done, order = 0, cycle(range(keys))
    began, cpu = time.monotonic(), time.process_time()

    async def on_and_on() -> None:
        nonlocal done
        while time.monotonic() - began < seconds:
            await ask(next(order))
            done += 1

    await asyncio.gather(*(on_and_on() for _ in range(TOGETHER)))
    return {"check": (time.process_time() - cpu) / done * 1e6, "rate": done / (time.monotonic() - began)}


def _print(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
