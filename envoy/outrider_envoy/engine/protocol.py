"""One connection on asyncio: plain hooks run inside `data_received`, only one that waits gets a task."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, cast

from outrider.waiting import Wait
from outrider_envoy.engine.connection import Connection
from outrider_envoy.engine.shared import Shared

_TICK: Final = 0.05
"""How often deadlines are looked at, in seconds."""
_FAREWELL: Final = 1.0
"""How long a peer may take to read why its connection ends, in seconds."""


class Protocol(asyncio.Protocol):
    """`left` is told once the transport is gone."""

    def __init__(self, shared: Shared, left: "Callable[[Protocol], None]") -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = Connection(self._settle, shared)
        self._left = left
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._connection.receive(data)
        self._flush()

    def eof_received(self) -> None:
        """Nothing can be answered any more."""

    def pause_writing(self) -> None:
        # A peer that does not read gets nothing more to answer.
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer is not None:
            self._timer.cancel()
        self._connection.lost()
        self._left(self)

    def drain(self) -> None:
        """Asks the peer to go on elsewhere."""
        self._connection.drain()
        self._flush()

    def abort(self) -> None:
        """Ends the connection at once."""
        self._transport.abort()

    async def ended(self) -> None:
        """Waits until the hooks have ended that were at work when the transport went."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _flush(self) -> None:
        connection, transport = self._connection, self._transport
        out = connection.take()
        if transport.is_closing():
            return
        if out:
            transport.write(out)
        if connection.over:
            transport.close()
            self._loop.call_later(_FAREWELL, transport.abort)
        elif connection.timed and self._timer is None:
            self._timer = self._loop.call_later(_TICK, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._connection.expire(time.monotonic())
        self._flush()

    def _settle(self, wait: Wait, done: Callable[[], None]) -> Callable[[], object]:
        task = self._loop.create_task(wait.settle())
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._connection.attend(done)
            self._flush()

        task.add_done_callback(ended)
        return task.cancel
