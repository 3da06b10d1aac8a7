"""One stream, which is one call: its messages go to the call in turn, its answers go out."""

from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import Final, Protocol

from outrider.grpc_status import GrpcStatus
from outrider.waiting import Wait
from outrider_envoy.calls import Call, Status, failed
from outrider_envoy.engine.faults import ErrorCode, StreamResetError
from outrider_envoy.engine.frames import WINDOW_UPDATE, frame, number
from outrider_envoy.engine.messages import PREFIX, BadMessageError, Messages
from outrider_envoy.engine.opening import Opening
from outrider_envoy.engine.outgoing import Outgoing
from outrider_envoy.engine.shared import HELD_TOO_MUCH, Settle, Shared

_INCOMPLETE = Status(GrpcStatus.INTERNAL, "the stream ended in the middle of a message")
_OBJECT: Final = 64
"""What a message that waits costs beside its bytes, however short it is."""


class Line(Protocol):
    """What a stream needs of its connection."""

    outgoing: Outgoing
    settle: Settle
    shared: Shared

    def gone(self, stream: "Stream", /) -> None:
        """The stream's last frame is out."""

    def fail(self, stream_id: int, code: ErrorCode, /) -> None:
        """The stream must be reset."""


class Stream:
    """`received` counts what came since the last WINDOW_UPDATE; `peer_ended` says that the peer sends no more."""

    __slots__ = (
        "_call",
        "_cancel",
        "_context",
        "_ended",
        "_inbox",
        "_left",
        "_line",
        "_messages",
        "deadline",
        "encoding",
        "id",
        "peer_ended",
        "queue",
        "received",
        "started",
        "trailers",
        "window",
    )

    def __init__(self, number: int, opening: Opening, line: Line, *, peer_ended: bool) -> None:
        self.id = number
        self.window = line.outgoing.settings.window
        self.started = False
        self.queue: deque[memoryview] | None = None
        self.trailers: bytes | None = None
        self.received = 0
        self.peer_ended = peer_ended
        self.encoding = opening.encoding
        self.deadline: float | None = None
        self._line = line
        self._left = opening.length
        self._messages: Messages | None = None
        self._inbox: deque[bytes] | None = None
        self._call: Call | None = None
        # What one request's hooks put into context variables is not there for the next on the connection.
        self._context = copy_context()
        self._cancel: Callable[[], object] | None = None
        self._ended = False

    def open(self, call: Call) -> None:
        """Its call, which may have no message at all."""
        self._call = call
        if self.peer_ended:
            self._half_close()

    @property
    def waits(self) -> bool:
        """Whether a hook is at work."""
        return self._cancel is not None

    @property
    def is_busy(self) -> bool:
        """Whether messages must wait: for a hook, or for room for the answers before them."""
        return self._cancel is not None or bool(self.queue)

    def take(self, payload: bytes, *, end: bool) -> int:
        """Bytes of DATA. Returns how many whole messages came. Raises `StreamResetError`."""
        self.peer_ended = end
        if self._left is not None:
            self._count(len(payload), end=end)
        messages = 0
        if not self._ended:
            if self._messages is None and _is_message(payload):
                messages = 1
                self._deliver(payload[PREFIX:])
            elif payload:
                messages = self._put_together(payload)
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
        """What was held up is out: with the trailers, or there is room again for what comes."""
        if self._ended:
            self._line.gone(self)
        else:
            self._go_on()

    def release(self) -> None:
        """The stream is over, by its trailers, a reset or the end of the connection."""
        self._ended = True
        self._drop()
        lost = self.queue is not None and self._line.outgoing.forget(self)
        if self._cancel is not None:
            self._cancel()
        elif self._call is not None:
            call, self._call = self._call, None
            self._close(call, lost=lost)

    def give_back(self) -> None:
        """Opens its window again, unless its messages must wait (RFC 9113, section 6.9)."""
        if self.received * 2 >= self._line.shared.limits.stream_window and not (self.is_busy or self.peer_ended):
            self._line.outgoing.put(frame(WINDOW_UPDATE, 0, self.id, number(self.received)))
            self.received = 0

    def _count(self, size: int, *, end: bool) -> None:
        """Holds the body against content-length (RFC 9113, section 8.1.1)."""
        self._left = (self._left or 0) - size
        if self._left < 0 or (end and self._left):
            raise StreamResetError(ErrorCode.PROTOCOL_ERROR, "a body that is not as long as content-length says")

    def _put_together(self, payload: bytes) -> int:
        if self._messages is None:
            self._messages = Messages(self.encoding, self._line.shared)
        messages = 0
        try:
            for message in self._messages.feed(payload):
                messages += 1
                self._deliver(message)
                if self._ended:
                    break
        except BadMessageError as bad:
            self.end(bad.status)
        return messages

    def _deliver(self, message: bytes) -> None:
        if self._cancel is None and not self.queue and not self._inbox and self._call is not None:
            self._run(self._call.receive, message)
            return
        size = len(message) + _OBJECT
        if self._inbox is None:
            self._inbox = deque()
        if not self._line.shared.hold(size):
            self.end(HELD_TOO_MUCH)
            return
        self._inbox.append(message)

    def _run(self, step: Callable[..., Wait | Sequence[bytes]], *message: bytes) -> None:
        try:
            answers = self._context.run(step, *message)
        except BaseException as error:  # noqa: BLE001 - a stream that ends cleanly would let its request through
            self.end(failed(error))
            return
        if isinstance(answers, Wait):
            self._cancel = self._line.settle(answers, self._settled, self._context)
            return
        for answer in answers:
            if not self._line.outgoing.message(self, answer):
                self._line.fail(self.id, ErrorCode.ENHANCE_YOUR_CALM)
                return

    def _settled(self) -> None:
        self._cancel = None
        call = self._call
        if call is None:
            return
        if self._ended:
            self._call = None
            self._close(call, lost=True)
            return
        self._run(call.resume)
        self._go_on()

    def _go_on(self) -> None:
        """Works off what came meanwhile."""
        while self._inbox and self._call is not None and not self.is_busy:
            message = self._inbox.popleft()
            self._line.shared.release(len(message) + _OBJECT)
            self._run(self._call.receive, message)
        self._half_close()
        self.give_back()

    def _half_close(self) -> None:
        """The peer has sent everything: when all of it is answered, the call ends (gRPC over HTTP/2, Requests)."""
        if not self.peer_ended or self._ended or self.is_busy or self._call is None:
            return
        if self._messages is not None and self._messages.unfinished:
            self.end(_INCOMPLETE)
            return
        try:
            status = self._context.run(self._call.half_close)
        except BaseException as error:  # noqa: BLE001 - as above
            status = failed(error)
        self.end(status)

    def _close(self, call: Call, *, lost: bool) -> None:
        try:
            self._context.run(call.close, lost=lost)
        except BaseException as error:  # noqa: BLE001 - the other streams live on
            failed(error)

    def _drop(self) -> None:
        if self._messages is not None:
            self._messages.drop()
        if self._inbox:
            self._line.shared.release(sum(len(message) + _OBJECT for message in self._inbox))
            self._inbox.clear()


def _is_message(payload: bytes) -> bool:
    """Whether a frame is one whole message, not compressed, as nearly all are."""
    size = len(payload) - PREFIX
    return size >= 0 and payload[0] == 0 and int.from_bytes(payload[1:PREFIX], "big") == size
