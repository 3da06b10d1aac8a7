"""What a plugin finds around it when it starts."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from outrider.consumer import Consumers


class Runtime:
    """The worker that a plugin runs in.

    `consumers` are those of the configuration. `shared` is a folder that all workers of this gateway on this machine
    share and that outlives each of them; it goes when the gateway stops. `scope` tells the plugin's places in the
    file apart: two configurations of one plugin have different ones, and one has the same in every worker.
    """

    def __init__(self, consumers: Consumers | None = None, shared: Path | None = None, *, scope: str = "") -> None:
        self.consumers = consumers or Consumers()
        self.scope = scope
        self._shared = shared
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def shared(self) -> Path:
        """The workers' folder; a test that gave none has one of its own until `stop`."""
        if self._shared is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="outrider-")
            self._shared = Path(self._temporary.name)
        return self._shared

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` in the background until it ends or the worker stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """For workers: cancels what `spawn` started, waits for it to end, and removes a folder of its own."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._temporary is not None:
            self._temporary.cleanup()
