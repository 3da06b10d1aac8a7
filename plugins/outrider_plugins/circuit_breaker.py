"""Spares a server that fails, and the requests that would wait for it."""

import time
from collections.abc import Callable


class CircuitBreaker:
    """After `failures` in a row one try in every `pause` seconds is allowed, until one succeeds."""

    def __init__(self, failures: int, pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._pause, self._clock = failures, pause, clock
        self._failures = 0
        self._next = 0.0

    def allows(self) -> bool:
        """Whether the server may be asked now; a True that is not used counts as a try."""
        if self._failures < self._most:
            return True
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + self._pause
        return True

    def failed(self) -> None:
        """The server gave no good answer."""
        self._failures += 1
        self._next = self._clock() + self._pause

    def succeeded(self) -> None:
        """The server gave a good answer."""
        self._failures = 0
