"""Authenticates on and on with one plugin and nothing around it. Run as a process: a `Claim` in JSON.

It prints a line of JSON with its memory and what the start took; then it reads seconds, line by line, and prints what
one call cost meanwhile.
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import cycle, islice
from typing import Any

from claimants import MAKERS, Claim, Claimant
from clocks import memory
from outrider import Auth, Identity, Refusal, Request, Runtime
from outrider.auth import Outcome

BATCH = 200


async def main() -> None:
    claim = Claim(**json.loads(sys.argv[1]))
    async with AsyncExitStack() as stack:
        claimant = await MAKERS[claim.kind](stack, claim)
        start = await _started(claimant)
        stack.push_async_callback(claimant.plugin.stop)
        for request in claimant.requests:
            await _ask(claimant.plugin, request, good=claim.good)
        # As a worker does it, once it is loaded.
        gc.collect()
        gc.freeze()
        _print(start=start, memory=memory(os.getpid()))
        for line in sys.stdin:
            _print(server=_timed(*claimant.calls(), float(line)))


async def _started(claimant: Claimant) -> float:
    """Seconds that the plugin's own check and start take."""
    began = time.process_time()
    claimant.plugin.check(claimant.consumers)
    await claimant.plugin.start(Runtime(claimant.consumers))
    return time.process_time() - began


async def _ask(plugin: Auth, request: Request, *, good: bool) -> None:
    """Ends the benchmark where it would measure something else."""
    answer = plugin.authenticate(request)
    outcome: Outcome = await answer if isinstance(answer, Awaitable) else answer
    if not isinstance(outcome, Identity if good else Refusal):
        sys.exit(f"{type(plugin).__name__} says {outcome!r}")


def _timed(call: Callable[[Any], object], asked: Sequence[Any], seconds: float) -> float:
    """Microseconds a call."""
    calls, began, order = 0, time.process_time(), cycle(asked)
    while (taken := time.process_time() - began) < seconds:
        for one in islice(order, BATCH):
            call(one)
        calls += BATCH
    return taken / calls * 1e6


def _print(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
