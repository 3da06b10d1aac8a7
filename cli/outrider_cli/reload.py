"""Takes over edited plugins while the gateway runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from outrider.errors import OutriderError, PluginError
from outrider_cli.checking import check
from outrider_cli.folder import Folder, Shift
from outrider_cli.loading import Source
from outrider_cli.workers import Workers

_log = logging.getLogger("outrider.supervisor")

LOOK = 0.25
"""How often the files are looked at, in seconds: a change counts once it holds still for one look."""

Start = Callable[[Shift, float], Awaitable[Workers]]
Relieve = Callable[[Shift, Workers], Awaitable[None]]


class Reload:
    """Looks for changes, and replaces the workers by those of a changed source that is right.

    `start` gives further workers for a shift and its longest hook, and raises `OutriderError` where they don't start;
    `relieve` puts them in the place of those that serve.
    """

    def __init__(self, source: Source, folder: Folder, start: Start, relieve: Relieve) -> None:
        self._serving = source
        self._folder = folder
        self._start = start
        self._relieve = relieve
        self._number = 0

    async def keep(self) -> None:
        """Until it is cancelled."""
        seen = self._serving
        if not seen.folders:
            _log.warning("--reload: there are no plugin_dirs in %s, so there is nothing to look at", seen.path)
        while True:
            seen = await _changed(seen)
            # An edit that was taken back needs nothing.
            if seen != self._serving:
                await self._take_over(seen)

    async def _take_over(self, source: Source) -> None:
        _log.info("plugins were edited: they are checked, and then taken over")
        shift = self._folder.shift(self._number + 1)
        try:
            workers = await self._start(shift, await check(source, shift))
        except OutriderError as error:
            for line in str(error).splitlines():
                _log.error("%s", line)
            _log.warning("the edited plugins are not taken over: those from before go on")
            return
        # What fails from here on ends the gateway: nothing serves half of each version.
        await self._relieve(shift, workers)
        self._number += 1
        self._serving = source
        _log.info("the edited plugins are taken over")


async def _changed(seen: Source) -> Source:
    """The source with its plugin files as they are once they are others than those seen, and hold still."""
    last, told = seen, ""
    while True:
        await asyncio.sleep(LOOK)
        try:
            now = seen.with_plugins_of_now()
        except PluginError as error:
            if str(error) != told:
                told = str(error)
                _log.error("%s", told)
            continue
        if now == last != seen:
            return now
        last = now
