"""Runs a gateway: the plugin workers, and Envoy in front of them."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from outrider import logs
from outrider.config.field_types import Address
from outrider.errors import OutriderError
from outrider.metrics import Metrics
from outrider_cli.checking import longest_hook, write_bootstrap
from outrider_cli.envoy import Envoy, accepts, check_address
from outrider_cli.folder import Folder, Shift, private_folder, write_private
from outrider_cli.kong_listener import Listener, listening, numbers
from outrider_cli.listen import check_folder, endpoints
from outrider_cli.loading import Source
from outrider_cli.page import Page, opened
from outrider_cli.reload import Reload
from outrider_cli.transports import ENGINE
from outrider_cli.worker import INHERITED
from outrider_cli.workers import Workers
from outrider_envoy.render.clusters import CONNECTION_AGE

_log = logging.getLogger("outrider.supervisor")

_GRACE = 1.0  # seconds that a worker may be silent beyond the longest hook
_LEEWAY = 0.5  # seconds that Envoy may be late to leave a connection


async def run(path: Path, *, reload: bool = False, transport: str = ENGINE) -> None:
    """Workers, Envoy and the metrics page, until SIGINT or SIGTERM. Raises `StartError`.

    With `reload`, plugins from the file's `plugin_dirs` that were edited meanwhile are taken over.
    """
    told = _stop_signals()
    with private_folder() as folder:
        source = Source.read(path)
        check_address(source.gateway.listen)
        write_bootstrap(source, folder, folder.shift(0), reload=reload)
        await _Gateway(source, folder, transport=transport).run(told, reload=reload)


async def serve(path: Path, listen: str, transport: str = ENGINE) -> None:
    """Only the workers and the metrics page, for an Envoy that somebody else runs. Raises `StartError`."""
    told = _stop_signals()
    with private_folder() as folder:
        source = Source.read(path)
        check_folder(listen)
        addresses = endpoints(listen, source.gateway.workers)
        await _Gateway(source, folder, _Place(addresses, ", ".join(addresses)), transport).run(told)


async def serve_kong(path: Path, listen: str, *, reload: bool = False) -> None:
    """Only the workers and the metrics page, for Kong. Raises `StartError`."""
    told = _stop_signals()
    with private_folder() as folder:
        source = Source.read(path, "kong")
        workers = source.gateway.workers
        with listening(listen) as listener:
            addresses = [f"{INHERITED}{listener.descriptor}"] * workers
            place = _Place(addresses, listen, numbers(listen), listener)
            await _Gateway(source, folder, place).run(told, reload=reload)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where somebody else's gateway finds the workers."""

    addresses: Sequence[str]
    name: str
    numbers: Path | None = None
    listener: Listener | None = None
    """Takes the place over from another server, and knows when another one does so."""


class _Gateway:
    """Everything below one supervisor; with an Envoy, unless the workers have a place for somebody else's gateway."""

    def __init__(self, source: Source, folder: Folder, place: _Place | None = None, transport: str = ENGINE) -> None:
        self._source = source
        self._folder = folder
        self._settings = source.gateway
        logs.configure(self._settings.log.level, self._settings.log.format)
        self._metrics = Metrics(folder.supervisor_metrics)
        self._place = place
        self._transport = transport
        self._page: Page | None = None
        write_private(folder.shift(0).snapshot, source.to_json())
        self._workers = self._team(folder.shift(0), longest_hook(source))
        self._teams = [self._workers]
        self._envoy: Envoy | None = None
        self._reloading: asyncio.Future[None] | None = None
        self._live = False

    async def run(self, told: asyncio.Event, *, reload: bool = False) -> None:
        if self._place is None or self._place.listener is None:
            self._page = Page(*self._paged)
        running = asyncio.ensure_future(self._keep(told, reload=reload))
        stopping = asyncio.ensure_future(told.wait())
        try:
            await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._live = False
            await self._stop()
            if self._page is not None:
                self._page.close()
            stopping.cancel()
            # Where the gateway was stopped while it started, it still waits for its workers.
            running.cancel()
        await _outcome(running)

    async def _stop(self) -> None:
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.wait((self._reloading,))
        if self._envoy is not None:
            await self._envoy.stop()
        await asyncio.gather(*(team.stop() for team in self._teams))

    @property
    def _paged(self) -> tuple[Address, Path, Callable[[], bool]]:
        return self._settings.metrics, self._folder.path, self._is_ready

    async def _open_page(self) -> None:
        # The server whose place was taken over may still have its address.
        self._page = await opened(*self._paged)

    def _is_ready(self) -> bool:
        return self._live and self._workers.ready and (self._envoy is None or self._envoy.sees_workers())

    async def _leave_once_replaced(self, listener: Listener, told: asyncio.Event) -> None:
        await listener.replaced()
        _log.info("another server has taken the place: this one ends when its requests have")
        told.set()

    async def _keep(self, told: asyncio.Event, *, reload: bool) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._workers.keep())
            await self._workers.started()
            if self._place is None:
                self._link(self._folder.shift(0))
                await self._start_envoy(self._folder.shift(0), tasks)
            elif self._place.listener is not None:
                self._place.listener.publish()
                tasks.create_task(self._open_page())
                tasks.create_task(self._leave_once_replaced(self._place.listener, told))
            self._live = True
            where = self._place.name if self._place else f"http://{self._settings.listen}"
            _log.info("ready on %s with %d workers", where, self._settings.workers)
            if reload:
                self._reloading = tasks.create_task(self._reload(tasks).keep())

    def _reload(self, tasks: asyncio.TaskGroup) -> Reload:
        async def start(shift: Shift, longest: float) -> Workers:
            if self._envoy is not None:
                await self._check_bootstrap(shift)
            return await self._start_workers(shift, longest, tasks)

        async def relieve(shift: Shift, workers: Workers) -> None:
            await self._relieve(shift, workers, tasks)

        return Reload(self._source, self._folder, start, relieve)

    def _team(self, shift: Shift, longest: float) -> Workers:
        count = self._settings.workers
        own = [f"unix:{shift.socket(index)}" for index in range(count)]
        addresses, numbers = (self._place.addresses, self._place.numbers) if self._place else (own, None)
        return Workers(shift, addresses, longest + _GRACE, self._metrics, numbers, self._transport)

    async def _start_envoy(self, shift: Shift, tasks: asyncio.TaskGroup) -> None:
        # A copy: the shift's own changes with every edit, and an Envoy that crashed must not start with that.
        write_private(self._folder.bootstrap, shift.bootstrap.read_text(encoding="utf-8"))
        self._envoy = Envoy(self._folder, self._settings, self._metrics)
        tasks.create_task(self._envoy.keep())
        await self._envoy.live()

    def _link(self, shift: Shift) -> None:
        """Sends Envoy's new connections to the workers of that shift."""
        for index in range(self._settings.workers):
            shift.link(index, self._folder.socket(index))

    async def _check_bootstrap(self, shift: Shift) -> None:
        if not self._same_bootstrap(shift):
            await accepts(shift.bootstrap, self._settings)

    def _same_bootstrap(self, shift: Shift) -> bool:
        return shift.bootstrap.read_bytes() == self._folder.bootstrap.read_bytes()

    async def _start_workers(self, shift: Shift, longest: float, tasks: asyncio.TaskGroup) -> Workers:
        """Further workers, beside those that serve. Raises `StartError`; then nothing is left of them."""
        workers = self._team(shift, longest)
        self._teams.append(workers)
        keeping = asyncio.ensure_future(workers.keep())
        starting = asyncio.ensure_future(workers.started())
        try:
            await asyncio.wait((keeping, starting), return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                await _outcome(keeping)
        except BaseException:
            await workers.stop()
            self._teams.remove(workers)
            raise
        finally:
            starting.cancel()
        tasks.create_task(_joined(keeping))
        return workers

    async def _relieve(self, shift: Shift, workers: Workers, tasks: asyncio.TaskGroup) -> None:
        """Puts further workers in the place of those that serve, which finish what they have."""
        old, self._workers = self._workers, workers
        if self._envoy is not None:
            await self._switch(shift, tasks)
        await old.stop()
        old.clear_gauges()
        self._teams.remove(old)

    async def _switch(self, shift: Shift, tasks: asyncio.TaskGroup) -> None:
        """Sends Envoy to the workers of that shift."""
        assert self._envoy is not None  # noqa: S101
        same = self._same_bootstrap(shift)
        if not same:
            # Behind an Envoy that skips a phase, plugins that need it would let requests through.
            _log.info("the edited plugins need another Envoy: it is started again")
            await self._envoy.stop()
        self._link(shift)
        if same:
            # Until the last connection to them is too old for new requests.
            await asyncio.sleep(CONNECTION_AGE + _LEEWAY)
        else:
            await self._start_envoy(shift, tasks)


async def _joined(task: asyncio.Future[None]) -> None:
    await task


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
