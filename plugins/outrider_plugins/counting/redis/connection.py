"""One connection to Redis or Valkey: the only file that knows the library redis-py."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from outrider_plugins.counting.redis.address import Node, RedisAddress
from outrider_plugins.counting.redis.errors import lost, said
from outrider_plugins.counting.storage import StorageError
from outrider_plugins.http_client import tls

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

CONNECTING: Final = 1.0
"""How long it may take to connect and log in, in seconds."""

_KEPT_ALIVE: Final = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}

Find = Callable[[], Awaitable[Node]]
"""Says which server to connect to. Raises `StorageError`."""


class RedisConnection:
    """Sends commands and reads as many answers, one batch after the other.

    `find` says which server it is; without it that is the address' only one. Whoever stops waiting for an answer
    must `close` the connection, so that an answer that comes late is never taken for another's.
    """

    def __init__(self, address: RedisAddress, find: Find | None = None) -> None:
        self._address, self._find = address, find
        self._open: AbstractConnection | None = None
        self._where = str(address)

    async def open(self) -> None:
        """Connects and logs in, unless that is done and the connection still good. Raises `StorageError`."""
        try:
            # What can be read now was not asked for: the end of the connection, or worse.
            if self._open is not None and not await self._open.can_read():
                return
            await self.close()
            node = await self._find() if self._find else None
            async with asyncio.timeout(CONNECTING):
                self._open = await self._made(node)
                await self._open.connect()  # type: ignore[no-untyped-call]
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a strange server makes of the library
            await self.close()
            raise self._told(error) from None
        except BaseException:
            await self.close()
            raise

    @classmethod
    async def once(cls, address: RedisAddress, command: bytes, patience: float) -> object:
        """The answer to one command over a connection of its own, or None if there is none in so many seconds."""
        connection = cls(address)
        try:
            async with asyncio.timeout(patience):
                await connection.open()
                [answer] = await connection.ask([command])
                return answer
        except (StorageError, TimeoutError):
            return None
        finally:
            await connection.close()

    async def ask(self, commands: Sequence[bytes]) -> list[object]:
        """Each command's answer, which may be a `StorageError`; `open` comes before. Raises `StorageError`."""
        from redis.exceptions import ResponseError

        connection: Any = self._open
        answers: list[object] = []
        try:
            await connection.send_packed_command(b"".join(commands), check_health=False)
            for _ in commands:
                try:
                    answers.append(await connection.read_response())
                except ResponseError as error:
                    answers.append(self._told(error))
            return answers
        except Exception as error:  # noqa: BLE001 - see above
            await self.close()
            raise self._told(error) from None

    async def close(self) -> None:
        """Ends the connection; the next `open` makes another."""
        connection, self._open = self._open, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    async def _made(self, node: Node | None) -> "AbstractConnection":
        from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

        address = self._address
        options: dict[str, Any] = {"db": address.db, "username": address.username, "password": address.password}
        # The older protocol needs no greeting, and has all that is asked here.
        options |= {"protocol": 2, "driver_info": None, "socket_timeout": None, "socket_connect_timeout": CONNECTING}
        if address.path:
            return UnixDomainSocketConnection(path=address.path, **options)
        if node is not None:
            self._where = f"{address} ({node})"
        host, port = node or address.nodes[0]
        options |= {"socket_keepalive": True, "socket_keepalive_options": _KEPT_ALIVE}
        if not address.tls:
            return Connection(host=host, port=port, **options)
        connection = SSLConnection(host=host, port=port, **options)
        # One for all, and read while others go on: it takes milliseconds.
        connection.ssl_context.context = await asyncio.to_thread(tls)
        return connection

    def _told(self, error: BaseException) -> StorageError:
        from redis import exceptions

        # The library may wrap what the server said in an error of its own.
        while isinstance(error.__cause__, exceptions.RedisError):
            error = error.__cause__
        code = getattr(error, "status_code", None)
        if isinstance(error, exceptions.AuthenticationError):
            code = code if code == "NOAUTH" else "WRONGPASS"
        if code or isinstance(error, exceptions.ResponseError):
            return said(self._where, code or str(error).partition(" ")[0], str(error))
        return lost(self._where, TimeoutError() if isinstance(error, exceptions.TimeoutError) else error)
