"""A line in the log now and then, for what may go wrong with every request."""

import logging
import time
from collections.abc import Callable
from typing import Final

QUIET: Final = 60.0
"""How long nothing is logged after a line, in seconds."""


class QuietLog:
    """Writes one line, and then nothing for a minute."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._quiet_until = clock()

    def error(self, message: str, *details: object) -> None:
        """As `logging.Logger.error`."""
        self._write(logging.ERROR, message, *details)

    def warning(self, message: str, *details: object) -> None:
        """As `logging.Logger.warning`."""
        self._write(logging.WARNING, message, *details)

    def _write(self, level: int, message: str, *details: object) -> None:
        now = self._clock()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET
            self._log.log(level, message, *details)
