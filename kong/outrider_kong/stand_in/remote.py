"""A plugin that lives in a plugin server, as one nginx worker sees it."""

from typing import Protocol

from outrider_kong.stand_in.configured import Configured
from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.instances import Instances
from outrider_kong.stand_in.pool import Connection, Pool
from outrider_kong.stand_in.servers import PluginInfo
from outrider_kong.stand_in.settings import Settings


class Body(Protocol):
    """Who has the request body, once somebody asks for it."""

    async def read_body(self) -> None: ...


class Lost:
    """Connections that an event left behind: nginx closes them when the request is over."""

    def __init__(self) -> None:
        self._connections: list[Connection] = []

    def add(self, connection: Connection) -> None:
        self._connections = [known for known in self._connections if not known.closed]
        self._connections.append(connection)

    def forget(self, connection: Connection) -> None:
        self._connections = [known for known in self._connections if known is not connection]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections.clear()


class Context:
    """What an event needs beside the request's state."""

    def __init__(self, exchange: Exchange, body: Body) -> None:
        self.exchange = exchange
        self.body = body
        self.lost = Lost()


class Remote:
    """What both protocols share: the worker's pool and instances, and the numbers of the calls."""

    def __init__(self, info: PluginInfo, pool: Pool, instances: Instances, settings: Settings) -> None:
        self.info = info
        self.pool = pool
        self.instances = instances
        self.timeout = settings.read_timeout
        self._number = 0

    def next_number(self) -> int:
        """Counts the calls of this plugin in this worker, those that found nobody, too."""
        self._number += 1
        return self._number

    async def handle(self, configured: Configured, context: Context) -> None:
        """Runs one event in the exchange's phase. ExitError: the plugin answered. LuaError: it broke."""
        raise NotImplementedError
