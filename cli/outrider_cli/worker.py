"""One plugin worker: a process that answers Envoy until it is told to stop.

The supervisor starts it; nobody types this:

    python -m outrider_cli.worker --folder DIR --shift NAME --index N --address ADDRESS
"""

import argparse
import asyncio
import faulthandler
import logging
import resource
import signal
import sys
import time
from pathlib import Path

import uvloop

from outrider import logs
from outrider.config import Configuration
from outrider.errors import OutriderError, StartError
from outrider.metrics import Metrics
from outrider.place import place
from outrider.runtime import Runtime
from outrider_cli.folder import Folder, Shift
from outrider_cli.loading import Loaded, Source
from outrider_envoy.selection import Chains
from outrider_envoy.server import Server

_log = logging.getLogger("outrider.worker")

BEAT = 0.1
"""How often a worker tells that it is alive, in seconds."""
DRAIN = 10.0
"""How long requests in flight may take after SIGTERM, in seconds."""


def main() -> None:
    """Runs one worker; exits with 3 if it can't start."""
    options = _options()
    # A core file would hold every secret of the configuration.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder, shift = Folder(options.folder), Shift(options.folder, options.shift)
    with shift.trace(options.index).open("w") as trace:
        # The kernel hands the signal to the main thread, where the hooks run; grpcio has threads of its own.
        faulthandler.enable(trace, all_threads=False)
        try:
            uvloop.run(_work(options, folder, shift))
        except OutriderError as error:
            _log.error("worker %s can't start: %s", options.index, error)
            sys.exit(3)


async def _work(options: argparse.Namespace, folder: Folder, shift: Shift) -> None:
    metrics = Metrics(shift.metrics(options.index))
    beating = asyncio.get_running_loop().create_task(_beat(metrics))
    loaded = Source.from_json(shift.snapshot.read_text(encoding="utf-8")).load(metrics)
    log = loaded.configuration.gateway.log
    logs.configure(log.level, log.format)
    runtimes = await _start(loaded.configuration, folder, metrics)
    await _serve(loaded, metrics, options.address)
    await _stop(loaded.configuration, runtimes)
    beating.cancel()


async def _serve(loaded: Loaded, metrics: Metrics, address: str) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = Server(Chains(loaded.chains.values(), loaded.configuration.routes), metrics)
    try:
        await server.start(address)
    except RuntimeError as error:
        raise StartError(f"{address} can't be listened on: another process may have it") from error
    metrics.set_ready(True)
    await stopping.wait()
    metrics.set_ready(False)
    await server.drain(DRAIN)


async def _beat(metrics: Metrics) -> None:
    while True:
        metrics.beat(time.monotonic())
        await asyncio.sleep(BEAT)


async def _start(configuration: Configuration, folder: Folder, metrics: Metrics) -> list[Runtime]:
    """Starts every plugin; each has a runtime of its own, so that it knows where in the file it stands."""
    started: list[Runtime] = []
    for one in configuration.plugins:
        runtime = Runtime(configuration.consumers, folder.shared, scope=one.place, metrics=metrics)
        started.append(runtime)
        who = f"{configuration.document.file}:{one.line}: plugin {one.name}"
        try:
            await one.plugin.start(runtime)
        except OutriderError as error:
            raise StartError(f"{who}: {error}") from error
        except Exception as error:
            # Not its text, which may hold a credential.
            where = place(error, one.plugin, "start")
            raise StartError(f"{who}: start failed at {where}: {type(error).__name__}") from error
    return started


async def _stop(configuration: Configuration, runtimes: list[Runtime]) -> None:
    for one in configuration.plugins:
        try:
            await one.plugin.stop()
        except Exception as error:  # noqa: BLE001 - the others want to stop too
            where = place(error, one.plugin, "stop")
            _log.error("plugin %s: stop failed at %s: %s", one.name, where, type(error).__name__)
    for runtime in runtimes:
        await runtime.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--shift", required=True)
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--address", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
