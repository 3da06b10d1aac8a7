"""Runs the request hooks of one plugin on and on. Run as a process: a `Shape` in JSON.

It prints a line of JSON with its memory; then it reads seconds, line by line, and prints what one request cost
meanwhile.
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from clocks import memory
from outrider import Consumers, Plugin, Request, Runtime
from shaped import SHAPES, Case

BATCH = 10
"""Few: a request has just been made when its hooks run."""


async def main() -> None:
    case = SHAPES[json.loads(sys.argv[1])["name"]]()
    await case.plugin.start(Runtime(Consumers(())))
    hooks = partial(_hooks, case.plugin, case.body)
    if (answer := hooks(case.request())) is not None:
        sys.exit(f"{type(case.plugin).__name__} says {answer!r}")
    gc.collect()
    gc.freeze()
    _print(memory=memory(os.getpid()))
    for line in sys.stdin:
        _print(server=_timed(hooks, case, float(line)))


def _hooks(plugin: Plugin, body: bytes, request: Request) -> object:
    answer = plugin.on_request(request)
    if answer is not None or not body:
        return answer
    changed = plugin.on_request_body(request, body)
    return None if isinstance(changed, bytes) else changed


def _timed(hooks: Callable[[Request], object], case: Case, seconds: float) -> float:
    """Microseconds a request; to make the requests does not count."""
    requests, taken = 0, 0.0
    while taken < seconds:
        taken += _batch(hooks, [case.request() for _ in range(BATCH)])
        requests += BATCH
    return taken / requests * 1e6


def _batch(hooks: Callable[[Request], object], requests: Sequence[Request]) -> float:
    began = time.process_time()
    for request in requests:
        hooks(request)
    return time.process_time() - began


def _print(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
