"""What a plugin finds around it when it starts."""

import asyncio
import logging
import tempfile
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from outrider.consumer import Consumers
from outrider.metrics import Metrics

_log = logging.getLogger("outrider.runtime")


class Runtime:
    """The worker that a plugin runs in.

    `consumers` are those of the configuration. `shared` is a folder that all workers of this gateway on this machine
    share and that outlives each of them; it goes when the gateway stops. `scope` tells the plugin's places in the
    file apart: two configurations of one plugin have different ones, and one has the same in every worker. `metrics`
    are the worker's, for series of the plugin's own. `sees_endings` says whether this worker sees each request from
    its first phase to its ending, as behind Envoy; behind Kong another may see the next phase, and nobody the ending.
    """

    def __init__(
        self,
        consumers: Consumers | None = None,
        shared: Path | None = None,
        *,
        scope: str = "",
        metrics: Metrics | None = None,
        sees_endings: bool = True,
    ) -> None:
        self.consumers = consumers or Consumers()
        self.scope = scope
        self.metrics = metrics or Metrics()
        self.sees_endings = sees_endings
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
        task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """For workers: cancels what `spawn` started, waits for it to end, and removes a folder of its own."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._temporary is not None:
            self._temporary.cleanup()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # asyncio would tell it some time later, and with the exception's text, which may hold a secret
        if not task.cancelled() and (error := task.exception()) is not None:
            work = getattr(task.get_coro(), "__qualname__", task.get_name())
            _log.error("the background task %s failed with %s at %s", work, type(error).__name__, _place(error))


def _place(error: BaseException) -> str:
    """FILE:LINE of the innermost line that failed."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
