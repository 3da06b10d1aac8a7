"""Listens for an Envoy on the same machine."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

from outrider.metrics import Metrics
from outrider_envoy.calls import METHODS, Call, Calls, Status
from outrider_envoy.engine.limits import Limits
from outrider_envoy.engine.opening import Opening
from outrider_envoy.engine.protocol import Protocol
from outrider_envoy.engine.shared import Shared
from outrider_envoy.selection import Chains

_UNIX: Final = "unix:"
_UNKNOWN: Final = Status(12, "nobody serves this method")
_BACKLOG: Final = 1024


class EngineServer:
    """Serves ext_proc, ext_authz and gRPC health checks on one address, for instance `unix:/run/w0.sock`.

    It speaks no TLS: the address must be a unix socket or of the loopback interface.
    """

    def __init__(self, chains: Chains, metrics: Metrics, limits: Limits | None = None) -> None:
        self._calls = Calls(chains, metrics)
        self._limits = limits or Limits()
        self._shared = Shared(self._open, self._limits)
        self._protocols: set[Protocol] = set()
        self._empty = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self, address: str) -> int:
        """Listens; returns the port, or 1 for a unix socket. Raises `OSError` if the address can't be had."""
        loop = asyncio.get_running_loop()
        if address.startswith(_UNIX):
            path = Path(address.removeprefix(_UNIX))
            self._server = await loop.create_unix_server(self._accepted, str(path), backlog=_BACKLOG)
            port = 1
        else:
            host, _, text = address.rpartition(":")
            self._server = await loop.create_server(self._accepted, host.strip("[]"), int(text), backlog=_BACKLOG)
            port = int(self._server.sockets[0].getsockname()[1])
        self._calls.serving = True
        return port

    async def drain(self, seconds: float) -> None:
        """Takes no new streams, lets those in flight finish, and cuts off what is left after `seconds`."""
        self._calls.serving = False
        if self._server is not None:
            self._server.close()
        protocols = list(self._protocols)
        for protocol in protocols:
            protocol.drain()
        if self._protocols:
            self._empty.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)
        for protocol in list(self._protocols):
            protocol.abort()
        for protocol in protocols:
            await protocol.ended()

    def _open(self, opening: Opening) -> Call | Status:
        return self._calls.open(opening.path, opening.metadata) if opening.path in METHODS else _UNKNOWN

    def _accepted(self) -> asyncio.BaseProtocol:
        if len(self._protocols) >= self._limits.connections:
            return _Refused()
        protocol = Protocol(self._shared, self._left)
        self._protocols.add(protocol)
        return protocol

    def _left(self, protocol: Protocol) -> None:
        self._protocols.discard(protocol)
        if not self._protocols:
            self._empty.set()


class _Refused(asyncio.Protocol):
    """A connection beyond what the server holds."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
