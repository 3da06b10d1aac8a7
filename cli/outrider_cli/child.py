"""A process that is kept running."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence

from outrider.errors import StartError
from outrider_cli.tether import tethered

_log = logging.getLogger("outrider.supervisor")

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""How long to wait before a start, in seconds: doubled from start to start."""
STEADY = 10.0
"""After so many seconds without an end a process counts as healthy, and starts at once the next time."""

_QUIET = {"GRPC_VERBOSITY": "NONE"}  # grpcio's own lines are neither sentences nor JSON


class Child:
    """A process that is started again when it ends, with back-off. If the first start fails, nothing is kept."""

    def __init__(
        self, name: str, command: Sequence[str], restarted: Callable[[], None], descriptors: Sequence[int] = ()
    ) -> None:
        self.name = name
        self._descriptors = descriptors
        self.started = 0.0
        self._command = tethered(command)
        self._restarted = restarted
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False
        self._proven = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    def prove(self) -> None:
        """Says that the process did start once, so that its end is a crash and no failure to start."""
        self._proven = True

    async def keep(self) -> None:
        """Runs the process until `stop`. Raises `StartError` if it ends before `prove`."""
        delay = 0.0
        while not self._stopping:
            self.started = time.monotonic()
            self._process = await _spawned(self._command, self._descriptors)
            if self._stopping:
                self._process.kill()
            code = await self._process.wait()
            if self._stopping:
                return
            if not self._proven:
                raise StartError(f"{self.name} did not start (it ended with {_described(code)})")
            steady = time.monotonic() - self.started > STEADY
            delay = 0.0 if steady else min(max(2 * delay, FIRST_DELAY), LONGEST_DELAY)
            _log.error("%s ended with %s, starting it again in %g s", self.name, _described(code), delay)
            self._restarted()
            await asyncio.sleep(delay)

    def signal(self, number: int) -> None:
        """Sends a signal to the process, if it runs."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def stop(self, number: int, seconds: float) -> None:
        """Asks the process to end with a signal, and kills it if it is still there after `seconds`."""
        self._stopping = True
        if self._process is None:
            return
        self.signal(number)
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            _log.warning("%s did not stop within %g s: killed", self.name, seconds)
            self._process.kill()
            await self._process.wait()


async def ended(command: Sequence[str], seconds: float) -> int | None:
    """Runs a process to its end, and gives its exit code; None if it took longer, and was killed."""
    process = await _spawned(tethered(command))
    try:
        return await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()


async def _spawned(command: Sequence[str], descriptors: Sequence[int] = ()) -> asyncio.subprocess.Process:
    # In a group of its own: a Ctrl-C is for the supervisor, which lets requests in flight finish.
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        process_group=0,
        env=_QUIET | os.environ,
        pass_fds=descriptors,
    )


def _described(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
