"""The plugin servers that Kong starts itself: they are started again when they end, at most once a second."""

import asyncio
import logging
import signal
import time
from asyncio.subprocess import Process

from outrider_kong.stand_in.settings import ServerLines

LOG = logging.getLogger("kong")
# Long enough for a server that finishes what it began; Kong itself does not wait.
GRACE = 10.0


class Keeper:
    """Keeps one server's process running from `run` to `stop`."""

    def __init__(self, server: ServerLines, respawn_after: float) -> None:
        self._server = server
        self._pause = respawn_after
        self._process: Process | None = None
        self._stopping = False

    async def run(self) -> None:
        """Starts it, waits until it ends, starts it again."""
        while not self._stopping:
            next_spawn = time.monotonic() + self._pause
            self._process = await asyncio.create_subprocess_shell(f"exec {self._server.start_cmd}")
            LOG.info("%s: started, pid %s", self._server.name, self._process.pid)
            status = await self._process.wait()
            if not self._stopping:
                LOG.warning("external pluginserver %s terminated: %s", self._server.name, status)
                await asyncio.sleep(max(0.0, next_spawn - time.monotonic()))

    async def stop(self) -> None:
        """Sends SIGTERM, as Kong does at its end, and SIGKILL to what does not heed it."""
        self._stopping = True
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), GRACE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
