"""Fuzzes the engine, in memory and over a socket, and holds it to what must be so whatever a peer sends."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

from harness.http2_blocks import call, message
from harness.http2_frames import PREFACE, SETTINGS_ACK, Part, data, headers, joined, settings
from harness.http2_fuzz import Fuzz
from harness.http2_guard import Guard, Hooks, check, metrics
from harness.http2_heard import Heard
from outrider_envoy.calls import HEALTH, Call, Calls, Status
from outrider_envoy.engine.connection import Connection
from outrider_envoy.engine.limits import Limits
from outrider_envoy.engine.opening import Opening
from outrider_envoy.engine.server import EngineServer
from outrider_envoy.engine.shared import Shared

PATIENCE = 20.0
"""How long anything may take before it hangs, in seconds."""
LIMITS = Limits(held=1 << 20, streams=50)


class InMemory:
    """Connections of one server, one after the other."""

    def __init__(self, chance: random.Random, runner: asyncio.Runner) -> None:
        self._chance = chance
        self._fuzz = Fuzz(chance)
        self._hooks = Hooks(runner)
        self._guard = Guard()
        self._metrics = metrics()
        self._calls = Calls(self._guard.chains(), self._metrics)
        self._shared = Shared(self._open, LIMITS)
        self.passed = 0

    def connect(self) -> None:
        """One connection, from its first byte to its end."""
        self._guard.let_in.clear()
        connection, heard = Connection(self._hooks.settle, self._shared), Heard(strict=False)
        pieces = self._fuzz.pieces()
        for piece in pieces:
            connection.receive(piece)
            heard.read(connection.take())
            self._meanwhile(connection, heard)
            if connection.over:
                break
        while self._chance.random() < 0.9 and self._hooks.let_go():
            heard.read(connection.take())
        connection.lost()
        while self._hooks.let_go():
            pass
        self.passed += check(self._guard, heard, b"".join(pieces).partition(b"SM\r\n\r\n")[2])
        self._check_nothing_is_left(connection)

    def _meanwhile(self, connection: Connection, heard: Heard) -> None:
        """What else happens to a connection, now and then."""
        event = self._chance.random()
        if event < 0.2:
            self._hooks.let_go()
        elif event < 0.21:
            connection.drain()
        elif event < 0.22:
            connection.expire(float("inf"))
        heard.read(connection.take())

    def _check_nothing_is_left(self, connection: Connection) -> None:
        assert connection.streams == 0
        assert (self._shared.streams, self._shared.held) == (0, 0)
        in_flight = self._metrics.gauge("outrider_requests_in_flight", "Requests that plugins are at work on.")
        assert in_flight.value == 0

    def _open(self, opening: Opening) -> Call | Status:
        return self._calls.open(opening.path, opening.metadata)


class OverSockets:
    """A server, and connections to it; `start` first, `stop` at the end."""

    def __init__(self, chance: random.Random, folder: Path) -> None:
        self._chance = chance
        self._fuzz = Fuzz(chance)
        self._guard = Guard()
        self._metrics = metrics()
        self._server = EngineServer(self._guard.chains(), self._metrics, LIMITS)
        self._path = str(folder / "engine")
        self.passed = 0

    async def start(self) -> None:
        await self._server.start(f"unix:{self._path}")

    async def stop(self) -> None:
        """Nothing may be left to wait for."""
        await asyncio.wait_for(self._server.drain(PATIENCE), PATIENCE)
        assert len(asyncio.all_tasks()) == 1

    async def connect(self, *, at_once: int = 4) -> None:
        """Some connections at the same time; then the server must still be well."""
        self._guard.let_in.clear()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(self._one() for _ in range(at_once)))
            await self._is_well()

    async def _one(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._path)
        heard, pieces = Heard(strict=False), self._fuzz.pieces()
        hearing = asyncio.create_task(_hear(reader, heard))
        try:
            with suppress(ConnectionError):
                await self._say(writer, pieces)
            if self._chance.random() < 0.7 and not writer.is_closing():
                writer.write_eof()
                await hearing
        finally:
            hearing.cancel()
            writer.transport.abort()
        self.passed += check(self._guard, heard, b"".join(pieces).partition(b"SM\r\n\r\n")[2])

    async def _say(self, writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
        for piece in pieces:
            # uvloop raises RuntimeError for what is written to a transport that is closed.
            if writer.is_closing():
                return
            writer.write(piece)
            await (writer.drain() if self._chance.random() < 0.5 else asyncio.sleep(0))

    async def _is_well(self) -> None:
        """A health check on a new connection, when nothing of the others is left."""
        reader, writer = await asyncio.open_unix_connection(self._path)
        hello: list[Part] = [
            PREFACE,
            settings(),
            SETTINGS_ACK,
            headers(1, b"\x20" + call(HEALTH)),
            data(1, message(), end=True),
        ]
        writer.write(joined(hello))
        heard = Heard()
        while heard.on(1).status is None:
            heard.read(await reader.read(1 << 16))
        assert heard.on(1).status == 0
        writer.close()
        in_flight = self._metrics.gauge("outrider_requests_in_flight", "Requests that plugins are at work on.")
        while in_flight.value or len(asyncio.all_tasks()) > 2:
            await asyncio.sleep(0)


async def _hear(reader: asyncio.StreamReader, heard: Heard) -> None:
    with suppress(ConnectionError):
        while got := await reader.read(1 << 16):
            heard.read(got)
