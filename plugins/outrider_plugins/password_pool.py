"""Threads for what would keep the event loop, and with it every other request, from its work."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from weakref import WeakValueDictionary

from outrider import OutriderError

THREADS = 2
"""How many passwords a worker hashes at once."""
WAITING = 32
"""How many more may wait for their turn: about as many as are done within the second that a hook has."""

NICENESS = 5
"""How far the threads step back behind the event loop, which has other requests to answer; any further, and a busy
machine would not let them end in time."""


class PoolFullError(OutriderError):
    """As many wait as may; the next has to come back later."""


class PasswordPool:
    """Runs `threads` verifications at once, while `waiting` others wait for their turn. For one event loop.

    Who is cancelled while it waits makes room at once. Who is cancelled later takes its thread until that is done:
    a thread can't be stopped.
    """

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._executor = ThreadPoolExecutor(threads, "outrider-passwords", _step_back)
        self._free = asyncio.Semaphore(threads)
        self._room = waiting

    async def run(self, work: Callable[[], bool]) -> bool:
        """What `work` says in a thread. Raises `PoolFullError` at once where there is no room to wait."""
        if self._free.locked() and not self._room:
            raise PoolFullError("too many passwords wait to be verified")
        self._room -= 1
        try:
            await self._free.acquire()
        finally:
            self._room += 1
        return await asyncio.wrap_future(self._begin(work))

    def _begin(self, work: Callable[[], bool]) -> Future[bool]:
        try:
            future = self._executor.submit(work)
        except RuntimeError:
            self._free.release()
            raise
        future.add_done_callback(partial(self._done, asyncio.get_running_loop()))
        return future

    def _done(self, loop: asyncio.AbstractEventLoop, _: Future[bool]) -> None:
        # Runs in the thread. A loop that has ended in the meantime waits for nothing.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._free.release)


def _step_back() -> None:
    """Lets everything else on this machine go first: on Linux a thread has a niceness of its own (sched(7))."""
    if sys.platform == "linux":
        with suppress(OSError):
            here = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, here, max(NICENESS, os.getpriority(os.PRIO_PROCESS, here)))


_pools: WeakValueDictionary[asyncio.AbstractEventLoop, PasswordPool] = WeakValueDictionary()


def shared_pool() -> PasswordPool:
    """The pool of this worker's event loop, the same however many plugins ask for it."""
    loop = asyncio.get_running_loop()
    if (pool := _pools.get(loop)) is None:
        _pools[loop] = pool = PasswordPool()
    return pool
