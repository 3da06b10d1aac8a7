"""What all connections of one server share."""

from collections.abc import Callable
from contextvars import Context
from typing import Final, Protocol, TypeAlias

from outrider.grpc_status import GrpcStatus
from outrider.waiting import Wait
from outrider_envoy.calls import Call, Status
from outrider_envoy.engine.blocks import Memory
from outrider_envoy.engine.limits import Limits
from outrider_envoy.engine.opening import Opening

Service: TypeAlias = Callable[[Opening], Call | Status]
"""Opens the call that somebody asks for, or says why not."""


class Settle(Protocol):
    """Lets a hook go on, in the call's context, and calls `done` once it has ended.

    What it returns cancels the hook.
    """

    def __call__(self, wait: Wait, done: Callable[[], None], context: Context, /) -> Callable[[], object]: ...


HELD_TOO_MUCH: Final = Status(GrpcStatus.RESOURCE_EXHAUSTED, "too many messages are held at once")


class Shared:
    """The service, the limits, and what counts against them.

    `held` is how many bytes wait: of messages that are unfinished or wait for their turn, and of answers.
    """

    __slots__ = ("held", "limits", "memory", "service", "streams")

    def __init__(self, service: Service, limits: Limits) -> None:
        self.service = service
        self.limits = limits
        self.memory: Memory = {}
        self.held = 0
        self.streams = 0

    def hold(self, more: int) -> bool:
        """Counts bytes that wait; False if there is no room for them."""
        if self.held + more > self.limits.held:
            return False
        self.held += more
        return True

    def release(self, size: int) -> None:
        """Bytes that waited are gone."""
        self.held -= size
