"""All hooks of a process: one event loop in a thread of its own, made when the first event comes.

kong-pdk's pool forks after it has loaded the plugins, and a loop does not survive a fork.
"""

import asyncio
import multiprocessing
import os
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, cast

import uvloop

from outrider_kong.calls import Call
from outrider_kong.event import Event, Serving, Settling
from outrider_kong.instances import Instances, Starting, Unfit
from outrider_kong.pdk.handing_over import pause, wait

BLOCKED: Final = 5.0
"""How long a hook may keep the loop, in seconds; then its process ends."""
PATIENCE: Final = 2.0
"""How long Kong may take to answer a call, in seconds; then it has given the event up.

kong-pdk waits for ever: in its pool, whose processes run one event each, such a process ends and is replaced.
"""
_BEAT: Final = 0.2
_STATUS: Final = 70  # EX_SOFTWARE

Make = Callable[[], Awaitable[Instances]]
"""Makes what the events of a process run on, and starts its plugins."""


class Told(NamedTuple):
    """The end of an event: calls whose answers say nothing."""

    calls: Sequence[Call]


Step = Sequence[Call] | Told


class Workers:
    """The worker of each process, made where and when it is needed."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._own: tuple[int, Worker] | None = None
        # Also a process of a pool that never has an event must see that its server is gone.
        os.register_at_fork(after_in_child=self.here)

    def here(self) -> "Worker":
        """The worker of this process."""
        with self._lock:
            if self._own is None or self._own[0] != os.getpid():
                self._own = os.getpid(), Worker(self._make)
            return self._own[1]

    def end(self) -> None:
        """Ends this process: its loop is lost. A pool makes another one, Kong starts a server again."""
        # What was said to Kong just now is still on its way.
        pause(_BEAT)
        os._exit(_STATUS)


class Worker:
    """Runs events on a loop of its own."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._starting: asyncio.Future[Instances] | None = None
        self._numbers: dict[tuple[str, str], int] = {}
        self._asked: float | None = None
        self._parent = os.getppid()
        self._beat = time.monotonic()
        self.loop = uvloop.new_event_loop()
        threading.Thread(target=self._run, name="outrider", daemon=True).start()

    def event(self, name: str, config: str, phase: str) -> "Running":
        """An event of the phase, on the instance with that name and configuration."""
        return Running(self, self._event(name, config, phase))

    @contextmanager
    def asking(self) -> Generator[None]:
        """While Kong is asked."""
        self._asked = time.monotonic()
        try:
            yield
        finally:
            self._asked = None

    def is_alive(self) -> bool:
        """Whether no hook has kept the loop for too long."""
        return time.monotonic() - self._beat < BLOCKED

    async def instances(self) -> Instances:
        """Those of this process. Made again where that failed."""
        failed = self._starting is not None and self._starting.done() and self._starting.exception() is not None
        if self._starting is None or failed:
            self._starting = asyncio.ensure_future(self._make())
        return await asyncio.shield(self._starting)

    def _event(self, name: str, config: str, phase: str) -> Event:
        found = yield from self._found(name, config)
        return (yield from found.event(phase))

    def _found(self, name: str, config: str) -> Generator[Settling, Any, Serving | Unfit]:
        ready = _Ready(self)
        yield ready
        instances = ready.instances
        known = self._numbers.get((name, config))
        found = None if known is None else instances.find(known)
        if found is None:
            number = instances.start(name, config.encode())
            self._numbers[name, config] = number
            found = instances.find(number)
        if isinstance(found, Starting):
            yield found
            return found.served
        return found or Unfit()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.call_soon(self._live)
        self.loop.run_forever()

    def _live(self) -> None:
        self._beat = time.monotonic()
        if multiprocessing.parent_process() is not None and self._is_lost():
            os._exit(_STATUS)
        self.loop.call_later(_BEAT, self._live)

    def _is_lost(self) -> bool:
        """Whether a process of a pool waits for what never comes: it outlives a server that was killed, too."""
        asked = self._asked
        return os.getppid() != self._parent or (asked is not None and self._beat - asked > PATIENCE)


class _Ready:
    """Settles when the plugins of the process have started."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def settle(self) -> None:
        self.instances = await self._worker.instances()


class Running:
    """An event, step by step: what Kong is to be asked, until all is told."""

    def __init__(self, worker: Worker, event: Event) -> None:
        self._worker, self._event = worker, event

    def go_on(self, answers: Sequence[Any] | None) -> Step:
        """The next step, from the answers to the last one. Raises what the event raises, or `BlockedError`."""
        future = asyncio.run_coroutine_threadsafe(self._advance(answers), self._worker.loop)
        return wait(future, self._worker.is_alive)

    def close(self) -> None:
        """Nobody asks for the next step any more."""
        self._worker.loop.call_soon_threadsafe(self._event.close)

    async def _advance(self, answers: Sequence[Any] | None) -> Step:
        try:
            wanted = self._event.send(cast("Sequence[Any]", answers))
            while not isinstance(wanted, Sequence):
                await wanted.settle()
                wanted = self._event.send(())
        except StopIteration as stop:
            return Told(stop.value)
        return wanted
