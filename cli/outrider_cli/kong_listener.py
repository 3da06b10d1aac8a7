"""Listens where Kong connects to: all workers accept on one socket."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from outrider.errors import StartError

_BACKLOG = 4096
_MODE = 0o660
_LOOK = 0.5  # seconds


def numbers(listen: str) -> Path:
    """Where the servers of one socket count the instances of plugins, one server after the other."""
    path = _path(listen)
    return path.with_name(f"{path.name}.ids")


class Listener:
    """A socket that takes the place of another server's at `unix:/PATH` once it is published."""

    def __init__(self, path: Path, listener: socket.socket) -> None:
        self._path = path
        self._listener = listener
        self._new = path.with_name(f"{path.name}.{token_hex(4)}")
        self._own = 0

    @property
    def descriptor(self) -> int:
        """What the workers inherit."""
        return self._listener.fileno()

    def bind(self) -> None:
        """Listens beside the path."""
        self._new.unlink(missing_ok=True)
        self._listener.bind(str(self._new))
        self._new.chmod(_MODE)
        self._listener.listen(_BACKLOG)
        self._own = self._new.stat().st_ino

    def publish(self) -> None:
        """Sends Kong's new connections here; another server keeps those that it has."""
        # At no moment is there nothing for Kong to connect to.
        self._new.replace(self._path)

    async def replaced(self) -> None:
        """Waits until another server has taken the place."""
        while self._is_own():
            await asyncio.sleep(_LOOK)

    def _is_own(self) -> bool:
        try:
            return self._path.stat().st_ino == self._own
        except OSError:
            # Somebody removed it: nothing tells that anybody else serves.
            return True

    def remove(self) -> None:
        """Leaves nothing of this server's behind, and another's alone."""
        with suppress(OSError):
            self._new.unlink(missing_ok=True)
            if self._is_own():
                self._path.unlink()


@contextmanager
def listening(listen: str) -> Generator[Listener]:
    """A socket for `unix:/PATH`. Raises `StartError` if it can't be made."""
    path = _path(listen)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unbound:
        listener = Listener(path, unbound)
        try:
            listener.bind()
        except OSError as error:
            remedy = "create its folder, or give --listen another path of at most 90 bytes"
            raise StartError(
                f"--listen: {path} can't be listened on ({error.strerror or error}): {remedy}"
            ) from error
        try:
            yield listener
        finally:
            listener.remove()


def _path(listen: str) -> Path:
    return Path(listen.removeprefix("unix:"))
