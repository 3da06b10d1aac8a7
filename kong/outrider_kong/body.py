"""Request bodies that nginx keeps in a file."""

import asyncio
from pathlib import Path
from typing import Final

from outrider_kong.errors import ProtocolError

BODY_LIMIT: Final = 10 * 1024 * 1024
"""The largest body that is held for a plugin, in bytes; downstream gets 413 for a larger one."""


class TooLargeError(Exception):
    """A body that is not held for a plugin."""


class BodyFile:
    """Reads a file without holding up other requests."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: bytes | None = None
        self._error = ""

    async def settle(self) -> None:
        """Reads as much as may be held, and a byte more."""
        try:
            self._content = await asyncio.to_thread(self._read)
        except OSError as error:
            self._error = error.strerror or type(error).__name__

    def content(self) -> bytes:
        """What was read. Raises `TooLargeError`, and `ProtocolError` if the file can't be read."""
        if self._content is None:
            remedy = "let the plugin server run as Kong's user, on Kong's machine"
            raise ProtocolError(f"the body in {self._path} can't be read ({self._error}): {remedy}")
        if len(self._content) > BODY_LIMIT:
            raise TooLargeError
        return self._content

    def _read(self) -> bytes:
        with self._path.open("rb") as file:
            return file.read(BODY_LIMIT + 1)
