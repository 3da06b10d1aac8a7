"""Listens for an Envoy on the same machine."""

import asyncio
from contextlib import suppress
from typing import Final

from outrider.metrics import Metrics
from outrider.pressure import Pressure
from outrider_envoy.calls import Calls
from outrider_envoy.engine.limits import Limits
from outrider_envoy.engine.protocol import Http2Protocol
from outrider_envoy.engine.shared import Shared
from outrider_envoy.rate_limit_service import RateLimits
from outrider_envoy.selection import Chains

_UNIX: Final = "unix:"
_BACKLOG: Final = 1024
_FAREWELL: Final = 0.5
"""How long what was cut off may take to end, in seconds."""


class EngineServer:
    """Serves ext_proc, ext_authz, the rate limit service and health checks on one address, as `unix:/run/w0.sock`.

    It speaks no TLS: the address must be a unix socket or of the loopback interface.
    """

    def __init__(
        self,
        chains: Chains,
        metrics: Metrics,
        limits: Limits | None = None,
        rate_limits: RateLimits | None = None,
        pressure: Pressure | None = None,
    ) -> None:
        self._calls = Calls(chains, metrics, rate_limits, pressure)
        self.shared = Shared(lambda opening: self._calls.open(opening.path, opening.metadata), limits or Limits())
        self._connections: set[Http2Protocol] = set()
        self._draining = False
        self._empty = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self, address: str) -> int:
        """Listens; returns the port, or 1 for a unix socket. Raises `OSError` if the address can't be had."""
        loop = asyncio.get_running_loop()
        if address.startswith(_UNIX):
            path = address.removeprefix(_UNIX)
            self._server = await loop.create_unix_server(lambda: Http2Protocol(self), path, backlog=_BACKLOG)
            port = 1
        else:
            host, _, text = address.rpartition(":")
            place = host.strip("[]"), int(text)
            self._server = await loop.create_server(lambda: Http2Protocol(self), *place, backlog=_BACKLOG)
            port = int(self._server.sockets[0].getsockname()[1])
        self._calls.serving = True
        return port

    async def drain(self, seconds: float) -> None:
        """Takes no new streams, lets those in flight finish, and cuts off what is left after `seconds`."""
        self._calls.serving, self._draining = False, True
        if self._server is not None:
            self._server.close()
        connections = list(self._connections)
        for connection in connections:
            connection.drain()
        await self._emptied(seconds)
        for connection in list(self._connections):
            connection.abort()
        await self._emptied(_FAREWELL)
        await asyncio.gather(*(connection.ended(_FAREWELL) for connection in connections))

    def admit(self, connection: Http2Protocol) -> bool:
        """A connection begins, unless there are too many."""
        if len(self._connections) >= self.shared.limits.connections:
            return False
        self._connections.add(connection)
        self._empty.clear()
        if self._draining:
            connection.drain()
        return True

    def left(self, connection: Http2Protocol) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    async def _emptied(self, seconds: float) -> None:
        if self._connections:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
