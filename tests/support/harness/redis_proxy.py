"""What stands between a test and a server, and delays or spoils what the server says."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path

from harness.process import DEADLINE
from harness.redis_server import PATIENT, RedisServer
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.redis.storage import RedisStorage, open_redis
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.storage import Storage

_HOURLY = FixedWindow(1000, 3600)
_namespaces = count()


class Proxy:
    """While `gate` is closed no answer passes. `change` makes of each piece what does; with `ends` it is the last."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.change: Callable[[bytes], bytes] = bytes
        self.ends = False
        self.asked: list[bytes] = []
        self.connections = 0

    async def until_asked(self, pieces: int) -> None:
        """Waits until so many pieces came from the test's side, over all connections."""
        async with asyncio.timeout(DEADLINE):
            while len(self.asked) < pieces:
                await asyncio.sleep(0.002)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        upstream, server = await asyncio.open_unix_connection(self._target)
        for task in (self._forth(reader, server), self._back(upstream, writer)):
            running = asyncio.create_task(task)
            self._tasks.add(running)
            running.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forth(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(1 << 20):
                self.asked.append(piece)
                server.write(piece)
        finally:
            server.close()

    async def _back(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await upstream.read(1 << 20):
                await self.gate.wait()
                writer.write(self.change(piece))
                if self.ends:
                    break
        finally:
            writer.close()


@asynccontextmanager
async def proxy(server: RedisServer) -> AsyncGenerator[tuple[Proxy, str]]:
    """A proxy, and the address that it has."""
    between = Proxy(server.socket)
    path = server.folder / f"proxy-{id(between)}"
    async with await asyncio.start_unix_server(between.serve, path):
        try:
            yield between, f"unix://{path}"
        finally:
            with suppress(ConnectionError):
                await between.end()
    path.unlink(missing_ok=True)


def through_a_proxy(
    server: RedisServer, test: Callable[[Proxy, RedisStorage], Awaitable[None]], timeout: float = PATIENT
) -> None:
    """Runs a test with a proxy, and a storage behind it that has counted nothing yet."""

    async def main() -> None:
        async with proxy(server) as (between, address):
            storage = open_redis(address, namespace=f"proxy-{next(_namespaces)}", timeout=timeout)
            try:
                await test(between, storage)
            finally:
                await storage.close()

    asyncio.run(main())


async def left(storage: Storage, key: bytes = b"key", cost: int = 1) -> int:
    """What is left of a limit of 1000 after another request."""
    [usage] = await storage.take([Charge(_HOURLY, key, cost)])
    return usage.remaining
