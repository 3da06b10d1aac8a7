"""A server on this machine that answers whatever a test wants, in the test's own loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), strict_parsing=True).items()}


Answer = Callable[[Asked], bytes | None]
"""The bytes that a server sends before it hangs up; None is nothing at all, for ever."""


def ok(body: bytes) -> bytes:
    """A good answer."""
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def status(code: int, *headers: str) -> bytes:
    """An answer without a body."""
    return "\r\n".join([f"HTTP/1.1 {code} X", "content-length: 0", *headers, "", ""]).encode()


class WebServer:
    """`answer` may be changed at any time; while `gate` is closed nobody gets any."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.address = ""
        self.gate = asyncio.Event()
        self.gate.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._dead: set[asyncio.StreamWriter] = set()

    def hang_up(self) -> None:
        """From now on each connection that is open ends at its next request, without an answer."""
        self._dead = set(self._open)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._open.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer_one(reader, writer):
                pass
        self._open.discard(writer)
        writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(": ") for line in lines if line)
        headers = {name.lower(): value for name, _, value in fields}
        method, path, _ = first.split(" ")
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if writer in self._dead:
            return False
        self.asked.append(Asked(method, path, headers, body))
        await self.gate.wait()
        answer = self.answer(self.asked[-1])
        if answer is None:
            await reader.read()
            return False
        writer.write(answer)
        # What does not say in these letters how long it is ends with the connection.
        return b"content-length: " in answer


@asynccontextmanager
async def web_server(answer: Answer) -> AsyncGenerator[WebServer]:
    """Listens on a port of its own."""
    server = WebServer(answer)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server
        listening.close()
