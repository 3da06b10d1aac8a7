"""What a plugin finds around it when it starts."""

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outrider.consumer import Consumers


def _private_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="outrider-"))


@dataclass(slots=True)
class Runtime:
    """The worker that a plugin runs in.

    `consumers` are those of the configuration. `shared` is a folder that all workers of this gateway on this machine
    share and that outlives each of them; it goes when the gateway stops.
    """

    consumers: Consumers = field(default_factory=Consumers)
    shared: Path = field(default_factory=_private_folder)
    _tasks: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` in the background until it ends or the worker stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """For workers: cancels what `spawn` started and waits for it to end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
