"""Takes over a changed file, and edited plugins, while the gateway runs."""

import logging
from collections.abc import Awaitable, Callable, Sequence

from outrider.errors import OutriderError
from outrider_cli.changes import Changes
from outrider_cli.checking import Checked, check
from outrider_cli.folder import Folder, Shift
from outrider_cli.loading import Source

_log = logging.getLogger("outrider.supervisor")

_TOLD = 10
"""How many routes are named in one line of the log."""

TakeOver = Callable[[Shift, Checked], Awaitable[None]]
Retarget = Callable[[Shift, Checked], None]


class Reload:
    """Looks for changes, and has those taken over that are right.

    `take_over` puts workers for a shift in the place of those that serve. It raises `OutriderError` where they don't
    start or Envoy does not go over to them; then those from before go on. `retarget` only gives Envoy other targets.
    """

    def __init__(
        self, changes: Changes, folder: Folder, serving: Checked, take_over: TakeOver, retarget: Retarget
    ) -> None:
        self._changes = changes
        self._folder = folder
        self._serving = serving
        self._take_over = take_over
        self._retarget = retarget
        self._number = 0

    async def keep(self) -> None:
        """Until it is cancelled."""
        while True:
            change = await self._changes.next()
            await (self._give_targets if change.only_targets else self._try)(change.source)

    async def _give_targets(self, source: Source) -> None:
        """Gives Envoy other targets; the workers have nothing to do with them."""
        shift = self._folder.shift(self._number + 1)
        try:
            checked = await check(source, shift, self._serving)
            self._retarget(shift, checked)
        except (OutriderError, OSError, ValueError) as error:
            _tell(error)
            _log.warning("%s: the changed targets are not taken over", source.path)
            return
        self._serving = checked
        _log.info("%s: the changed targets are taken over", source.path)

    async def _try(self, source: Source) -> None:
        _log.info("%s is checked, and then taken over", source.path)
        shift = self._folder.shift(self._number + 1)
        try:
            checked = await check(source, shift, self._serving)
            await self._take_over(shift, checked)
        except (OutriderError, OSError, ValueError) as error:
            _tell(error)
            _log.warning("%s is not taken over: the gateway goes on as it was", source.path)
            return
        _tell_of_bare(sorted(set(self._serving.guarded) - set(checked.guarded)))
        for line in checked.left_out:
            if line not in self._serving.left_out:
                _log.warning("%s", line)
        self._number += 1
        self._serving = checked
        snapshot = Source.from_json(shift.snapshot.read_text(encoding="utf-8"))
        self._changes.serving(snapshot, checked.endpoints)
        _log.info("%s is taken over", source.path)


def _tell(error: Exception) -> None:
    for line in str(error).splitlines():
        _log.error("%s", line)


def _tell_of_bare(routes: Sequence[str]) -> None:
    if routes:
        more = f" and {len(routes) - _TOLD} more" if len(routes) > _TOLD else ""
        _log.warning("no plugin runs any more on %s%s, which had some", ", ".join(routes[:_TOLD]), more)
