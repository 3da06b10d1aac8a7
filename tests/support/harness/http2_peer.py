"""A client of gRPC that drives the engine's `Connection` in memory, frame by frame or worse."""

from dataclasses import replace

from harness.http2_blocks import ECHO, Field, call, message, size_update
from harness.http2_frames import (
    PADDED,
    PREFACE,
    PRIORITY,
    SETTINGS_ACK,
    Frame,
    Kind,
    Part,
    data,
    headers,
    joined,
    ping,
    settings,
)
from harness.http2_heard import Answer, Heard
from harness.http2_script import Script, ScriptedCall, Waits
from outrider_envoy.engine.connection import Connection
from outrider_envoy.engine.limits import Limits
from outrider_envoy.engine.shared import Shared


class Peer:
    """Has said hello, unless `greets` says no; `strict` as `Heard` means it.

    It shares the server of `other`. `step` cuts all that is sent into pieces of so many bytes. If it `shrinks`, its
    first header block says that its dynamic table is empty, which the server's settings demand.
    """

    def __init__(
        self,
        *said: tuple[int, int],
        greets: bool = True,
        strict: bool = True,
        limits: Limits | None = None,
        other: "Peer | None" = None,
        step: int = 1 << 30,
        shrinks: bool = True,
    ) -> None:
        self.script: Script = other.script if other else Script()
        self.waits: Waits = other.waits if other else Waits()
        self.shared: Shared = other.shared if other else Shared(self.script, limits or Limits())
        self.connection = Connection(self.waits.settle, self.shared)
        self.heard = Heard(strict=strict)
        self.step = step
        self._shrinks = shrinks
        self.hear()
        if greets:
            self.send(PREFACE, settings(*said), SETTINGS_ACK)

    @property
    def calls(self) -> list[ScriptedCall]:
        return self.script.calls

    @property
    def over(self) -> bool:
        return self.connection.over

    def send(self, *parts: Part) -> None:
        """Sends, and reads what is answered. Windows and sizes count from before."""
        raw = joined(map(self._told, parts))
        for place in range(0, len(raw), self.step):
            self.connection.receive(raw[place : place + self.step])
        self.hear()

    def _told(self, part: Part) -> Part:
        if isinstance(part, Frame):
            self.heard.told(part)
            if self._shrinks and part.kind == Kind.HEADERS:
                self._shrinks = False
                return shrunk(part)
        return part

    def hear(self) -> None:
        self.heard.read(self.connection.take())

    def on(self, stream: int) -> Answer:
        return self.heard.on(stream)

    def open(self, stream: int, path: str = ECHO, *more: Field, end: bool = False) -> None:
        self.send(headers(stream, call(path, *more), end=end))

    def tell(self, stream: int, content: bytes = b"", *, end: bool = False) -> None:
        """One message in one frame."""
        self.send(data(stream, message(content), end=end))

    def ask(self, stream: int, content: bytes = b"hello", path: str = ECHO, *more: Field) -> Answer:
        """A whole call."""
        self.open(stream, path, *more)
        self.tell(stream, content, end=True)
        return self.on(stream)

    def settle(self) -> None:
        """One hook that waits goes on."""
        self.waits.let_go()
        self.hear()

    @property
    def held(self) -> int:
        """How many bytes the server holds for messages."""
        return self.shared.held

    @property
    def is_well(self) -> bool:
        """Whether the connection still answers."""
        before = len(self.heard.pongs)
        self.send(ping(b"are you?"))
        return not self.over and self.heard.pongs[before:] == [b"are you?"]

    def leave(self) -> None:
        """The transport is gone: nothing may be left, and every call was closed just once."""
        self.connection.lost()
        self.waits.end_cancelled()
        assert not self.waits.open
        assert self.connection.streams == 0
        assert [call.closed for call in self.calls] == [1] * len(self.calls)
        assert self.held == 0


def shrunk(frame: Frame) -> Frame:
    """HEADERS whose block begins with a dynamic table of no size (RFC 9113, section 4.3.1)."""
    place = bool(frame.flags & PADDED) + 5 * bool(frame.flags & PRIORITY)
    return replace(frame, payload=frame.payload[:place] + size_update(0) + frame.payload[place:])
