"""One connection on asyncio: plain hooks run inside `data_received`, only one that waits gets a task."""

import asyncio
import time
from collections.abc import Callable
from contextvars import Context
from typing import Final, Protocol, cast

from outrider.waiting import Wait
from outrider_envoy.engine.connection import Connection
from outrider_envoy.engine.shared import Shared

_TICK: Final = 0.05
"""How often deadlines are looked at, in seconds."""
_PATIENCE: Final = 10.0
"""How long a peer may take to say that it speaks HTTP/2, in seconds."""
_FAREWELL: Final = 1.0
"""How long a peer may take to read why its connection ends, in seconds."""


class House(Protocol):
    """Where the connections of one server are known."""

    shared: Shared

    def admit(self, connection: "Http2Protocol", /) -> bool:
        """A connection begins; False if there is no room for it."""
        ...

    def left(self, connection: "Http2Protocol", /) -> None:
        """Its transport is gone."""


class Http2Protocol(asyncio.Protocol):
    """A connection on asyncio's transport."""

    def __init__(self, house: House) -> None:
        self._loop = asyncio.get_running_loop()
        self._house = house
        self._connection = Connection(self._settle, house.shared)
        self._paused = False
        self._greeting: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._house.admit(self):
            self._greeting = self._loop.call_later(_PATIENCE, self._check_greeted)
            self._flush()
        else:
            transport.close()

    def data_received(self, data: bytes) -> None:
        self._connection.receive(data)
        self._flush()

    def eof_received(self) -> None:
        """Nothing can be answered any more."""

    def pause_writing(self) -> None:
        """A peer that does not read gets nothing more to answer."""
        self._paused = True
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        if not self._transport.is_closing():
            self._transport.resume_reading()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        for timer in (self._greeting, self._timer):
            if timer is not None:
                timer.cancel()
        self._connection.lost()
        self._house.left(self)

    def drain(self) -> None:
        """Asks the peer to go on elsewhere."""
        self._connection.drain()
        self._flush()

    def abort(self) -> None:
        """Ends the connection at once."""
        self._transport.abort()

    async def ended(self, seconds: float) -> None:
        """Waits until the hooks have ended that were at work when the transport went, but no longer than that."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def _flush(self) -> None:
        connection, transport = self._connection, self._transport
        while not (self._paused or transport.is_closing()) and (out := connection.take()):
            transport.write(out)
        if connection.over and not transport.is_closing():
            transport.close()
            self._loop.call_later(_FAREWELL, transport.abort)
        elif connection.timed and self._timer is None:
            self._timer = self._loop.call_later(_TICK, self._tick)

    def _check_greeted(self) -> None:
        if not self._connection.greeted:
            self._transport.abort()

    def _tick(self) -> None:
        self._timer = None
        self._connection.expire(time.monotonic())
        self._flush()

    def _settle(self, wait: Wait, done: Callable[[], None], context: Context) -> Callable[[], object]:
        task = self._loop.create_task(wait.settle(), context=context)
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            done()
            self._flush()

        task.add_done_callback(ended)
        return task.cancel
