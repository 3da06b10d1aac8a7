"""One connection from downstream: requests in, responses out, and whether anybody is still there."""

import asyncio
import contextlib
import tempfile
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any

import h11

from outrider_kong.stand_in.exchange import Exchange, Reply, Request
from outrider_kong.stand_in.headers import Headers, wire
from outrider_kong.stand_in.refusals import BUFFER, BUFFERS, path_of, refusal, size

CHUNK = 65536
NO_HOST = [("host", "")]
LINGER = 5.0
BODILESS = frozenset({204, 304})
Handle = Callable[[Request, "Downstream"], Awaitable[None]]


class BrokenError(Exception):
    """The connection ends without a response, or within one."""


class Downstream:
    """Reads all the time, so that a caller who leaves is noticed: then `gone` is set."""

    def __init__(self, reader: StreamReader, writer: StreamWriter, handle: Handle) -> None:
        self._reader = reader
        self._writer = writer
        self._handle = handle
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=BUFFERS * BUFFER)
        self._arrived = asyncio.Event()
        self.gone = asyncio.Event()

    async def serve(self) -> None:
        """Serves one request after the other until one side closes."""
        pump = asyncio.create_task(self._pump())
        try:
            while await self._one():
                pass
        except (BrokenError, OSError, h11.ProtocolError):
            pass
        finally:
            pump.cancel()
            self._writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await pump

    async def _pump(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self._reader.read(CHUNK):
                self._h11.receive_data(data)
                self._arrived.set()
        self.gone.set()
        with contextlib.suppress(h11.ProtocolError):
            self._h11.receive_data(b"")
        self._arrived.set()

    async def _one(self) -> bool:
        try:
            event = await self._event()
        except h11.RemoteProtocolError as error:
            refused = {431: 494, 501: 501}.get(error.error_status_hint, 400)
            await self._handle(self._request(h11.Request(method="GET", target="/", headers=NO_HOST), refused), self)
            return False
        if not isinstance(event, h11.Request):
            return False
        await self._handle(self._request(event, refusal(event)), self)
        return await self._next()

    async def _next(self) -> bool:
        """Drops what nobody read of the body, then the connection can go on."""
        if self._h11.they_are_waiting_for_100_continue:
            return False
        async with asyncio.timeout(LINGER):
            while self._h11.their_state is h11.SEND_BODY:
                await self._event()
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return True

    def _request(self, event: h11.Request, failure: int) -> Request:
        peer, port = self._writer.get_extra_info("peername")[:2]
        server_port = self._writer.get_extra_info("sockname")[1]
        headers = Headers(event.headers.raw_items())
        authority, target = path_of(event.target)
        return Request(
            method=event.method,
            target=target,
            authority=authority,
            headers=headers,
            version=event.http_version.decode(),
            peer=peer,
            address=peer,
            port=port,
            server_port=server_port,
            size=size(event),
            failure=failure,
        )

    async def read_body(self, exchange: Exchange) -> None:
        """Reads the body to its end, unless it was; one over the buffer goes to a file, as in nginx."""
        if exchange.body is not None or exchange.body_file is not None:
            return
        if self._h11.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
        exchange.request.size += len(body)
        if len(body) <= exchange.node.settings.body_buffer:
            exchange.body = bytes(body)
            return
        with tempfile.NamedTemporaryFile(prefix="kong-stand-in-body-", delete=False) as file:
            file.write(body)
        exchange.body_file = Path(file.name)

    async def respond(self, exchange: Exchange, stream: AsyncIterator[bytes] | None) -> None:
        """Sends the reply: its body, or what the stream gives."""
        reply = exchange.reply
        bodiless = exchange.request.method == b"HEAD" or reply.status in BODILESS
        promised = reply.headers.get(b"content-length")
        headers = _head(reply)
        self._count(exchange, h11.Response(status_code=reply.status, headers=headers, reason=_reason(reply.status)))
        left = int(promised) if promised and promised.isdigit() else None
        async for chunk in stream or _once(reply.body):
            if chunk and not bodiless:
                sent = chunk if left is None else chunk[:left]
                left = None if left is None else left - len(sent)
                self._count(exchange, h11.Data(data=sent))
                await self._writer.drain()
        if left and not bodiless:
            raise BrokenError("shorter than its content-length")
        self._count(exchange, h11.EndOfMessage())
        await self._writer.drain()

    async def _event(self) -> Any:
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._arrived.clear()
            await self._arrived.wait()

    def _write(self, event: h11.Event) -> int:
        data = self._h11.send(event) or b""
        self._writer.write(data)
        return len(data)

    def _count(self, exchange: Exchange, event: h11.Event) -> None:
        exchange.bytes_sent += self._write(event)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _head(reply: Reply) -> list[tuple[bytes, bytes]]:
    dropped = {b"connection", b"transfer-encoding", *({b"content-length"} if reply.status in BODILESS else ())}
    items = [item for item in reply.headers if item[0].lower() not in dropped]
    if reply.headers.get(b"date") is None:
        items.append((b"Date", formatdate(usegmt=True).encode()))
    return wire(items)


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
