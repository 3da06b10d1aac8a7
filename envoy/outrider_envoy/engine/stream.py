"""One stream, which is one call: its messages go to the call in turn, its answers go out."""

from collections import deque
from collections.abc import Callable, Sequence

from outrider.waiting import Wait
from outrider_envoy.calls import Call, Status, failed
from outrider_envoy.engine.faults import ErrorCode, StreamResetError
from outrider_envoy.engine.messages import BadMessageError, Messages
from outrider_envoy.engine.opening import Opening
from outrider_envoy.engine.outgoing import Outgoing
from outrider_envoy.engine.shared import Settle, Shared

_EXHAUSTED = Status(8, "too many messages are held at once")
_INCOMPLETE = Status(13, "the stream ended in the middle of a message")


class Line:
    """What a stream needs of its connection. `gone` tells it that the stream's last frame is out."""

    __slots__ = ("gone", "outgoing", "settle", "shared")

    def __init__(self, outgoing: Outgoing, settle: Settle, shared: Shared, gone: "Callable[[Stream], None]") -> None:
        self.outgoing = outgoing
        self.settle = settle
        self.shared = shared
        self.gone = gone


class Stream:
    """`received` counts what came since the last WINDOW_UPDATE; `peer_ended` says that the peer sends no more."""

    __slots__ = (
        "_call",
        "_cancel",
        "_ended",
        "_inbox",
        "_left",
        "_line",
        "_messages",
        "deadline",
        "id",
        "peer_ended",
        "queue",
        "received",
        "started",
        "trailers",
        "window",
    )

    def __init__(self, number: int, opening: Opening, line: Line) -> None:
        self.id = number
        self.window = line.outgoing.settings.window
        self.started = False
        self.queue: deque[memoryview] = deque()
        self.trailers: bytes | None = None
        self.received = 0
        self.peer_ended = False
        self.deadline: float | None = None
        self._line = line
        self._left = opening.length
        self._messages = Messages(opening.encoding, line.shared.held, line.shared.limits)
        self._inbox: deque[bytes] = deque()
        self._call: Call | None = None
        self._cancel: Callable[[], object] | None = None
        self._ended = False

    def open(self, call: Call) -> None:
        """Its call."""
        self._call = call

    @property
    def waits(self) -> bool:
        """Whether a hook is at work, which holds up further messages."""
        return self._cancel is not None

    def take(self, payload: bytes, *, end: bool) -> int:
        """Bytes of DATA. Returns how many whole messages came. Raises `StreamResetError`."""
        if self._left is not None:
            self._count(len(payload), end=end)
        self.peer_ended = end
        messages = 0
        try:
            for message in () if self._ended else self._messages.feed(payload):
                messages += 1
                self._deliver(message)
                if self._ended:
                    break
        except BadMessageError as bad:
            self.end(bad.status)
        if end:
            self._half_close()
        return messages

    def end(self, status: Status) -> None:
        """Ends the call with a status, behind what it has answered."""
        if not self._ended:
            self._ended = True
            self._drop()
            self._line.outgoing.end(self, status)

    def refuse(self, http_status: int) -> None:
        """Answers what is no gRPC call."""
        self._ended = True
        self._line.outgoing.refuse(self, http_status)

    def sent(self) -> None:
        """Everything is out, the trailers too."""
        self._line.gone(self)

    def release(self) -> None:
        """The stream is over, by its trailers, a reset or the end of the connection."""
        self._ended = True
        self._drop()
        lost = self._line.outgoing.forget(self)
        if self._cancel is not None:
            self._cancel()
        elif self._call is not None:
            call, self._call = self._call, None
            _close(call, lost=lost)

    def _count(self, size: int, *, end: bool) -> None:
        """Holds the body against content-length (RFC 9113, section 8.1.1)."""
        self._left = (self._left or 0) - size
        if self._left < 0 or (end and self._left):
            raise StreamResetError(ErrorCode.PROTOCOL_ERROR, "a body that is not as long as content-length says")

    def _deliver(self, message: bytes) -> None:
        if self._cancel is None:
            # What comes behind the end of the call is of no use to anybody.
            if not self._ended and self._call is not None:
                self._run(self._call.receive, message)
            return
        held, limits = self._line.shared.held, self._line.shared.limits
        if held.bytes + len(message) > limits.held:
            self.end(_EXHAUSTED)
            return
        held.bytes += len(message)
        self._inbox.append(message)

    def _run(self, step: Callable[..., Wait | Sequence[bytes]], *message: bytes) -> None:
        try:
            answers = step(*message)
        except BaseException as error:  # noqa: BLE001 - a stream that ends cleanly would let its request through
            self.end(failed(error))
            return
        if isinstance(answers, Wait):
            self._cancel = self._line.settle(answers, self._settled)
            return
        for answer in answers:
            self._line.outgoing.message(self, answer)

    def _settled(self) -> None:
        self._cancel = None
        call = self._call
        if call is None:
            return
        if self._ended:
            self._call = None
            _close(call, lost=True)
            return
        self._run(call.resume)
        while self._inbox and self._cancel is None:
            message = self._inbox.popleft()
            self._line.shared.held.bytes -= len(message)
            self._deliver(message)
        self._half_close()

    def _half_close(self) -> None:
        """The peer has sent everything: when all of it is answered, the call ends (gRPC over HTTP/2, Requests)."""
        if not self.peer_ended or self._ended or self._cancel is not None or self._call is None:
            return
        if self._messages.unfinished:
            self.end(_INCOMPLETE)
            return
        try:
            status = self._call.half_close()
        except BaseException as error:  # noqa: BLE001 - as above
            status = failed(error)
        self.end(status)

    def _drop(self) -> None:
        self._messages.drop()
        for message in self._inbox:
            self._line.shared.held.bytes -= len(message)
        self._inbox.clear()


def _close(call: Call, *, lost: bool) -> None:
    try:
        call.close(lost=lost)
    except BaseException as error:  # noqa: BLE001 - the other streams live on
        failed(error)
