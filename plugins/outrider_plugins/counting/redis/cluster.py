"""Which node of a cluster has which keys (the specification of Redis Cluster)."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, cast

from outrider_plugins.counting.redis.address import Node, RedisAddress
from outrider_plugins.counting.redis.command import SLOTS, Command, packed
from outrider_plugins.counting.redis.connection import RedisConnection
from outrider_plugins.counting.redis.errors import MovedError
from outrider_plugins.counting.redis.pipeline import Pipeline
from outrider_plugins.counting.storage import StorageError, StorageTimeoutError

PATIENCE: Final = 0.3
"""How long one node may take to say who has which keys before the next is asked, in seconds."""
PAUSE: Final = 1.0
"""The map of the keys is asked for at most once in so many seconds."""

_QUESTION = packed(b"CLUSTER", b"SLOTS")


class Cluster:
    """Asks the node that has a command's keys; each node has connections and a circuit breaker of its own.

    The map of the keys is asked for with the first check, and again when a node fails or sends a check elsewhere.
    `connect` makes the connections to a node.
    """

    def __init__(self, address: RedisAddress, connect: Callable[[Node], Pipeline], timeout: float) -> None:
        self._address, self._connect, self._timeout = address, connect, timeout
        self._pipelines: dict[Node, Pipeline] = {}
        self._owners: dict[int, Node] = {}
        self._learning: asyncio.Task[None] | None = None
        self._next = 0.0

    async def ask(self, command: Command) -> object:
        """What the node answers. Raises `StorageError`."""
        if not self._owners:
            await self._learned()
        node = self._owners.get(command.slot)
        if node is None:
            self._learn()
            raise StorageError(f"{self._address} has no node for this key")
        try:
            return await self._pipeline(node).ask(command)
        except MovedError as moved:
            self._learn()
            self._owners[command.slot] = node = Node(moved.node.host or node.host, moved.node.port)
            return await self._pipeline(node).ask(command)
        except StorageError:
            self._learn()
            raise

    async def close(self) -> None:
        """Ends all connections."""
        if self._learning is not None:
            self._learning.cancel()
            await asyncio.gather(self._learning, return_exceptions=True)
        await self._keep(set())

    def _pipeline(self, node: Node) -> Pipeline:
        if (pipeline := self._pipelines.get(node)) is None:
            self._pipelines[node] = pipeline = self._connect(node)
        return pipeline

    async def _learned(self) -> None:
        """Waits for the first map, no longer than a check may take."""
        self._learn()
        if self._learning is not None:
            try:
                async with asyncio.timeout(self._timeout):
                    return await asyncio.shield(self._learning)
            except TimeoutError:
                raise StorageTimeoutError(f"{self._address} did not answer in time") from None
        raise StorageError(f"{self._address} can't be reached")

    def _learn(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._learning is None and now >= self._next:
            self._next = now + PAUSE
            self._learning = asyncio.create_task(self._ask_around())

    async def _ask_around(self) -> None:
        known = list({*self._owners.values(), *self._address.nodes})
        random.shuffle(known)
        try:
            for node in known:
                one = replace(self._address, kind="server", nodes=(node,))
                if owners := _owners(await RedisConnection.once(one, _QUESTION, PATIENCE), node):
                    self._owners = owners
                    return await self._keep(set(owners.values()))
        finally:
            self._learning = None

    async def _keep(self, nodes: set[Node]) -> None:
        for node in [node for node in self._pipelines if node not in nodes]:
            await self._pipelines.pop(node).close()


def _owners(answer: object, asked: Node) -> dict[int, Node]:
    """Each slot's node, by the answer to CLUSTER SLOTS of one of them; nothing if it is no such answer."""
    owners: dict[int, Node] = {}
    try:
        for first, last, (host, port, *_), *_ in cast("list[Any]", answer):
            # A node leaves its host out where it does not know how others call it.
            node = Node(host.decode() if host else asked.host, port)
            owners.update(dict.fromkeys(range(first, min(last, SLOTS - 1) + 1), node))
    except (AttributeError, TypeError, ValueError):
        return {}
    return owners
