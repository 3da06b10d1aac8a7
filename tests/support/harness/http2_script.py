"""A service for the engine that needs no plugins, and the waits that a test lets settle by hand."""

import types
from collections.abc import Callable, Generator, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Protocol

from harness.http2_blocks import ECHO
from outrider.grpc_status import GrpcStatus
from outrider.waiting import Wait, begin
from outrider_envoy.calls import OK, UNDECIDED, Call, Status

WAIT, FAIL, MANY, CLOSES_BADLY = (f"/test.Service/{name}" for name in ("Wait", "Fail", "Many", "ClosesBadly"))
NOWHERE, REFUSED = "/test.Service/Nowhere", "/test.Service/Refused"
PATHS = (ECHO, WAIT, FAIL, MANY, CLOSES_BADLY)


class Asked(Protocol):
    """What the engine says of a call: its `Opening`."""

    @property
    def path(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...


@dataclass
class ScriptedCall:
    """Answers as its path says, and remembers what the engine did to it."""

    path: str
    metadata: Mapping[str, str]
    heard: list[bytes] = field(default_factory=list[bytes])
    closed: int = 0
    lost: bool = False
    half_closed: bool = False
    waiting: bool = False

    def receive(self, message: bytes) -> Wait | Sequence[bytes]:
        assert not self.closed, "a message after close"
        assert not self.waiting, "a message while the hook is at work"
        assert not self.half_closed, "a message after the half-close"
        self.heard.append(message)
        if self.path == FAIL and message == b"fail":
            raise RuntimeError("secret")
        if self.path == WAIT:
            self.waiting = True
            return pause()
        return [message] * 3 if self.path == MANY else [message]

    def resume(self) -> Wait | Sequence[bytes]:
        assert self.waiting, "nothing waits"
        assert not self.closed, "it goes on after close"
        self.waiting = False
        if self.heard[-1] == b"again":
            self.heard[-1] = b"again, done"
            self.waiting = True
            return pause()
        return [self.heard[-1]]

    def half_close(self) -> Status:
        assert not self.closed
        assert not self.waiting
        assert not self.half_closed, "a second half-close"
        self.half_closed = True
        return OK if self.heard else UNDECIDED

    def close(self, *, lost: bool = False) -> None:
        self.closed += 1
        self.lost = lost
        if self.path == CLOSES_BADLY:
            raise RuntimeError("secret")


class Script:
    """The service: a call for each of `PATHS`."""

    def __init__(self) -> None:
        self.calls: list[ScriptedCall] = []

    def __call__(self, opening: Asked) -> Call | Status:
        if opening.path == REFUSED:
            length = int(opening.metadata.get("x-length", "0"))
            return Status(
                GrpcStatus.PERMISSION_DENIED, "x" * length + "\u00e9" * 500 if length else "100% caf\u00e9\n"
            )
        if opening.path not in PATHS:
            return Status(GrpcStatus.UNIMPLEMENTED, "unknown method")
        self.calls.append(ScriptedCall(opening.path, opening.metadata))
        return self.calls[-1]


class Waits:
    """Lets the hooks that wait settle when a test says so."""

    def __init__(self) -> None:
        self.open: list[Callable[[], None]] = []
        self.cancelled: list[Callable[[], None]] = []

    def settle(self, wait: Wait, done: Callable[[], None], _: Context) -> Callable[[], object]:
        def cancel() -> None:
            assert done in self.open, "cancelled after it had settled, or twice"
            self.open.remove(done)
            self.cancelled.append(done)

        wait.close()
        self.open.append(done)
        return cancel

    def let_go(self, place: int = 0) -> None:
        """The hook that has waited longest has ended."""
        self.open.pop(place)()

    def end_cancelled(self) -> None:
        """The cancelled hooks have come to their ends too."""
        while self.cancelled:
            self.cancelled.pop()()


@types.coroutine
def _pausing() -> Generator[None]:
    yield


async def _paused() -> None:
    await _pausing()


def pause() -> Wait:
    """What a hook gives that waits."""
    wait = begin(_paused(), 10)
    assert isinstance(wait, Wait)
    return wait
