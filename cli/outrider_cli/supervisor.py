"""Runs a gateway: the plugin workers, and Envoy in front of them."""

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from outrider import logs
from outrider.config.field_types import Address
from outrider.errors import OutriderError
from outrider.metrics import Metrics
from outrider_cli.changes import Changes
from outrider_cli.checking import Checked, keep
from outrider_cli.envoy import Envoy, check_address
from outrider_cli.folder import Folder, Shift, private_folder
from outrider_cli.kong_listener import Listener, listening, numbers
from outrider_cli.listen import check_folder, endpoints
from outrider_cli.loading import Source
from outrider_cli.page import Page, opened
from outrider_cli.published import Published
from outrider_cli.reload import Reload
from outrider_cli.transports import ENGINE
from outrider_cli.worker import INHERITED
from outrider_cli.workers import Workers

if TYPE_CHECKING:
    from outrider_envoy.grpcio_tls import TlsFiles

_log = logging.getLogger("outrider.supervisor")

_GRACE = 1.0  # seconds that a worker may be silent beyond the longest hook
_LEEWAY = 0.5  # seconds that a thread of Envoy may be late to go by new routes


async def run(source: Source, *, reload: bool = False, transport: str = ENGINE) -> None:
    """Workers, Envoy and the metrics page, until SIGINT or SIGTERM. Raises `StartError`.

    With `reload`, plugins from the file's `plugin_dirs` that were edited meanwhile are taken over.
    """
    told = _stop_signals()
    with private_folder() as folder:
        check_address(source.gateway.listen)
        if source.gateway.tls is not None:
            check_address(source.gateway.tls.listen, "gateway.tls.listen")
        # What changes from here on is noticed.
        changes = Changes(source, plugins=reload)
        await _Gateway(source, folder, transport=transport).run(told, changes)


async def serve(source: Source, listen: str, transport: str = ENGINE, tls: "TlsFiles | None" = None) -> None:
    """Only the workers and the metrics page, for an Envoy that somebody else runs. Raises `StartError`."""
    told = _stop_signals()
    with private_folder() as folder:
        check_folder(listen)
        addresses = endpoints(listen, source.gateway.workers)
        place = _Place(addresses, ", ".join(addresses), tls=tls)
        await _Gateway(source, folder, place, transport).run(told)


async def serve_kong(path: Path, listen: str, *, reload: bool = False) -> None:
    """Only the workers and the metrics page, for Kong. Raises `StartError`."""
    told = _stop_signals()
    with private_folder() as folder:
        source = Source.read(path, "kong")
        workers = source.gateway.workers
        with listening(listen) as listener:
            addresses = [f"{INHERITED}{listener.descriptor}"] * workers
            place = _Place(addresses, listen, numbers(listen), listener)
            await _Gateway(source, folder, place).run(told, Changes(source, plugins=reload))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where somebody else's gateway finds the workers."""

    addresses: Sequence[str]
    name: str
    numbers: Path | None = None
    listener: Listener | None = None
    """Takes the place over from another server, and knows when another one does so."""
    tls: "TlsFiles | None" = None
    """What the workers show to a gateway on another machine."""


class _Gateway:
    """Everything below one supervisor; with an Envoy, unless the workers have a place for somebody else's gateway."""

    def __init__(self, source: Source, folder: Folder, place: _Place | None = None, transport: str = ENGINE) -> None:
        self._folder = folder
        self._settings = source.gateway
        logs.configure(self._settings.log.level, self._settings.log.format)
        self._metrics = Metrics(folder.supervisor_metrics)
        self._place = place
        self._transport = transport
        self._page: Page | None = None
        self._checked = Checked.of(source, folder, folder.shift(0), has_envoy=place is None)
        keep(source, folder.shift(0))
        self._serving = folder.shift(0)
        self._teams = {self._serving: self._team(self._serving, self._checked)}
        self._published = Published(folder)
        self._ended: dict[Shift, asyncio.Event] = {}
        self._envoy: Envoy | None = None
        self._reloading: asyncio.Future[None] | None = None
        self._live = False

    async def run(self, told: asyncio.Event, changes: Changes | None = None) -> None:
        if self._place is None or self._place.listener is None:
            self._page = Page(*self._paged)
        running = asyncio.ensure_future(self._keep(told, changes))
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
        await asyncio.gather(*(team.stop() for team in self._teams.values()))

    @property
    def _paged(self) -> tuple[Address, Path, Callable[[], bool]]:
        return self._settings.metrics, self._folder.path, self._is_ready

    async def _open_page(self) -> None:
        # The server whose place was taken over may still have its address.
        self._page = await opened(*self._paged)

    def _is_ready(self) -> bool:
        workers = self._teams[self._serving]
        return self._live and workers.ready and (self._envoy is None or self._envoy.sees_workers(self._serving.name))

    async def _leave_once_replaced(self, listener: Listener, told: asyncio.Event) -> None:
        await listener.replaced()
        _log.info("another server has taken the place: this one ends when its requests have")
        told.set()

    async def _keep(self, told: asyncio.Event, changes: Changes | None) -> None:
        async with asyncio.TaskGroup() as tasks:
            workers = self._teams[self._serving]
            tasks.create_task(workers.keep())
            await workers.started()
            if self._place is None:
                await self._start_envoy(tasks)
            elif self._place.listener is not None:
                self._place.listener.publish()
                tasks.create_task(self._open_page())
                tasks.create_task(self._leave_once_replaced(self._place.listener, told))
            self._live = True
            where = self._place.name if self._place else f"http://{self._settings.listen}"
            _log.info("ready on %s with %d workers", where, self._settings.workers)
            if changes is not None:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, changes.ask)
                self._reloading = tasks.create_task(self._reload(changes, tasks).keep())

    def _reload(self, changes: Changes, tasks: asyncio.TaskGroup) -> Reload:
        async def take_over(shift: Shift, checked: Checked) -> None:
            await self._vacated(shift)
            workers = await self._start_workers(shift, checked, tasks)
            before = self._serving
            try:
                await self._go_over(shift, checked)
            except Exception:
                await workers.stop()
                del self._teams[shift]
                raise
            tasks.create_task(self._retire(before))

        def retarget(shift: Shift, checked: Checked) -> None:
            self._published.retarget(shift, checked.files)

        return Reload(changes, self._folder, self._checked, take_over, retarget)

    def _team(self, shift: Shift, checked: Checked) -> Workers:
        count = self._settings.workers
        own = [f"unix:{shift.socket(index)}" for index in range(count)]
        addresses, numbers = (self._place.addresses, self._place.numbers) if self._place else (own, None)
        tls = self._place.tls if self._place else None
        return Workers(shift, addresses, checked.longest + _GRACE, self._metrics, numbers, self._transport, tls=tls)

    async def _start_envoy(self, tasks: asyncio.TaskGroup) -> None:
        self._published.begin(self._serving, self._checked.files)
        self._envoy = Envoy(self._folder, self._settings, self._metrics)
        tasks.create_task(self._envoy.keep())
        await self._published.taken(self._envoy)
        await self._envoy.live()

    async def _vacated(self, shift: Shift) -> None:
        """Waits until nobody works there any more: the shift before the last one may still have requests."""
        if shift in self._teams:
            await self._teams[shift].stop()
            await self._ended[shift].wait()

    async def _start_workers(self, shift: Shift, checked: Checked, tasks: asyncio.TaskGroup) -> Workers:
        """Further workers, beside those that serve. Raises `StartError`; then nothing is left of them."""
        workers = self._teams[shift] = self._team(shift, checked)
        keeping = asyncio.ensure_future(workers.keep())
        starting = asyncio.ensure_future(workers.started())
        try:
            await asyncio.wait((keeping, starting), return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                await _outcome(keeping)
        except BaseException:
            await workers.stop()
            del self._teams[shift]
            raise
        finally:
            starting.cancel()
        tasks.create_task(_joined(keeping))
        return workers

    async def _go_over(self, shift: Shift, checked: Checked) -> None:
        """Sends Envoy to the workers of that shift, by the routes that belong to them."""
        if self._envoy is None:
            self._serving = shift
        else:
            await self._envoy.seen(shift.name)
            await self._published.replace(self._envoy, shift, checked.files)
            self._serving = shift
            # Each of Envoy's threads has the routes a little later than the one that told of them.
            await asyncio.sleep(_LEEWAY)

    async def _retire(self, shift: Shift) -> None:
        """Lets workers that were replaced finish what they have."""
        team, self._ended[shift] = self._teams[shift], asyncio.Event()
        await team.retire()
        team.clear_gauges()
        del self._teams[shift]
        self._ended[shift].set()


async def _joined(task: asyncio.Future[None]) -> None:
    await task


def _stop_signals() -> asyncio.Event:
    """Set by SIGINT and SIGTERM; from here on a gateway that is told to stop leaves nothing behind."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    loop.add_signal_handler(
        signal.SIGHUP, _log.warning, "SIGHUP: this server takes a changed file over at its next start"
    )
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
