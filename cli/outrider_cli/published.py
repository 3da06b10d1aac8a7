"""What a running Envoy goes by: files that it watches, replaced one after the other, or not at all."""

import asyncio
import os
from collections.abc import Sequence

from outrider_cli.envoy import Envoy
from outrider_cli.folder import Folder, Shift
from outrider_cli.rendered import CLUSTERS, Rendered, with_old_clusters


class Published:
    """The files of an Envoy, and which version of each it has."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._shift = folder.shift(0)
        self._now: dict[str, Rendered] = {}

    def begin(self, shift: Shift, files: Sequence[Rendered]) -> None:
        """Puts the files there before Envoy starts."""
        for file in files:
            self._put(shift, file)
        self._settle(shift, files)

    async def taken(self, envoy: Envoy) -> None:
        """Waits until an Envoy that has just started has all of them. Raises `StartError`."""
        for file in self._now.values():
            if file.stats:
                await envoy.takes(file)

    async def replace(self, envoy: Envoy, shift: Shift, files: Sequence[Rendered]) -> None:
        """Gives Envoy another shift's files. Raises `OutriderError` if it refuses one: then it has all old ones."""
        steps = await asyncio.to_thread(self._steps, shift, files)
        given: list[Rendered] = []
        try:
            for file in steps:
                if file != self._now.get(file.name):
                    given.append(file)
                    refusals = await envoy.refusals(file)
                    self._put(shift, file)
                    if file.stats:
                        await envoy.takes(file, refusals)
        except Exception:
            for file in reversed(given):
                if file.name in self._now:
                    self._put(self._shift, self._now[file.name])
            raise
        self._settle(shift, steps)

    def retarget(self, shift: Shift, files: Sequence[Rendered]) -> None:
        """Gives Envoy only the targets of that shift."""
        for file in files:
            if not file.stats and file != self._now.get(file.name):
                self._put(shift, file)
                # To go back to.
                (shift.envoy / file.name).replace(self._shift.envoy / file.name)
                self._now[file.name] = file

    def _steps(self, shift: Shift, files: Sequence[Rendered]) -> list[Rendered]:
        # A request whose plugins are still at work will look for the cluster of the route that it came by.
        return [with_old_clusters(file, self._shift, shift) if file.name == CLUSTERS else file for file in files]

    def _settle(self, shift: Shift, files: Sequence[Rendered]) -> None:
        self._shift = shift
        self._now = {file.name: file for file in files}

    def _put(self, shift: Shift, file: Rendered) -> None:
        # Envoy looks when a file is moved to this place; the shift keeps its own, to go back to.
        place = self._folder.envoy / file.name
        new = place.with_suffix(".new")
        new.unlink(missing_ok=True)
        os.link(shift.envoy / (file.source or file.name), new)
        new.replace(place)
