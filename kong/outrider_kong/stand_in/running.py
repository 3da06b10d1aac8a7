"""The stand-in as a program: it loads, starts the plugin servers, says where it listens, and waits for a signal."""

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import uvloop

from outrider_kong.stand_in import declarative, settings
from outrider_kong.stand_in.entities import Declared
from outrider_kong.stand_in.gateway import Gateway
from outrider_kong.stand_in.mistakes import MistakeError
from outrider_kong.stand_in.processes import Keeper
from outrider_kong.stand_in.servers import PluginInfo, query_all


@dataclass(frozen=True)
class Options:
    """What the command line said."""

    declarative: Path
    conf: str
    host: str
    port: int
    workers: int


def run(options: Options, environ: Mapping[str, str]) -> int:
    """Runs until SIGTERM or SIGINT; SIGHUP reads kong.yml again."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="stand-in: %(levelname)s: %(message)s")
    loaded = settings.read(options.conf, environ)
    plugins = query_all(loaded.servers)
    declared = declarative.read(options.declarative.read_text())
    uvloop.run(_Program(options, loaded).serve(plugins, declared))
    return 0


class _Program:
    def __init__(self, options: Options, loaded: settings.Settings) -> None:
        self._options = options
        self._settings = loaded
        self._keepers = [Keeper(server, loaded.respawn_after) for server in loaded.servers if server.start_cmd]

    async def serve(self, plugins: dict[str, PluginInfo], declared: Declared) -> None:
        gateway = Gateway(self._settings, plugins, declared, self._options.workers)
        port = await gateway.start(self._options.host, self._options.port)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload, gateway)
        keeping = [asyncio.create_task(keeper.run()) for keeper in self._keepers]
        sys.stdout.write(f"Kong stand-in (this is no Kong) listening on {self._options.host}:{port}\n")
        sys.stdout.flush()
        await stop.wait()
        await gateway.stop()
        await asyncio.gather(*(keeper.stop() for keeper in self._keepers))
        await asyncio.gather(*keeping)

    def _reload(self, gateway: Gateway) -> None:
        try:
            gateway.load(declarative.read(self._options.declarative.read_text()))
        except (MistakeError, OSError) as error:
            logging.getLogger("kong").error("not reloaded: %s", error)
