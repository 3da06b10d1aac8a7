"""Upgrades: the plugins decide on the headers, and what follows is between downstream and upstream."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from harness.outrider import Outrider
from harness.peer import Peer
from harness.streaming import HELLO, Streams, head, response

ROUTES = pytest.mark.parametrize("route", ["/upper", "/whole", "/both", "/double", "/events", "/observed", "/plain"])
"""Whose plugins would read, hold or change a body."""
KEY = {"x-api-key": "alice-key"}
UPGRADE = ("connection: upgrade", "upgrade: websocket")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
NOTHING = 0.3
"""How long nothing may come, in seconds; it is the answer that would come at once."""


def test_an_upgrade_without_a_credential_is_refused(streams: Streams) -> None:
    refusal = response(streams.get("/guarded", *UPGRADE))
    assert refusal.status == 401
    assert not streams.peer.reached(0)


@ROUTES
def test_what_follows_an_upgrade_passes_both_ways_unseen(streams: Streams, route: str) -> None:
    downstream = streams.get(route, *UPGRADE, f"x-case: upgrade {route}")
    upstream = streams.peer.accept()
    assert b"transfer-encoding" not in upstream.head
    upstream.send(SWITCHING)
    assert downstream.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    for _ in range(3):
        downstream.send(b"data: ping\n\n")
        assert upstream.until(b"\n\n") == b"data: ping\n\n"
        upstream.send(b"data: pong\n\n")
        assert downstream.until(b"\n\n") == b"data: pong\n\n"
    upstream.close()
    assert downstream.rest() == b""
    if route != "/plain":
        assert streams.ended(f"upgrade {route}")[:2] == ["passed", 101]


def test_an_upgrade_that_upstream_refuses_is_an_answer_as_any(streams: Streams) -> None:
    downstream = streams.get("/upper", *UPGRADE)
    refusal = b"HTTP/1.1 403 No\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello"
    streams.peer.accept().send(refusal)
    assert downstream.until(b"\r\n\r\n").startswith(b"HTTP/1.1 403")
    assert downstream.body() == b"HELLO"


@pytest.mark.parametrize(
    ("method", "framing", "body"),
    [
        ("POST", "content-length: 5", b"hello"),
        ("POST", "transfer-encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
        ("GET", "content-length: 5", b"hello"),
        ("PUT", "x-nothing: there", b"hello"),
    ],
)
def test_an_upgrade_header_is_no_way_past_a_hook_on_the_whole_body(
    streams: Streams, method: str, framing: str, body: bytes
) -> None:
    downstream = streams.send(head(method, "/whole", *UPGRADE, framing) + body)
    assert not streams.peer.reached(NOTHING)
    downstream.close()
    streams.gateway.idle()


@pytest.mark.parametrize("route", ["/upper", "/whole", "/plain"])
@pytest.mark.parametrize("answer", [None, HELLO], ids=["silent", "answers"])
def test_bytes_behind_an_upgrade_never_reach_an_upstream_that_has_not_agreed(
    streams: Streams, route: str, answer: bytes | None
) -> None:
    downstream = streams.send(head("GET", route, *UPGRADE) + head("GET", "/smuggled"))
    upstream = streams.peer.accept()
    if answer is None:
        assert not upstream.hears(NOTHING)
    else:
        upstream.send(answer)
        downstream.rest()
        assert b"smuggled" not in upstream.rest()


@pytest.mark.parametrize("kind", ["foo", "websocket, foo", ""])
def test_an_upgrade_of_another_kind_is_refused(streams: Streams, kind: str) -> None:
    downstream = streams.get("/upper", "connection: upgrade", f"upgrade: {kind}")
    assert downstream.until(b"\r\n\r\n").startswith(b"HTTP/1.1 403")
    assert not streams.peer.reached(0)


@dataclass
class Echo:
    """A websocket server that says what it hears."""

    heard: list[int] = field(default_factory=list[int])
    paths: list[str] = field(default_factory=list[str])

    async def __call__(self, connection: ServerConnection) -> None:
        assert connection.request
        self.paths.append(connection.request.path)
        async for message in connection:
            self.heard.append(len(message))
            await connection.send(message)


@asynccontextmanager
async def meeting(gateway: Outrider, peer: Peer, case: str) -> AsyncGenerator[tuple[Echo, ClientConnection]]:
    """A client and a server of a real library, with the gateway between them."""
    echo = Echo()
    url = f"ws://127.0.0.1:{gateway.port}/guarded"
    async with (
        serve(echo, sock=peer.twin(), max_size=None),
        connect(url, additional_headers={**KEY, "x-case": case}, max_size=None, proxy=None) as client,
    ):
        yield echo, client


def test_messages_of_any_size_and_number_pass_both_ways(streams: Streams) -> None:
    messages = [b"x" * size for size in (0, 1, 125, 126, 65_536, 3_000_000)] + ["text", *map(str, range(500))]

    async def talk() -> Echo:
        async with meeting(streams.gateway, streams.peer, "websocket") as (echo, client):
            await asyncio.gather(_say(client, messages), _hear(client, messages))
        return echo

    echo = asyncio.run(talk())
    assert (len(echo.heard), echo.paths) == (len(messages), ["/guarded"])
    # 101 has no body, and the messages are none.
    assert streams.ended("websocket") == ["passed", 101, 0, 0]


def test_a_real_client_without_a_key_is_told_401(streams: Streams) -> None:
    async def knock() -> int:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{streams.gateway.port}/guarded", proxy=None)
        return refused.value.response.status_code

    assert asyncio.run(knock()) == 401


def test_a_client_that_vanishes_ends_the_server_and_the_log_once(streams: Streams) -> None:
    async def vanish() -> None:
        async with meeting(streams.gateway, streams.peer, "vanished") as (echo, client):
            await client.send("hello")
            assert await client.recv() == "hello"
            client.transport.abort()
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert echo.heard == [5]

    asyncio.run(vanish())
    assert streams.ended("vanished")[1:] == [101, 0, 0]


async def _say(client: ClientConnection, messages: Iterable[str | bytes]) -> None:
    for message in messages:
        await client.send(message)


async def _hear(client: ClientConnection, messages: Iterable[str | bytes]) -> None:
    for message in messages:
        assert await client.recv() == message
