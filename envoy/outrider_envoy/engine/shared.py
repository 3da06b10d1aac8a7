"""What all connections of one server share."""

from collections.abc import Callable
from typing import TypeAlias

from outrider.waiting import Wait
from outrider_envoy.calls import Call, Status
from outrider_envoy.engine.blocks import Memory
from outrider_envoy.engine.limits import Limits
from outrider_envoy.engine.messages import Held
from outrider_envoy.engine.opening import Opening

Service: TypeAlias = Callable[[Opening], Call | Status]
"""Opens the call that somebody asks for, or says why not."""
Settle: TypeAlias = Callable[[Wait, Callable[[], None]], Callable[[], object]]
"""`settle(wait, done)` lets a hook go on and calls `done` once it has ended; what it returns cancels the hook."""


class Shared:
    """The service, the limits, and what counts against them."""

    __slots__ = ("held", "limits", "memory", "service", "streams")

    def __init__(self, service: Service, limits: Limits) -> None:
        self.service = service
        self.limits = limits
        self.memory: Memory = {}
        self.held = Held()
        self.streams = 0
