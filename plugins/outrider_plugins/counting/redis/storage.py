"""The storage `redis`: counts for several machines in one Redis or Valkey, on its clock."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from typing import Final, Protocol

from outrider import StartError
from outrider.counting import known_namespace
from outrider_plugins.counting.redis import command as commands
from outrider_plugins.counting.redis.address import RedisAddress
from outrider_plugins.counting.redis.cluster import Cluster
from outrider_plugins.counting.redis.command import SCRIPT, Command
from outrider_plugins.counting.redis.connection import Find, RedisConnection
from outrider_plugins.counting.redis.pipeline import CONNECTIONS, Pipeline
from outrider_plugins.counting.redis.sentinel import Sentinels
from outrider_plugins.counting.rule import Charge, Usage
from outrider_plugins.counting.storage import Storage, StorageError

TIMEOUT: Final = 0.1
"""How long a check may take, in seconds."""
NAMESPACE: Final = "outrider"

_REMEMBERED = 4096  # requests whose commands are at hand


class Server(Protocol):
    """One server, or several that look like one."""

    async def ask(self, command: Command) -> object:
        """What it answers. Raises `StorageError`."""

    async def close(self) -> None:
        """Ends all connections."""


class RedisStorage(Storage):
    """Counts in one round trip, in a script that counts all charges of a request or none.

    In a cluster all charges of one request must have the same key. Keys are stored as digests, below
    `namespace`. What failed may have been counted: never less than what was answered. Raises `StorageError` too when
    the answer comes late, when too many checks wait, and at once while the server is left alone after failures.
    """

    def __init__(self, server: Server, namespace: str = NAMESPACE, *, script: bytes = SCRIPT) -> None:
        encoded = known_namespace(namespace).encode()

        def command(charges: tuple[Charge, ...], owed: bool) -> Command:
            return commands.take(script, encoded, charges, owed=owed)

        self._server = server
        self._command = lru_cache(_REMEMBERED)(command)

    def try_take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage] | None:
        """None: the answer has to be waited for."""

    async def take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage]:
        said = await self._server.ask(self._command(tuple(charges), owed))
        moment, passed, states = commands.read(said, len(charges))
        told = zip(charges, states, strict=True)
        usages = [rule.usage(state, moment, cost, passed) for (rule, _, cost), state in told]
        if not passed and all(usage.passed for usage in usages):
            raise StorageError("Redis counted nothing, though there is room")
        return usages

    async def close(self) -> None:
        await self._server.close()


class _Shared(Server):
    """A server for all plugins of a process that name the same: the last one that closes it ends its connections."""

    def __init__(self, key: tuple[RedisAddress, float]) -> None:
        self._key, self._server, self.users = key, open_server(*key), 0

    async def ask(self, command: Command) -> object:
        return await self._server.ask(command)

    async def close(self) -> None:
        self.users -= 1
        if self.users == 0:
            _open.pop(self._key, None)
            await self._server.close()


_open: dict[tuple[RedisAddress, float], _Shared] = {}


def open_redis(address: str, *, namespace: str = NAMESPACE, timeout: float = TIMEOUT) -> RedisStorage:
    """The storage at an address, whose connections all share that use it in this process with the same `timeout`.

    Each must `close` what it opened. It connects with the first check: a server that is down is no reason not to
    start. Raises `ValueError` for what is no address or no namespace, and `StartError` where the library is missing.
    """
    try:
        import_module("redis.asyncio.connection")
    except ImportError as error:
        raise StartError("the storage redis needs the package redis: install outrider[redis]") from error
    key = RedisAddress.parse(address), timeout
    shared = _open.get(key) or _Shared(key)
    storage = RedisStorage(shared, namespace)
    _open[key] = shared
    shared.users += 1
    return storage


def open_server(address: RedisAddress, timeout: float) -> Server:
    """What answers at an address: one server, the one that sentinels name, or a cluster."""

    def pipeline(where: str, address: RedisAddress, find: Find | None = None) -> Pipeline:
        return Pipeline(where, [RedisConnection(address, find) for _ in range(CONNECTIONS)], timeout)

    if address.kind == "sentinel":
        return pipeline(str(address), address, Sentinels(address).master)
    if address.kind == "cluster":
        alone = replace(address, kind="server")
        return Cluster(address, lambda node: pipeline(f"{address} ({node})", replace(alone, nodes=(node,))), timeout)
    return pipeline(str(address), address)
