"""Bounds what a peer may ask for that brings no message."""

import time

from outrider_envoy.engine.faults import ConnectionEndsError, ErrorCode
from outrider_envoy.engine.limits import Limits

_FOR_A_MESSAGE = 8
"""How much credit a whole message gives back: more than an honest peer spends around one."""


class Credit:
    """An account for each connection: SETTINGS, PING, resets, empty frames and the like cost one each.

    Messages earn credit, and so does time. Whoever has spent it all loses the connection (RFC 9113, section 10.5).
    """

    __slots__ = ("_a_second", "_filled", "_left", "_most")

    def __init__(self, limits: Limits) -> None:
        self._left = self._most = limits.credit
        self._a_second = limits.credit_a_second
        self._filled = time.monotonic()

    def earn(self) -> None:
        """A message has come."""
        if self._left < self._most:
            self._left += _FOR_A_MESSAGE

    def spend(self, cost: int = 1) -> None:
        """Raises `ConnectionEndsError` if nothing is left."""
        self._left -= cost
        if self._left < 0:
            self._refill()

    def _refill(self) -> None:
        now = time.monotonic()
        earned = int((now - self._filled) * self._a_second)
        if self._left + earned < 0:
            raise ConnectionEndsError(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that bring no message")
        self._left = min(self._left + earned, self._most)
        self._filled = now
