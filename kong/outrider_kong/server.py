"""The plugin server: asyncio under the state machine of a connection."""

import asyncio
import logging
import socket
import time
from contextvars import copy_context
from typing import Final, cast

from outrider.metrics import Metrics
from outrider.pressure import Pressure
from outrider_kong.connection import Connection
from outrider_kong.errors import ProtocolError
from outrider_kong.instances import Instances

_log = logging.getLogger("outrider.kong")

CONNECTIONS: Final = 4096
"""How many connections a worker keeps; beyond them the oldest idle one is closed."""
EVENTS: Final = 10_000
"""How many events a worker is at work on; downstream gets 503 for more."""
PATIENCE: Final = 60.0
"""How long Kong may take to answer a call, in seconds; then the request is refused."""
IDLE: Final = 900.0
"""How long a connection may be idle, in seconds; Kong closes its own after 60."""
_SWEEP = 1.0


class Server:
    """Serves Kong on a socket that other workers listen on, too."""

    def __init__(self, instances: Instances, metrics: Metrics, pressure: Pressure | None = None) -> None:
        self.instances = instances
        self.metrics = metrics
        self.pressure = pressure or Pressure(0.0, metrics)
        self.in_flight = metrics.gauge("outrider_requests_in_flight", "Requests that plugins are at work on.")
        self.peers: dict[_Peer, None] = {}
        self.draining = False
        self.events = 0
        self._server: asyncio.Server | None = None
        self._sweeping: asyncio.TimerHandle | None = None

    async def start(self, listener: socket.socket) -> None:
        """Takes connections from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Peer(self), sock=listener, backlog=4096)
        self._sweep()

    async def drain(self, seconds: float) -> None:
        """Takes no new connections, closes each when its event ends, and cuts off what is left after `seconds`."""
        self.draining = True
        if self._server is not None:
            self._server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
        for peer in [*self.peers]:
            peer.leave()
        deadline = time.monotonic() + seconds
        while self.peers and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for peer in [*self.peers]:
            peer.give_up()

    def admit(self, peer: "_Peer") -> None:
        """A new connection, in the place of one that nobody uses if there are too many."""
        self.peers[peer] = None
        if len(self.peers) > CONNECTIONS and (idle := next(filter(_Peer.is_idle, self.peers))) is not peer:
            idle.leave()
        if len(self.peers) > 2 * CONNECTIONS and (left := next(filter(_Peer.is_leaving, self.peers), None)):
            left.cut()

    def is_overloaded(self) -> bool:
        """Whether there are as many events as a worker takes."""
        return self.events >= EVENTS

    def _sweep(self) -> None:
        now = time.monotonic()
        for peer in [*self.peers]:
            peer.look(now)
        self._sweeping = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)


class _Peer(asyncio.Protocol):
    """One connection of Kong's."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._counted = False
        self._context = copy_context()
        self.connection = Connection(server.instances, server.is_overloaded, server.pressure)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is no subclass of it.
        self._transport = cast("asyncio.Transport", transport)
        self._server.admit(self)

    def data_received(self, data: bytes) -> None:
        # The heart beats in the same loop, which many busy events can keep from it.
        self._server.metrics.beat(time.monotonic())
        if not self.connection.busy:
            # What one event's hooks put into context variables is not there for the next.
            self._context = copy_context()
        self._write(self._context.run(self.connection.receive, data))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the base's name
        self._server.peers.pop(self, None)
        self._transport = None
        if self._task is None:
            self._end()
        else:
            # A hook that waits may tidy up before the request ends.
            self._task.add_done_callback(lambda _: self._end())
            self._task.cancel()

    def is_idle(self) -> bool:
        """Whether Kong has it in its pool."""
        return not (self.connection.busy or self.connection.finished)

    def is_leaving(self) -> bool:
        """Whether it only waits for Kong to close it."""
        return self.connection.finished

    def leave(self) -> None:
        """Ends a connection on which no event is.

        Kong may be sending one just now: it must not find the connection broken, but ended, and tries another then.
        """
        if self._transport is not None and not self.connection.busy:
            self.connection.finished = True
            self._transport.write_eof()

    def give_up(self) -> None:
        """Refuses an event that has no more time, and closes the connection."""
        if self.connection.busy:
            self._write(self.connection.refuse(ProtocolError("the server ends, and a hook has not")))
        self.cut()

    def cut(self) -> None:
        """Closes the connection."""
        if self._transport is not None:
            self._transport.close()

    def look(self, now: float) -> None:
        """Refuses an event that Kong has forgotten, closes a connection that it does not use."""
        silent = now - self.connection.since
        if self.connection.busy:
            if silent > PATIENCE and self.connection.waiting is None:
                self._write(self.connection.refuse(ProtocolError(f"Kong did not answer for {PATIENCE:g} s")))
        elif silent > (PATIENCE if self.connection.finished else IDLE):
            self.cut() if self.connection.finished else self.leave()

    def _write(self, answer: bytes) -> None:
        if self._transport is None:
            return
        if answer:
            self._transport.write(answer)
        self._count()
        if self.connection.waiting is not None and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._settle(), context=self._context)
        elif self.connection.finished or (self._server.draining and not self.connection.busy):
            self.leave()

    async def _settle(self) -> None:
        answer = b""
        while self.connection.waiting is not None:
            try:
                await self.connection.waiting.settle()
            except Exception as error:  # noqa: BLE001 - whatever it is, Kong gets its refusal
                answer += self.connection.refuse(error)
            else:
                answer += self.connection.resume()
        self._task = None
        self._write(answer)

    def _end(self) -> None:
        self.connection.close()
        self._count()

    def _count(self) -> None:
        """Tells how many events there are."""
        if self.connection.busy != self._counted:
            self._counted = not self._counted
            change = 1 if self._counted else -1
            self._server.events += change
            self._server.in_flight.add(change)
