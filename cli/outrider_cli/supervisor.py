"""Runs a gateway: the plugin workers, and Envoy in front of them."""

import asyncio
import json
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from outrider import logs
from outrider.errors import OutriderError
from outrider.metrics import Metrics
from outrider_cli.envoy import Envoy, check_address
from outrider_cli.folder import Folder, private_folder
from outrider_cli.listen import check_folder, endpoints
from outrider_cli.loading import Source
from outrider_cli.page import Page
from outrider_cli.workers import Workers
from outrider_envoy.render import bootstrap

_log = logging.getLogger("outrider.supervisor")

_GRACE = 1.0  # seconds that a worker may be silent beyond the longest hook


async def run(path: Path) -> None:
    """Workers, Envoy and the metrics page, until SIGINT or SIGTERM. Raises `StartError`."""
    told = _stop_signals()
    with private_folder() as folder:
        source = Source.read(path)
        check_address(source.gateway.listen)
        addresses = [f"unix:{folder.socket(index)}" for index in range(source.gateway.workers)]
        gateway = _Gateway(source, folder, addresses)
        plan = source.load().plan(tuple(addresses), folder.admin)
        _write_private(folder.bootstrap, json.dumps(bootstrap(plan)))
        await gateway.run(told, Envoy(folder, source.gateway, gateway.metrics))


async def serve(path: Path, listen: str) -> None:
    """Only the workers and the metrics page, for an Envoy that somebody else runs. Raises `StartError`."""
    told = _stop_signals()
    with private_folder() as folder:
        source = Source.read(path)
        check_folder(listen)
        await _Gateway(source, folder, endpoints(listen, source.gateway.workers)).run(told, None)


class _Gateway:
    """Everything below one supervisor."""

    def __init__(self, source: Source, folder: Folder, addresses: Sequence[str]) -> None:
        configuration = source.configuration
        self._settings = configuration.gateway
        logs.configure(self._settings.log.level, self._settings.log.format)
        _write_private(folder.snapshot, source.text)
        self._folder = folder
        self._addresses = addresses
        self.metrics = Metrics(folder.supervisor_metrics)
        longest = max((one.plugin.timeout for one in configuration.plugins), default=0) / 1000
        self._workers = Workers(source.path, folder, addresses, longest + _GRACE, self.metrics)
        self._live = False

    async def run(self, told: asyncio.Event, envoy: Envoy | None) -> None:
        page = Page(self._settings.metrics, self._folder.path, lambda: self._is_ready(envoy))
        running = asyncio.ensure_future(self._keep(envoy))
        stopping = asyncio.ensure_future(told.wait())
        try:
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._live = False
            if envoy is not None:
                await envoy.stop()
            await self._workers.stop()
            page.close()
            stopping.cancel()
            # Where the gateway was stopped while it started, it still waits for its workers.
            running.cancel()
        await _outcome(running)

    def _is_ready(self, envoy: Envoy | None) -> bool:
        return self._live and self._workers.ready and (envoy is None or envoy.sees_workers())

    async def _keep(self, envoy: Envoy | None) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._workers.keep())
            while not self._workers.ready:
                await asyncio.sleep(0.02)
            if envoy is not None:
                tasks.create_task(envoy.keep())
                await envoy.live()
            self._live = True
            where = f"http://{self._settings.listen}" if envoy else ", ".join(self._addresses)
            _log.info("ready on %s with %d workers", where, len(self._addresses))


def _stop_signals() -> asyncio.Event:
    """Set by SIGINT and SIGTERM; from here on a gateway that is told to stop leaves nothing behind."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    loop.add_signal_handler(signal.SIGHUP, _log.warning, "SIGHUP: a changed file is taken over at the next start")
    return told


async def _outcome(running: asyncio.Future[None]) -> None:
    """Raises why it did not start, if so: one error and no group of them."""
    try:
        with suppress(asyncio.CancelledError):
            await running
    except BaseExceptionGroup as group:
        # Not `except*`: before 3.11.4 that wraps in a group again what is raised in it.
        known = group.subgroup(OutriderError)
        if known is None:
            raise
        raise _first(known) from None


def _first(group: BaseExceptionGroup[OutriderError]) -> OutriderError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
