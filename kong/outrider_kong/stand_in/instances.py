"""Which instance of a plugin server belongs to which configuration, in one nginx worker."""

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from outrider_kong.stand_in.configured import Configured
from outrider_kong.stand_in.values import Value

Start = Callable[[Configured], Awaitable[Value]]
Close = Callable[[Value], Awaitable[None]]


@dataclass
class Instance:
    """One that runs, or that is being started: then `id` is not there yet."""

    plugin: str
    sequence: int
    id: "Future[Value]"


class Instances:
    """Starts each configuration once; requests that come meanwhile wait for the first one."""

    def __init__(self) -> None:
        self._running: dict[str, Instance] = {}

    async def get(self, configured: Configured, start: Start, close: Close) -> Value:
        """The id of a configuration's instance. A changed configuration starts a new one, then closes the old."""
        known = self._running.get(configured.id)
        if known and known.sequence == configured.sequence:
            return await asyncio.shield(known.id)
        fresh = Instance(configured.entry.plugin, configured.sequence, asyncio.get_running_loop().create_future())
        self._running[configured.id] = fresh
        try:
            started = await start(configured)
        except BaseException as error:
            self._forget(configured.id, fresh)
            # Whoever waits fails as well; nobody waiting is no reason for a warning.
            fresh.id.set_exception(error if isinstance(error, Exception) else ConnectionError("abandoned"))
            fresh.id.exception()
            raise
        fresh.id.set_result(started)
        if known and known.id.done() and not known.id.exception():
            await close(known.id.result())
        return started

    def reset(self, plugin: str) -> None:
        """Forgets every instance of a plugin: all its configurations are started again when they are needed."""
        for key, instance in list(self._running.items()):
            if instance.plugin == plugin and instance.id.done():
                del self._running[key]

    def _forget(self, key: str, instance: Instance) -> None:
        if self._running.get(key) is instance:
            del self._running[key]
