"""A process that counts as fast as it can, and remembers each answer."""

import asyncio
import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from outrider_plugins.counting.algorithm import rule
from outrider_plugins.counting.redis.storage import open_redis
from outrider_plugins.counting.rule import Charge, Rule, State, Usage
from outrider_plugins.counting.shared_memory import SharedCounters
from outrider_plugins.counting.storage import Storage

ANSWER = struct.Struct("<q?")
"""When the storage answered, in microseconds since the Unix epoch, and whether the request passed."""
TOGETHER = 20
"""So many requests are under way at once where they have to wait for a server."""


def main(task: dict[str, Any]) -> None:
    """Sends `count` requests, and writes each answer down as soon as it is there."""
    # Unbuffered: what was answered is on record when the process is killed.
    with Path(task["log"]).open("wb", buffering=0) as log:
        one = _recorded(rule(*task["rule"]), lambda moment, passed: log.write(ANSWER.pack(moment, passed)))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        asyncio.run(_send_all(task["storage"], [Charge(one, b"key")], task["count"]))


async def _send_all(where: str, charges: list[Charge], count: int) -> None:
    storage = _storage(where)
    tasks = TOGETHER if "://" in where else 1
    await asyncio.gather(*(_send(storage, charges, count // tasks) for _ in range(tasks)))
    await storage.close()


async def _send(storage: Storage, charges: list[Charge], count: int) -> None:
    for _ in range(count):
        if storage.try_take(charges) is None:
            await storage.take(charges)


def _storage(name: str) -> Storage:
    return open_redis(name, timeout=30) if "://" in name else SharedCounters(Path(name), patience=30)


def _recorded(one: Rule, record: Callable[[int, bool], object]) -> Rule:
    plain = one.usage

    def usage(state: State, moment: int, cost: int, passed: bool) -> Usage:
        told = plain(state, moment, cost, passed)
        record(moment, told.passed)
        return told

    one.usage = usage  # type: ignore[method-assign]
    return one


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
