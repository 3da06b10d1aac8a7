"""One HTTP/2 connection of a gRPC server, without I/O: bytes in, bytes out (RFC 9113)."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from outrider_envoy.engine.blocks import Blocks, PartialBlock
from outrider_envoy.engine.faults import ConnectionEndsError, ErrorCode, StreamResetError
from outrider_envoy.engine.floods import Credit
from outrider_envoy.engine.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FIRST_WINDOW,
    GOAWAY,
    HEADER,
    HEADER_SIZE,
    HEADERS,
    MAX_FRAME_SIZE,
    PADDED,
    PING,
    PRIORITY,
    PRIORITY_FLAG,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_BITS,
    WINDOW_UPDATE,
    frame,
    number,
)
from outrider_envoy.engine.outgoing import Outgoing
from outrider_envoy.engine.padding import check_priority, fragment
from outrider_envoy.engine.settings import ours
from outrider_envoy.engine.shared import Settle, Shared
from outrider_envoy.engine.streams import Streams

_log = logging.getLogger("outrider.envoy")

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_NUMBER_SIZE: Final = 4
_PING_SIZE: Final = 8
_GOAWAY_SIZE: Final = 8
_NOT_PLAIN: Final = END_HEADERS | PADDED | PRIORITY_FLAG
"""What makes HEADERS more than one whole header block, but for END_HEADERS itself."""
_STREAMS_FOR_ONE: Final = 100
"""How many streams a change of their windows reaches for one credit."""
_DRAIN: Final = b"outrider"
"""What the PING says that follows the first GOAWAY: its answer tells that the peer has read it."""


class Connection:
    """Feed it with `receive`, write what `take` gives, and close the transport when it is `over`.

    `expire` now and then while it is `timed`; `drain` to let it end; `lost` once the transport is gone.
    """

    def __init__(self, settle: Settle, shared: Shared) -> None:
        self.over = False
        self._limits = shared.limits
        self._outgoing = Outgoing(shared)
        self._credit = Credit(self._limits)
        self._blocks = Blocks(shared.memory, self._limits)
        self._streams = Streams(self._outgoing, self._attending(settle), shared, self._credit)
        self._rest = b""
        self._greeted = self._set = self._asked = self._draining = False
        self._block: PartialBlock | None = None
        self._frames = {
            HEADERS: self._headers,
            PRIORITY: self._priority,
            RST_STREAM: self._reset,
            SETTINGS: self._settings,
            PUSH_PROMISE: self._push,
            PING: self._ping,
            GOAWAY: self._goaway,
            WINDOW_UPDATE: self._window_update,
            CONTINUATION: self._continuation,
        }
        self._outgoing.put(ours(self._limits))
        self._outgoing.put(frame(WINDOW_UPDATE, 0, 0, number(self._limits.connection_window - FIRST_WINDOW)))

    @property
    def streams(self) -> int:
        """How many are open."""
        return len(self._streams)

    @property
    def greeted(self) -> bool:
        """Whether the peer has said that it speaks HTTP/2."""
        return self._set

    @property
    def timed(self) -> bool:
        """Whether a call has a deadline."""
        return self._streams.timed

    def take(self) -> bytes:
        """What is to be written now."""
        # There is room again, and what it lets go on may ask for too much.
        self._attend(self._outgoing.go_on)
        if self._draining and not self._streams:
            self.over = True
        return self._outgoing.take()

    def receive(self, data: bytes) -> None:
        """What the peer sent, cut anywhere."""
        if self.over:
            return
        if self._rest:
            data = self._rest + data
        try:
            self._rest = self._read(data)
        except ConnectionEndsError as fault:
            self._fail(fault)

    def expire(self, now: float) -> None:
        """Ends the calls whose deadline is over, in seconds of `time.monotonic`."""
        self._streams.expire(now)

    def drain(self) -> None:
        """Asks the peer to begin nothing new; what it begins before it hears that is still served (section 6.8)."""
        if not (self._asked or self.over):
            self._asked = True
            self._outgoing.put(frame(GOAWAY, 0, 0, number(STREAM_BITS) + number(ErrorCode.NO_ERROR)))
            self._outgoing.put(frame(PING, 0, 0, _DRAIN))

    def lost(self) -> None:
        """The transport is gone: so are all calls."""
        self.over = True
        self._streams.lost()

    def _read(self, data: bytes) -> bytes:
        """Works off the frames that are whole; what is left waits for more."""
        at, end = 0, len(data)
        if not self._greeted:
            at = self._greet(data)
        unpack, streams = HEADER.unpack_from, self._streams
        while self._greeted and end - at >= HEADER_SIZE:
            high, low, kind, flags, stream_id = unpack(data, at)
            start = at + HEADER_SIZE
            stop = start + (high << 8 | low)
            if stop - start > MAX_FRAME_SIZE:
                raise ConnectionEndsError(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {stop - start} bytes")
            if stop > end:
                break
            at, stream_id = stop, stream_id & STREAM_BITS
            try:
                if self._block is not None or not self._set:
                    self._frame(kind, flags, stream_id, data[start:stop])
                elif kind == DATA:
                    streams.data(stream_id, flags, data[start:stop])
                elif kind == HEADERS and flags & _NOT_PLAIN == END_HEADERS and stream_id & 1:
                    streams.headers(stream_id, data[start:stop], self._blocks, end=bool(flags & END_STREAM))
                else:
                    self._frame(kind, flags, stream_id, data[start:stop])
            except StreamResetError as fault:
                _log.info("a stream of Envoy's was reset: %s (%s)", fault, fault.code.name)
                streams.fail(stream_id, fault.code)
        return data[at:]

    def _greet(self, data: bytes) -> int:
        """The client's preface (section 3.4); returns how much of it there is."""
        if not data.startswith(_PREFACE[: len(data)]):
            raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "no HTTP/2 with prior knowledge")
        self._greeted = len(data) >= len(_PREFACE)
        return len(_PREFACE) if self._greeted else 0

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is not None and kind != CONTINUATION:
            raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "a header block that is interrupted")
        if not self._set and (kind != SETTINGS or flags & ACK):
            raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "a connection that does not begin with SETTINGS")
        read = self._frames.get(kind)
        if read is None:
            # Section 5.5.
            self._credit.spend()
        else:
            read(flags, stream_id, payload)

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Section 6.2."""
        if stream_id % 2 == 0:
            raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "HEADERS on a stream that clients do not begin")
        block, end = fragment(flags, payload), bool(flags & END_STREAM)
        if flags & END_HEADERS:
            self._streams.headers(stream_id, block, self._blocks, end=end)
        else:
            self._block = PartialBlock(stream_id, block, end=end)

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Section 6.10."""
        block = self._block
        if block is None or block.stream_id != stream_id:
            raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of nothing")
        block.so_far += payload
        block.fragments += 1
        if len(block.so_far) > self._limits.header_block or block.fragments > self._limits.continuations:
            raise ConnectionEndsError(ErrorCode.ENHANCE_YOUR_CALM, "a header block that is too long")
        if flags & END_HEADERS:
            self._block = None
            self._streams.headers(stream_id, bytes(block.so_far), self._blocks, end=block.end)

    def _priority(self, _: int, stream_id: int, payload: bytes) -> None:
        """Section 6.3."""
        if stream_id == 0:
            raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "PRIORITY of no stream")
        self._credit.spend()
        check_priority(payload)

    def _reset(self, _: int, stream_id: int, payload: bytes) -> None:
        """Section 6.4."""
        _check_size("RST_STREAM", payload, _NUMBER_SIZE)
        self._streams.reset(stream_id)

    def _settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Section 6.5."""
        _check_no_stream("SETTINGS", stream_id)
        self._credit.spend()
        if flags & ACK:
            _check_size("SETTINGS with ACK", payload, 0)
            self._blocks.forbid_table()
            return
        self._set = True
        # It costs us something for each stream.
        self._credit.spend(self._outgoing.apply_settings(payload, self._streams.all) // _STREAMS_FOR_ONE)
        self._outgoing.put(frame(SETTINGS, ACK, 0))

    def _push(self, _: int, __: int, ___: bytes) -> None:
        """Section 8.4."""
        raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def _ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Section 6.7."""
        _check_no_stream("PING", stream_id)
        _check_size("PING", payload, _PING_SIZE)
        self._credit.spend()
        if not flags & ACK:
            self._outgoing.put(frame(PING, ACK, 0, payload))
        elif payload == _DRAIN and self._asked and not self._draining:
            self._draining = True
            self._streams.refuse_new()
            self._outgoing.put(frame(GOAWAY, 0, 0, number(self._streams.last) + number(ErrorCode.NO_ERROR)))

    def _goaway(self, _: int, stream_id: int, payload: bytes) -> None:
        """Section 6.8: the peer begins nothing new; it closes the connection when it has what it wants."""
        _check_no_stream("GOAWAY", stream_id)
        if len(payload) < _GOAWAY_SIZE:
            raise ConnectionEndsError(ErrorCode.FRAME_SIZE_ERROR, "a GOAWAY that is too short")
        self._credit.spend()

    def _window_update(self, _: int, stream_id: int, payload: bytes) -> None:
        """Section 6.9."""
        _check_size("WINDOW_UPDATE", payload, _NUMBER_SIZE)
        self._credit.spend()
        by = int.from_bytes(payload, "big") & STREAM_BITS
        if stream_id:
            self._streams.widen(stream_id, by)
        elif by:
            self._outgoing.widen(by)
        else:
            raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "a WINDOW_UPDATE of 0")

    def _attending(self, settle: Settle) -> Settle:
        """The same, with a connection that ends where what a settled hook asks for is too much."""
        return lambda wait, done, context: settle(wait, partial(self._attend, done), context)

    def _attend(self, step: Callable[[], None]) -> None:
        try:
            step()
        except ConnectionEndsError as fault:
            self._fail(fault)

    def _fail(self, fault: ConnectionEndsError) -> None:
        """Section 5.4.1."""
        _log.warning("Envoy's connection ended: %s (%s)", fault, fault.code.name)
        self._outgoing.put(frame(GOAWAY, 0, 0, number(self._streams.last) + number(fault.code) + str(fault).encode()))
        self._rest = b""
        self.lost()


def _check_size(what: str, payload: bytes, size: int) -> None:
    if len(payload) != size:
        raise ConnectionEndsError(ErrorCode.FRAME_SIZE_ERROR, f"{what} of {len(payload)} bytes")


def _check_no_stream(what: str, stream_id: int) -> None:
    if stream_id:
        raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, f"{what} on a stream")
