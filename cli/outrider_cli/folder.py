"""The private folder of a running gateway: sockets, counters, what each worker tells of itself."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from outrider.errors import StartError

_WORKERS = 256
_SOCKET_PATH = 103  # bytes, on macOS; Linux takes 107


_PREFIX, _LOCK = "outrider-", "lock"
_YOUNG = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Folder:
    """Where everything lies. Readable for its owner only, as it holds the configuration with its secrets."""

    path: Path

    @property
    def shared(self) -> Path:
        """What the plugins of all workers share."""
        return self.path / "shared"

    @property
    def bootstrap(self) -> Path:
        """What Envoy is started with."""
        return self.path / "envoy.json"

    @property
    def admin(self) -> Path:
        """The socket of Envoy's admin interface."""
        return self.path / "admin.sock"

    @property
    def lock(self) -> Path:
        """Locked by the supervisor while it lives."""
        return self.path / _LOCK

    @property
    def envoy(self) -> Path:
        """The files that Envoy watches."""
        return self.path / "envoy"

    def shift(self, number: int) -> "Shift":
        """The files of the n-th shift; every other one has the same."""
        return Shift(self.path, "ab"[number % 2])

    @property
    def supervisor_metrics(self) -> Path:
        return self.path / "supervisor.metrics"


@dataclass(frozen=True, slots=True)
class Shift:
    """What workers that serve together have in the folder. One shift serves while the other starts or ends."""

    folder: Path
    name: str

    @property
    def snapshot(self) -> Path:
        """The configuration and the plugins as they were checked: a worker that starts again reads no newer ones."""
        return self.folder / f"source-{self.name}.json"

    @property
    def packed(self) -> Path:
        """The configuration of the snapshot as it was parsed: large ones take seconds to parse."""
        return self.folder / f"parsed-{self.name}"

    @property
    def checked(self) -> Path:
        """What the check of a changed source found."""
        return self.folder / f"checked-{self.name}.json"

    @property
    def envoy(self) -> Path:
        """The files for an Envoy in front of these workers, before it has them."""
        return self.folder / f"envoy-{self.name}"

    def socket(self, index: int) -> Path:
        return self.folder / f"worker-{index}-{self.name}.sock"

    def metrics(self, index: int) -> Path:
        return self.folder / f"worker-{index}-{self.name}.metrics"

    def trace(self, index: int) -> Path:
        """Where a worker that hangs tells which line it hangs in."""
        return self.folder / f"worker-{index}-{self.name}.trace"


def write_private(path: Path, content: str | bytes) -> None:
    """Writes a file that only its owner may read."""
    # Nobody reads half of it, not even if the writer is killed.
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    new.write_bytes(content.encode() if isinstance(content, str) else content)
    new.replace(path)


@contextmanager
def private_folder() -> Generator[Folder]:
    """A new folder, removed with all that is in it at the end. Removes those of gateways that were killed, too."""
    _sweep(Path(tempfile.gettempdir()))
    folder = Folder(Path(tempfile.mkdtemp(prefix=_PREFIX)))
    try:
        if len(bytes(folder.shift(0).socket(_WORKERS))) > _SOCKET_PATH:
            raise StartError(f"{folder.path} is too long for the path of a socket: set TMPDIR to a shorter one")
        for inner in (folder.shared, folder.envoy, folder.shift(0).envoy, folder.shift(1).envoy):
            inner.mkdir(mode=0o700)
        with folder.lock.open("w") as lock:
            # Held as long as the gateway lives. Cleaners of /tmp leave a locked folder alone, too.
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Removes the folders of dead gateways: each holds a configuration with its secrets."""
    for lock in parent.glob(f"{_PREFIX}*/{_LOCK}"):
        if lock.parent.lstat().st_uid != os.getuid():
            continue
        with suppress(OSError), lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A younger one may be about to be locked.
            if time.time() - lock.stat().st_mtime > _YOUNG:
                shutil.rmtree(lock.parent, ignore_errors=True)
