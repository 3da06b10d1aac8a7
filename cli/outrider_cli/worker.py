"""One plugin worker: a process that answers the gateway until it is told to stop.

The supervisor starts it; nobody types this:

    python -m outrider_cli.worker --folder DIR --shift NAME --index N --address ADDRESS --transport NAME
        [--numbers FILE] [--tls CERTIFICATE KEY AUTHORITY]
"""

import argparse
import asyncio
import faulthandler
import gc
import logging
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Protocol

import uvloop

from outrider import logs
from outrider.errors import OutriderError
from outrider.metrics import Metrics
from outrider.pressure import Pressure
from outrider.starting import Plugins
from outrider_cli.folder import Folder, Shift
from outrider_cli.loading import Source

_log = logging.getLogger("outrider.worker")

BEAT = 0.1
"""How often a worker tells that it is alive, in seconds."""
_COLLECT_AFTER = 20_000
"""How many objects that could be part of a cycle may come into being before the collector looks at the new ones."""
INHERITED = "fd:"
"""Before the number of a socket that the supervisor opened."""
DRAIN = 10.0
"""How long requests in flight may take after SIGTERM, in seconds."""
RETIRE = signal.SIGHUP
"""The signal after which others serve already, so that requests in flight may take longer."""
LINGER = 600.0
"""How long they may take then, in seconds, unless SIGTERM cuts it short."""


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
    source = Source.from_json(shift.snapshot.read_text(encoding="utf-8"), shift.packed)
    loaded = source.load(metrics)
    log = loaded.configuration.gateway.log
    logs.configure(log.level, log.format)
    plugins = Plugins(loaded.configuration, folder.shared, metrics, sees_endings=source.kind == "envoy")
    await plugins.start()
    pressure = Pressure(loaded.configuration.gateway.queue_budget / 1000, metrics)
    pressure.watch()
    if source.kind == "envoy":
        # Kong's workers need none of it, and grpcio takes a while to import.
        from outrider_cli import envoy_worker

        place = options.address, options.transport, folder.shared, options.tls
        await _serve(await envoy_worker.started(loaded, metrics, pressure, *place), metrics)
    else:
        from outrider_cli import kong_worker

        name = f"{shift.name}{options.index}"
        made = kong_worker.instances(source, loaded, folder, name, options.numbers, metrics)
        descriptor = int(options.address.removeprefix(INHERITED))
        await _serve(await kong_worker.started(made, metrics, pressure, descriptor), metrics)
        await made.stop()
    await plugins.stop()
    beating.cancel()


async def _serve(server: "_Server", metrics: Metrics) -> None:
    stopping, retiring = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(number, retiring.set)
    loop.add_signal_handler(RETIRE, retiring.set)
    _keep_what_is_loaded()
    metrics.set_ready(True)
    await retiring.wait()
    metrics.set_ready(False)
    draining = asyncio.ensure_future(server.drain(DRAIN if stopping.is_set() else LINGER))
    told = asyncio.ensure_future(stopping.wait())
    await asyncio.wait((draining, told), return_when=asyncio.FIRST_COMPLETED)
    if not draining.done():
        await server.drain(DRAIN)
    await draining
    told.cancel()


def _keep_what_is_loaded() -> None:
    """Has the garbage collector look only at what comes from here on, and less often.

    A request leaves no cycles behind; at the usual threshold, looking for them takes a tenth of its time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


class _Server(Protocol):
    async def drain(self, seconds: float) -> None: ...


async def _beat(metrics: Metrics) -> None:
    while True:
        metrics.beat(time.monotonic())
        await asyncio.sleep(BEAT)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--shift", required=True)
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--transport", required=True)
    parser.add_argument("--numbers", type=Path)
    parser.add_argument("--tls", type=Path, nargs=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
