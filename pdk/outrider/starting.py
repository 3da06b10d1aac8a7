"""Starts and stops the plugins of a configuration, each with a runtime of its own."""

import logging
from pathlib import Path

from outrider.config import Configuration
from outrider.errors import OutriderError, StartError
from outrider.metrics import Metrics
from outrider.place import place
from outrider.runtime import Runtime

_log = logging.getLogger("outrider.worker")


class Plugins:
    """The plugins of a configuration in one worker. `shared` is the folder of all workers."""

    def __init__(
        self, configuration: Configuration, shared: Path, metrics: Metrics, *, sees_endings: bool = True
    ) -> None:
        self._configuration = configuration
        self._shared = shared
        self._metrics = metrics
        self._sees_endings = sees_endings
        self._runtimes: list[Runtime] = []

    async def start(self) -> None:
        """Starts every plugin. Raises `StartError`."""
        for one in self._configuration.plugins:
            runtime = self._runtime(one.place)
            self._runtimes.append(runtime)
            who = f"{self._configuration.document.file}:{one.line}: plugin {one.name}"
            try:
                await one.plugin.start(runtime)
            except OutriderError as error:
                raise StartError(f"{who}: {error}") from error
            except Exception as error:
                # Not its text, which may hold a credential.
                where = place(error, one.plugin, "start")
                raise StartError(f"{who}: start failed at {where}: {type(error).__name__}") from error

    def _runtime(self, scope: str) -> Runtime:
        """What a plugin finds around it; its scope tells it where in the file it stands."""
        return Runtime(
            self._configuration.consumers,
            self._shared,
            scope=scope,
            metrics=self._metrics,
            sees_endings=self._sees_endings,
        )

    async def stop(self) -> None:
        """Stops every plugin, and what it has left running."""
        for one in self._configuration.plugins:
            try:
                await one.plugin.stop()
            except Exception as error:  # noqa: BLE001 - the others want to stop too
                where = place(error, one.plugin, "stop")
                _log.error("plugin %s: stop failed at %s: %s", one.name, where, type(error).__name__)
        for runtime in self._runtimes:
            await runtime.stop()
