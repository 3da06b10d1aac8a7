"""A closed-loop HTTP/1.1 load: each connection sends its next request when the answer is there."""

import asyncio
import time
from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True)
class Load:
    requests: int
    seconds: float
    statuses: frozenset[bytes]


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, deadline: float) -> None:
        self._request = request
        self._deadline = deadline
        self._buffer = b""
        self.answers = 0
        self.statuses: set[bytes] = set()
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end or not _is_complete(head, body):
            return
        self._buffer = b""
        self.answers += 1
        self.statuses.add(head[9:12])
        if time.perf_counter() < self._deadline:
            self._transport.write(self._request)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(port: int, headers: dict[str, str], *, connections: int, seconds: float) -> Load:
    """Sends GETs for so many seconds."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    request = f"GET /bench HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n".encode()
    start = time.perf_counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Client(request, start + seconds), "127.0.0.1", port)
        for _ in range(connections)
    ]
    clients = [client for _, client in made]
    await asyncio.gather(*(client.done for client in clients))
    statuses = frozenset(status for client in clients for status in client.statuses)
    return Load(sum(client.answers for client in clients), time.perf_counter() - start, statuses)


def _is_complete(head: bytes, body: bytes) -> bool:
    return body.endswith(b"0\r\n\r\n") if b"transfer-encoding: chunked" in head else len(body) >= _length(head)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
