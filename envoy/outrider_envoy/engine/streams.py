"""The streams of one connection: how they begin, what comes on them, how they end (RFC 9113, section 5)."""

import time
from collections.abc import Collection
from typing import Final

from outrider.grpc_status import GrpcStatus
from outrider_envoy.calls import Status, failed
from outrider_envoy.engine.blocks import Blocks
from outrider_envoy.engine.faults import ConnectionEndsError, ErrorCode, StreamResetError
from outrider_envoy.engine.floods import Credit
from outrider_envoy.engine.frames import END_STREAM, PADDED, RST_STREAM, WINDOW_UPDATE, frame, number
from outrider_envoy.engine.opening import Opening, check_trailers
from outrider_envoy.engine.outgoing import Outgoing
from outrider_envoy.engine.padding import unpadded
from outrider_envoy.engine.shared import Settle, Shared
from outrider_envoy.engine.stream import Stream

_REMEMBERED: Final = 1024
"""Of how many streams that are over it is known how they ended, at least."""
_FOR_A_CANCELLED_HOOK: Final = 16
"""What a reset costs there, in credit: twice what the message earned that set the hook to work."""
_TOO_MANY: Final = Status(GrpcStatus.RESOURCE_EXHAUSTED, "too many streams at once")
_BAD_TIMEOUT: Final = Status(GrpcStatus.INTERNAL, "grpc-timeout is no time")
_OVERDUE: Final = Status(GrpcStatus.DEADLINE_EXCEEDED, "the deadline is over")


class Streams:
    """`last` is the newest stream of the peer. After `refuse_new` further ones are not served."""

    __slots__ = (
        "_credit",
        "_open",
        "_over",
        "_over_before",
        "_received",
        "_refusing",
        "_timed",
        "last",
        "outgoing",
        "settle",
        "shared",
    )

    def __init__(self, outgoing: Outgoing, settle: Settle, shared: Shared, credit: Credit) -> None:
        self.last = 0
        self.outgoing = outgoing
        self.settle: Settle = settle
        self.shared = shared
        self._credit = credit
        self._open: dict[int, Stream] = {}
        self._timed: dict[int, Stream] = {}
        # Whether it was us who reset it: then the peer may not know it yet. The newest, and those before.
        self._over: dict[int, bool] = {}
        self._over_before: dict[int, bool] = {}
        self._received = 0
        self._refusing = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def all(self) -> Collection[Stream]:
        return self._open.values()

    @property
    def timed(self) -> bool:
        """Whether a call has a deadline."""
        return bool(self._timed)

    def refuse_new(self) -> None:
        """After GOAWAY: what comes now is for another connection (section 6.8)."""
        self._refusing = True

    def headers(self, stream_id: int, block: bytes, blocks: Blocks, *, end: bool) -> None:
        """A whole header block: a new call, or trailers."""
        stream = self._open.get(stream_id)
        if stream is not None:
            self._trailers(stream, block, blocks, end=end)
        elif stream_id <= self.last:
            # Decoded all the same: the table goes on.
            blocks.fields(block)
            self._stray_headers(stream_id)
        else:
            self.last = stream_id
            opening = blocks.opening(block)
            if self._refusing or len(self._open) >= self.shared.limits.streams:
                raise StreamResetError(ErrorCode.REFUSED_STREAM, "too many streams")
            self._begin(stream_id, opening, end=end)

    def data(self, stream_id: int, flags: int, payload: bytes) -> None:
        """DATA (section 6.1)."""
        size = len(payload)
        self._count(size)
        stream = self._open.get(stream_id)
        if stream is None or stream.peer_ended:
            self._stray(stream_id, ours=stream is None)
            return
        stream.received += size
        if stream.received > self.shared.limits.stream_window:
            raise StreamResetError(ErrorCode.FLOW_CONTROL_ERROR, "more than the stream's window")
        if flags & PADDED:
            payload = unpadded(payload)
        end = bool(flags & END_STREAM)
        if stream.take(payload, end=end):
            self._credit.earn()
        elif not payload and not end:
            self._credit.spend()
        stream.give_back()

    def reset(self, stream_id: int) -> None:
        """RST_STREAM of the peer (section 6.4): normal at any time."""
        self._check_not_idle(stream_id)
        self._cancel(stream_id, ours=False)

    def widen(self, stream_id: int, by: int) -> None:
        """WINDOW_UPDATE of a stream (section 6.9)."""
        self._check_not_idle(stream_id)
        if not by:
            raise StreamResetError(ErrorCode.PROTOCOL_ERROR, "a WINDOW_UPDATE of 0")
        stream = self._open.get(stream_id)
        if stream is not None:
            self.outgoing.widen_stream(stream, by)

    def fail(self, stream_id: int, code: ErrorCode) -> None:
        """RST_STREAM of ours (section 5.4.2)."""
        self.outgoing.put(frame(RST_STREAM, 0, stream_id, number(code)))
        self._cancel(stream_id, ours=True)

    def expire(self, now: float) -> None:
        """Ends the calls whose deadline is over (gRPC over HTTP/2, Timeout)."""
        for stream in [one for one in self._timed.values() if one.deadline is not None and one.deadline <= now]:
            del self._timed[stream.id]
            stream.end(_OVERDUE)

    def lost(self) -> None:
        """The connection is gone."""
        for stream in list(self._open.values()):
            self._remove(stream, ours=True)

    def _begin(self, stream_id: int, opening: Opening, *, end: bool) -> None:
        if end and opening.length:
            raise StreamResetError(ErrorCode.PROTOCOL_ERROR, "a content-length, and no body")
        stream = Stream(stream_id, opening, self, peer_ended=end)
        self._open[stream_id] = stream
        self.shared.streams += 1
        if opening.http_status is not None:
            stream.refuse(opening.http_status)
            return
        if (refusal := self._refusal(opening)) is not None:
            stream.end(refusal)
            return
        try:
            answer = self.shared.service(opening)
        except BaseException as error:  # noqa: BLE001 - the other streams live on
            answer = failed(error)
        if isinstance(answer, Status):
            stream.end(answer)
            return
        if opening.timeout is not None:
            stream.deadline = time.monotonic() + opening.timeout
            self._timed[stream_id] = stream
        stream.open(answer)

    def _refusal(self, opening: Opening) -> Status | None:
        if self.shared.streams > self.shared.limits.streams:
            return _TOO_MANY
        if opening.bad_timeout:
            return _BAD_TIMEOUT
        return _OVERDUE if opening.timeout == 0 else None

    def _trailers(self, stream: Stream, block: bytes, blocks: Blocks, *, end: bool) -> None:
        fields = blocks.fields(block)
        if stream.peer_ended:
            raise StreamResetError(ErrorCode.STREAM_CLOSED, "headers behind the end of a stream")
        if not end:
            raise StreamResetError(ErrorCode.PROTOCOL_ERROR, "trailers that do not end the stream")
        check_trailers(fields)
        stream.take(b"", end=True)

    def _count(self, size: int) -> None:
        """The connection's window: given back at once, as what is held is bounded elsewhere (section 6.9)."""
        self._received += size
        window = self.shared.limits.connection_window
        if self._received > window:
            raise ConnectionEndsError(ErrorCode.FLOW_CONTROL_ERROR, "more than the connection's window")
        if self._received * 2 >= window:
            self.outgoing.put(frame(WINDOW_UPDATE, 0, 0, number(self._received)))
            self._received = 0

    def _stray(self, stream_id: int, *, ours: bool) -> None:
        """DATA for a stream that is over or ended by the peer (section 5.1)."""
        self._check_not_idle(stream_id)
        self._credit.spend()
        if not (ours and self._reset_by_us(stream_id)):
            raise StreamResetError(ErrorCode.STREAM_CLOSED, "DATA behind the end of a stream")

    def _stray_headers(self, stream_id: int) -> None:
        self._credit.spend()
        ours = self._reset_by_us(stream_id)
        if ours is None:
            raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "a stream with a number lower than the last")
        if not ours:
            raise ConnectionEndsError(ErrorCode.STREAM_CLOSED, "headers behind the end of a stream")

    def _check_not_idle(self, stream_id: int) -> None:
        if stream_id == 0 or stream_id > self.last or stream_id % 2 == 0:
            raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "a frame for a stream that never began")

    def gone(self, stream: Stream) -> None:
        """A call has ended, and all of its answer is out (section 8.1)."""
        if not stream.peer_ended:
            self.outgoing.put(frame(RST_STREAM, 0, stream.id, number(ErrorCode.NO_ERROR)))
        self._remove(stream, ours=not stream.peer_ended)

    def _cancel(self, stream_id: int, *, ours: bool) -> None:
        """A stream ends by a reset. Whoever brings that about pays for it, most where a hook was at work."""
        stream = self._open.get(stream_id)
        cost = _FOR_A_CANCELLED_HOOK if stream is not None and stream.waits else 1
        if stream is not None:
            self._remove(stream, ours=ours)
        else:
            self._remember(stream_id, ours=ours)
        self._credit.spend(cost)

    def _remove(self, stream: Stream, *, ours: bool) -> None:
        del self._open[stream.id]
        self.shared.streams -= 1
        if self._timed:
            self._timed.pop(stream.id, None)
        self._remember(stream.id, ours=ours)
        stream.release()

    def _remember(self, stream_id: int, *, ours: bool) -> None:
        if len(self._over) >= _REMEMBERED:
            self._over_before, self._over = self._over, {}
        self._over[stream_id] = ours

    def _reset_by_us(self, stream_id: int) -> bool | None:
        """None for a stream that never was, or was over too long ago."""
        return self._over.get(stream_id, self._over_before.get(stream_id))
