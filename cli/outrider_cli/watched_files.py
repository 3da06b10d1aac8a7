"""Whether a file, or the files of a folder, are others than before, and nobody writes to them any more."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

REST = 0.3
"""How long size and time have to hold still, in seconds: half of a file is no change."""

_Look = frozenset[tuple[str, int, int, int]]


class Files:
    """A file or a folder that is looked at again and again; None is neither and never changes."""

    def __init__(self, path: Path | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._known: _Look = self._looked()
        self._look = self._known
        self._since = clock()

    def forget(self) -> None:
        """Lets the files as they are now count as a change, too."""
        self._known = _Look()

    def changed(self) -> bool:
        """Whether there is a change that was not told yet and has rested."""
        if not self.rests() or self._look == self._known:
            return False
        self._known = self._look
        return True

    def rests(self) -> bool:
        """Whether they are there, and have held still for a while."""
        look = self._looked()
        if look != self._look:
            self._look, self._since = look, self._clock()
        return bool(look) and self._clock() - self._since >= REST

    def _looked(self) -> _Look:
        return frozenset() if self.path is None else frozenset(_looks(self.path))


def _looks(path: Path) -> Iterator[tuple[str, int, int, int]]:
    try:
        inside = list(path.iterdir()) if path.is_dir() else []
    except OSError:
        inside = []
    for one in (path, *inside):
        # It may just be being replaced, or a link that leads nowhere.
        with suppress(OSError):
            found = one.stat()
            yield one.name, found.st_size, found.st_mtime_ns, found.st_ino
