"""`make soak`: odd bytes and frames at the HTTP/2 engine until the time is over. SECONDS as an argument (3600).

In memory and over a unix socket. Nothing may hang, escape, be left behind, or let a request on without its key, and
memory must stay flat. A failure prints the seed that repeats it: give it behind the seconds.
"""

import asyncio
import gc
import logging
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from harness.http2_soak import InMemory, OverSockets

GROWTH_KIB = 50 * 1024
ROUND = 100
"""Connections of one seed in memory; a fifth as many go over a socket."""
WARM = 10
"""Rounds before memory is looked at."""


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3600.0
    logging.disable(logging.CRITICAL)
    seeds = [int(sys.argv[2])] if len(sys.argv) > 2 else range(random.randrange(1 << 40), 1 << 60)
    deadline, passed, rounds, before = time.monotonic() + seconds, 0, 0, 0
    for seed in seeds:
        try:
            passed += in_memory(seed) + uvloop.run(over_sockets(seed))
        except BaseException:
            print(f"failed with the seed {seed}")
            raise
        rounds += 1
        if rounds == WARM:
            before = peak()
        if time.monotonic() > deadline:
            break
    grown = peak() - before if before else 0
    print(
        f"{rounds * (ROUND + ROUND // 5):,} connections, {passed:,} requests let on; "
        f"memory grew by {grown:,} KiB after the first {WARM * ROUND:,}"
    )
    return 1 if grown > GROWTH_KIB or not passed else 0


def in_memory(seed: int) -> int:
    with asyncio.Runner() as runner:
        server = InMemory(random.Random(seed), runner)
        for _ in range(ROUND):
            server.connect()
    return server.passed


async def over_sockets(seed: int) -> int:
    with tempfile.TemporaryDirectory(prefix="outrider-") as folder:
        server = OverSockets(random.Random(seed), Path(folder))
        await server.start()
        for _ in range(ROUND // 20):
            await server.connect()
        await server.stop()
    return server.passed


def peak() -> int:
    """The largest resident size so far, in KiB."""
    gc.collect()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
