"""One request to upstream over HTTP/1.1, and what becomes of an upstream that fails."""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from typing import Any

import h11

from outrider_kong.stand_in.entities import Service
from outrider_kong.stand_in.exchange import Exchange, Reply
from outrider_kong.stand_in.forwarding import named_by_connection, upstream_headers
from outrider_kong.stand_in.headers import Headers, wire
from outrider_kong.stand_in.values import Value

CHUNK = 65536
HOP = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"})


class UpstreamError(Exception):
    """No answer that could be handed on: `status` is 502 or 504."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"upstream: {status}")


class Upstream:
    """One exchange with upstream; after `start` the head is known and `body` may be read."""

    def __init__(self, exchange: Exchange, service: Service) -> None:
        self._exchange = exchange
        self._service = service
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**17)
        self._reader: StreamReader
        self._writer: StreamWriter
        self._connected = False

    async def start(self) -> Reply:
        """Connects, sends everything and reads the head; UpstreamError is what Kong makes of a failure."""
        try:
            await self._connect()
            await asyncio.wait_for(self._send(), self._service.seconds("write"))
            head = await self._head()
        except TimeoutError:
            self.close()
            raise UpstreamError(504) from None
        except (OSError, h11.ProtocolError):
            self.close()
            raise UpstreamError(502) from None
        return head

    async def body(self) -> AsyncIterator[bytes]:
        """The body as it comes; an OSError or a ProtocolError where it breaks off."""
        while True:
            event = await self._event()
            if not isinstance(event, h11.Data):
                break
            yield bytes(event.data)
        self.close()

    async def whole_body(self) -> bytes:
        """All of the body; UpstreamError where it breaks off."""
        try:
            return b"".join([chunk async for chunk in self.body()])
        except (OSError, h11.ProtocolError):
            raise UpstreamError(502) from None

    def close(self) -> None:
        if self._connected:
            self._writer.close()

    async def _connect(self) -> None:
        """Tries as often as the service says; each try is noted for the log."""
        target = self._exchange.target
        for last in [False] * self._service.table["retries"] + [True]:
            attempt = self._note_try()
            try:
                connecting = asyncio.open_connection(target.host, target.port)
                self._reader, self._writer = await asyncio.wait_for(connecting, self._service.seconds("connect"))
            except OSError as error:
                attempt |= {b"state": b"failed", b"code": 504 if isinstance(error, TimeoutError) else 502}
                if last:
                    raise
            else:
                self._connected = True
                return

    def _note_try(self) -> dict[bytes, Value]:
        now = time.time()
        target = self._exchange.target
        attempt: dict[bytes, Value] = {
            b"ip": target.host.encode(),
            b"port": target.port,
            b"balancer_latency": 0,
            b"balancer_latency_ns": 0,
            b"balancer_start": round(now * 1000),
            b"balancer_start_ns": round(now * 1e9),
        }
        self._exchange.tries.append(attempt)
        return attempt

    async def _send(self) -> None:
        exchange = self._exchange
        body = _body(exchange)
        announced = exchange.request.headers.get(b"content-length") is not None
        length = len(body) if body or announced else None
        request = h11.Request(
            method=exchange.request.method, target=self._target(), headers=wire(upstream_headers(exchange, length))
        )
        self._write(request)
        if body:
            self._write(h11.Data(data=body))
        self._write(h11.EndOfMessage())
        await self._writer.drain()

    def _target(self) -> bytes:
        uri, asked = self._exchange.target.uri, self._exchange.request.target
        return uri + b"?" + self._exchange.args if self._exchange.args or asked.endswith(b"?") else uri

    async def _head(self) -> Reply:
        event = await self._event()
        while isinstance(event, h11.InformationalResponse):
            event = await self._event()
        if not isinstance(event, h11.Response):
            raise ConnectionError("closed without a response")
        items = Headers(event.headers.raw_items())
        dropped = HOP | named_by_connection(items.get(b"connection"))
        kept = [item for item in items if item[0].lower() not in dropped]
        return Reply(event.status_code, Headers([*kept, (b"connection", b"keep-alive")]))

    async def _event(self) -> Any:
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event
            data = await asyncio.wait_for(self._reader.read(CHUNK), self._service.seconds("read"))
            self._h11.receive_data(data)

    def _write(self, event: h11.Event) -> None:
        # uvloop raises RuntimeError for a write to a transport that is closed.
        if self._writer.is_closing():
            raise ConnectionError("closed before the request")
        self._writer.write(self._h11.send(event) or b"")


def _body(exchange: Exchange) -> bytes:
    if exchange.body is not None:
        return exchange.body
    return exchange.body_file.read_bytes() if exchange.body_file else b""
