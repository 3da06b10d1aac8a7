"""The plugin server on a real socket: connections that come, stay, break and wait."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from harness.chains import acts, passes, returns
from harness.kong_instances import kong
from harness.kong_peer import struct_of
from outrider import LogRecord, Plugin, Response
from outrider.metrics import Metrics
from outrider_kong import server as module
from outrider_kong.frames import frame
from outrider_kong.proto import pluginsocket_pb2 as pb
from outrider_kong.server import Server

FACTS = pb.Value(string_value=b"\n".join([b"1", b"GET", b"http", b"", b"", b"", b"", b"", b"/"])).SerializeToString()
HEADERS = struct_of([(b"host", b"example.test")]).SerializeToString()


class Client:
    """Kong's worker on one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, instance: int) -> None:
        self._reader, self.writer, self._instance = reader, writer, instance

    def ask(self, phase: str = "access") -> None:
        """Begins an event."""
        call = pb.HandleEvent(instance_id=self._instance, event_name=phase)
        self.writer.write(frame(pb.RpcCall(sequence=1, handle_event=call).SerializeToString()))

    async def frame(self) -> bytes:
        length = int.from_bytes(await self._reader.readexactly(4), "little")
        return await self._reader.readexactly(length)

    async def status(self) -> int | None:
        """One event to its end: the status of a refusal, None if the request goes on."""
        self.ask()
        answers = {b"kong.request.get_headers": HEADERS, b"kong.ctx.shared.get": FACTS}
        while method := await self.frame():
            argument = await self.frame()
            if method == b"kong.response.exit":
                return pb.Exit.FromString(argument).status
            self.writer.write(frame(answers.get(method, b"")))
        await self.frame()
        return None

    async def is_closed(self) -> bool:
        with suppress(ConnectionError):
            return await self._reader.read(1) == b""
        return True


class Served:
    """A server with a chain, and where it listens."""

    def __init__(self, server: Server, path: str, instance: int, metrics: Metrics) -> None:
        self.server, self._path, self._instance, self.metrics = server, path, instance, metrics
        self._clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_unix_connection(self._path), self._instance)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            client.writer.close()
            with suppress(OSError):
                await client.writer.wait_closed()


@asynccontextmanager
async def serving(folder: Path, *plugins: Plugin) -> AsyncGenerator[Served]:
    peer = await asyncio.to_thread(kong, folder, *plugins)
    metrics = Metrics(slots=1 << 10)
    server = Server(peer.connection.instances, metrics)
    path = str(folder / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    await server.start(listener)
    served = Served(server, path, peer.instance, metrics)
    try:
        yield served
    finally:
        await served.close()
        await server.drain(1.0)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


def run(test: Any) -> None:
    asyncio.run(test)


def test_one_connection_serves_many_events(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, acts(on_request=passes)) as served:
            client = await served.connect()
            assert [await client.status() for _ in range(20)] == [None] * 20

    run(test())


def test_an_async_hook_holds_up_nobody_else(tmp_path: Path) -> None:
    async def test() -> None:
        going = asyncio.Event()

        async def hook(_: object) -> Response:
            await going.wait()
            return Response(418)

        async with serving(tmp_path, acts(on_request=hook)) as served:
            first, second = await served.connect(), await served.connect()
            waiting = asyncio.create_task(first.status())
            other = asyncio.create_task(second.status())
            await until(lambda: served.server.events == 2)
            going.set()
            assert (await waiting, await other) == (418, 418)

    run(test())


def test_kong_that_leaves_in_an_event_ends_it(tmp_path: Path) -> None:
    async def test() -> None:
        records: list[LogRecord] = []
        cancelled: list[bool] = []
        waits = asyncio.Event()

        async def hook(_: object) -> None:
            waits.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(True)
                raise

        log = acts(on_request=passes, on_log=lambda _, record: records.append(record))
        async with serving(tmp_path, log, acts(on_request=hook)) as served:
            client = await served.connect()
            waiting = asyncio.create_task(client.status())
            await waits.wait()
            waiting.cancel()
            client.writer.close()
            await until(lambda: served.server.events == 0)
            assert not served.server.peers
        assert [record.ending for record in records] == ["aborted"]
        assert cancelled

    run(test())


def test_connections_that_are_opened_and_left_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr(module, "CONNECTIONS", 50)
        async with serving(tmp_path, acts(on_request=returns(Response(418)))) as served:
            left = [await served.connect() for _ in range(200)]
            await until(lambda: sum(peer.is_idle() for peer in served.server.peers) == 50)
            await until(lambda: len(served.server.peers) <= 101)
            assert await (await served.connect()).status() == 418
            assert await left[0].is_closed()

    run(test())


def test_a_thousand_connections_wait_and_the_next_is_served(tmp_path: Path) -> None:
    async def test() -> None:
        async with serving(tmp_path, acts(on_request=returns(Response(418)))) as served:
            left = [await served.connect() for _ in range(1000)]
            assert await (await served.connect()).status() == 418
            assert await left[500].status() == 418
            for client in left:
                client.writer.close()

    run(test())


def test_an_event_that_kong_has_forgotten_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        monkeypatch.setattr(module, "PATIENCE", 0.0)
        async with serving(tmp_path, acts(on_request=passes)) as served:
            client = await served.connect()
            client.ask()
            methods = [await client.frame() for _ in range(5)]
            assert methods[-1] == b"kong.response.exit"
            assert served.server.events == 0

    run(test())


def test_an_idle_connection_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with serving(tmp_path, acts(on_request=passes)) as served:
            client = await served.connect()
            assert await client.status() is None
            monkeypatch.setattr(module, "IDLE", 0.0)
            assert await client.is_closed()

    run(test())


@pytest.mark.parametrize(
    "noise", [b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\x04\x00\x00\x00abcd"], ids=["odd", "http", "no call"]
)
def test_noise_is_refused_and_the_worker_lives_on(tmp_path: Path, noise: bytes) -> None:
    async def test() -> None:
        async with serving(tmp_path, acts(on_request=returns(Response(418)))) as served:
            client = await served.connect()
            client.writer.write(noise)
            assert await client.frame() == b"kong.response.exit"
            assert await (await served.connect()).status() == 418

    run(test())


def test_a_server_that_leaves_lets_events_end_and_closes_what_is_idle(tmp_path: Path) -> None:
    async def test() -> None:
        going = asyncio.Event()

        async def hook(_: object) -> Response:
            await going.wait()
            return Response(418)

        async with serving(tmp_path, acts(on_request=hook)) as served:
            busy, idle = await served.connect(), await served.connect()
            waiting = asyncio.create_task(busy.status())
            await until(lambda: served.server.events == 1)
            leaving = asyncio.create_task(served.server.drain(10.0))
            assert await idle.is_closed()
            idle.writer.close()
            going.set()
            assert await waiting == 418
            busy.writer.close()
            await leaving
            with pytest.raises(OSError, match=r"refused|No such file"):
                await served.connect()

    run(test())


def test_what_can_not_end_in_time_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async def hook(_: object) -> None:
            await asyncio.Event().wait()

        async with serving(tmp_path, acts(on_request=hook)) as served:
            client = await served.connect()
            waiting = asyncio.create_task(client.status())
            await until(lambda: served.server.events == 1)
            await served.server.drain(0.0)
            assert await waiting == 500

    run(test())
