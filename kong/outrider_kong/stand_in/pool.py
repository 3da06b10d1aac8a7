"""Connections to plugin servers that one nginx worker keeps, by socket: the one used last is taken first."""

import asyncio
import contextlib
from asyncio import Future, Transport, get_running_loop
from collections.abc import Callable
from typing import cast

from outrider_kong.stand_in.settings import Settings


class ClosedError(Exception):
    """The other side closed the connection."""


class ConnectError(Exception):
    """Nobody listens on the socket."""


class Connection(asyncio.Protocol):
    """One connection. What comes while nobody uses it closes it, as nginx does with a pooled socket."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.busy = True
        self.closed = False
        self._data = bytearray()
        self._waiter: Future[None] | None = None
        self.when_lost: Callable[[Connection], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self.busy:
            self.close()
        self._wake()

    def eof_received(self) -> None:
        self.closed = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.closed = True
        self._wake()
        if self.when_lost:
            self.when_lost(self)

    def write(self, data: bytes) -> None:
        """Sends it, unless the other side is gone: `read` tells of that, once all that came before is read."""
        # uvloop raises RuntimeError for a write to a transport that is closed.
        if not self.closed:
            self._transport.write(data)

    async def read(self, patience: float) -> bytes:
        """What came or comes next; ClosedError at the end, TimeoutError after `patience` seconds without a byte."""
        if not self._data and not self.closed:
            self._waiter = get_running_loop().create_future()
            try:
                await asyncio.wait_for(self._waiter, patience)
            finally:
                self._waiter = None
        if not self._data:
            raise ClosedError("closed")
        data = bytes(self._data)
        self._data.clear()
        return data

    @property
    def unread(self) -> bool:
        return bool(self._data)

    def close(self) -> None:
        self.closed = True
        self._transport.close()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class Pool:
    """The idle connections of one worker, for all plugins that share a socket."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: dict[str, list[Connection]] = {}
        self._open: set[Connection] = set()

    async def take(self, path: str) -> Connection:
        """An idle connection or a new one; ConnectError says why there is none."""
        idle = self._idle.get(path, [])
        while idle:
            connection = idle.pop()
            if not connection.closed:
                connection.busy = True
                return connection
        try:
            connecting = get_running_loop().create_unix_connection(lambda: Connection(path), path)
            _, connection = await asyncio.wait_for(connecting, self._settings.connect_timeout)
        except OSError as error:
            raise ConnectError(str(error.strerror or error)) from None
        connection.when_lost = self._lost
        self._open.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keeps a connection for later; the one that waited longest makes room."""
        if connection.closed or connection.unread:
            connection.close()
            return
        connection.busy = False
        idle = self._idle.setdefault(connection.path, [])
        idle.append(connection)
        if len(idle) > self._settings.pool_size:
            idle.pop(0).close()

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        with contextlib.suppress(ValueError):
            self._idle.get(connection.path, []).remove(connection)

    def close(self) -> None:
        """Closes everything, as a worker that ends."""
        for connection in list(self._open):
            connection.close()
