"""The gateway: what was loaded, its simulated nginx workers, and the port that it listens on."""

import asyncio
from asyncio import Server, StreamReader, StreamWriter
from collections.abc import Coroutine
from itertools import cycle
from typing import Any
from uuid import uuid4

from outrider_kong.stand_in import bundled
from outrider_kong.stand_in.downstream import Downstream
from outrider_kong.stand_in.entities import Consumer, Declared
from outrider_kong.stand_in.exchange import Exchange, Request
from outrider_kong.stand_in.forwarding import real_address, trusts
from outrider_kong.stand_in.instances import Instances
from outrider_kong.stand_in.lua.functions import Functions
from outrider_kong.stand_in.passage import Passage
from outrider_kong.stand_in.plugins import Handler, Known, Table, load
from outrider_kong.stand_in.pool import Pool
from outrider_kong.stand_in.remote import Remote
from outrider_kong.stand_in.remote_message_pack import MessagePackRemote
from outrider_kong.stand_in.remote_protobuf import ProtobufRemote
from outrider_kong.stand_in.remote_unknown import UnknownRemote
from outrider_kong.stand_in.router import Router
from outrider_kong.stand_in.schema import config_fields
from outrider_kong.stand_in.servers import PluginInfo
from outrider_kong.stand_in.settings import Settings

REMOTES: dict[str, type[Remote]] = {"ProtoBuf:1": ProtobufRemote, "MsgPack:1": MessagePackRemote}


class Gateway:
    """Everything but the plugin servers' processes. Made in an event loop; `start` listens, `stop` ends it all."""

    def __init__(
        self, settings: Settings, plugins: dict[str, PluginInfo], declared: Declared, workers: int = 1
    ) -> None:
        self.id = str(uuid4())
        self.settings = settings
        self._plugins = plugins
        self._known = _known(plugins)
        self._loads = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.load(declared)
        self._workers = [Worker(self) for _ in range(workers)]
        self._next_worker = cycle(self._workers)
        self._server: Server | None = None

    def load(self, declared: Declared) -> None:
        """Takes a configuration over, also while requests run; MistakeError leaves the old one in place."""
        configured = load(declared, self._known, self.settings, self._loads + 1)
        self._loads += len(declared.plugins)
        self.table = Table(self._known.values(), configured)
        self.router = Router(declared.routes)
        self._declared = declared
        self.consumers: dict[str, Consumer] = {consumer.id: consumer for consumer in declared.consumers}

    async def start(self, host: str, port: int) -> int:
        """Listens; the port that was taken comes back."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=2**17)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Ends every connection and every event."""
        if self._server:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for worker in self._workers:
            worker.pool.close()

    @property
    def idle(self) -> bool:
        """No connection from downstream, no event under way."""
        return not self._tasks

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something on its own until the gateway stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def consumer(self, key: str, *, by_username: bool) -> Consumer | None:
        """A consumer by id, or by username if asked for."""
        return self._declared.consumer(key, by_username=by_username)

    def trusts(self, address: str) -> bool:
        """Whether an address is one of trusted_ips."""
        return trusts(self.settings.trusted_ips, address)

    def remote(self, info: PluginInfo, pool: Pool, instances: Instances) -> Remote:
        """What drives a plugin by the protocol of its server."""
        return REMOTES.get(info.protocol, UnknownRemote)(info, pool, instances, self.settings)

    def handlers(self, worker: "Worker") -> dict[str, Handler]:
        """What runs each plugin in one worker."""
        remotes = {info.name: self.remote(info, worker.pool, worker.instances) for info in self._plugins.values()}
        return {**remotes, **bundled.handlers(worker.lua, self)}

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        worker = next(self._next_worker)
        self.spawn(Downstream(reader, writer, worker.handle).serve())


class Worker:
    """One simulated nginx worker: a pool of connections, instances and a Lua state of its own."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.pool = Pool(gateway.settings)
        self.instances = Instances()
        self.lua = Functions()
        self._handlers = gateway.handlers(self)
        self.spawn = gateway.spawn

    @property
    def table(self) -> Table:
        return self._gateway.table

    @property
    def router(self) -> Router:
        return self._gateway.router

    def handler(self, name: str) -> Handler:
        """What runs a plugin here."""
        return self._handlers[name]

    async def handle(self, request: Request, downstream: Downstream) -> None:
        """One request, to the end of its response."""
        request.address = real_address(request, self._gateway.settings)
        args = request.target.partition(b"?")[2]
        exchange = Exchange(node=self._gateway, request=request, id=uuid4().hex, args=args)
        await Passage(exchange, downstream, self).run()


def _known(plugins: dict[str, PluginInfo]) -> dict[str, Known]:
    """Plugins by name; Kong's own win over a plugin server's of the same name."""
    external = {
        info.name: Known(
            name=info.name,
            priority=info.priority,
            phases=frozenset(info.phases),
            fields=config_fields(info.schema),
        )
        for info in plugins.values()
    }
    return external | {known.name: known for known in bundled.KNOWN}
