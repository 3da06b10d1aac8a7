"""The Kong stand-in in this process, in a thread with an event loop of its own."""

import asyncio
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvloop
import yaml

from harness.process import until
from outrider_kong.stand_in import declarative
from outrider_kong.stand_in.entities import Declared
from outrider_kong.stand_in.gateway import Gateway
from outrider_kong.stand_in.servers import PluginInfo
from outrider_kong.stand_in.settings import Settings

Document = Mapping[str, Any]


@dataclass
class Kong:
    """One that listens on `port` of loopback."""

    gateway: Gateway
    port: int
    loop: asyncio.AbstractEventLoop

    def settle(self) -> None:
        """Waits until no request and no log event is under way."""
        until(lambda: self.gateway.idle)

    def load(self, document: Document) -> None:
        """Takes over another kong.yml."""
        loaded = asyncio.run_coroutine_threadsafe(self._load(document), self.loop)
        loaded.result(15)

    async def _load(self, document: Document) -> None:
        self.gateway.load(read(document))


def read(document: Document, now: int | None = None) -> Declared:
    """A kong.yml, given as data."""
    return declarative.read(yaml.safe_dump({"_format_version": "3.0", **document}), now)


def plugin(name: str, socket: str, phases: Sequence[str], **more: Any) -> PluginInfo:
    """What a query command would have said; every config is taken, as no field has a condition."""
    fields = [{key: {"type": kind}} for key, kind in more.pop("fields", {"mode": "string"}).items()]
    schema = {"name": name, "fields": [{"config": {"type": "record", "fields": fields}}]}
    values: dict[str, Any] = {"protocol": "ProtoBuf:1", "priority": 1000, "version": "1.0.0", **more}
    return PluginInfo(name=name, phases=tuple(phases), schema=schema, socket=socket, **values)


StartKong = Callable[..., Kong]


@contextmanager
def running(
    document: Document,
    *plugins: PluginInfo,
    settings: Settings | None = None,
    workers: int = 1,
    now: int | None = None,
) -> Generator[Kong]:
    """Starts the stand-in and stops it at the end."""
    names = tuple(info.name for info in plugins)
    settings = settings or Settings(plugins=("bundled", *names), read_timeout=10)
    # As the program has.
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Kong:
        gateway = Gateway(settings, {info.name: info for info in plugins}, read(document, now), workers)
        return Kong(gateway, await gateway.start("127.0.0.1", 0), loop)

    try:
        kong = asyncio.run_coroutine_threadsafe(start(), loop).result(15)
        try:
            yield kong
        finally:
            asyncio.run_coroutine_threadsafe(kong.gateway.stop(), loop).result(15)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(15)
        loop.close()
