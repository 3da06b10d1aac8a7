"""What goes out: answers and trailers, within the windows that the peer gives (RFC 9113, section 5.2)."""

from collections import deque
from collections.abc import Collection
from struct import Struct
from typing import Final, Protocol

from outrider.grpc_status import GrpcStatus
from outrider_envoy.calls import OK, Status
from outrider_envoy.engine.faults import ConnectionEndsError, ErrorCode, StreamResetError
from outrider_envoy.engine.frames import DATA, END_HEADERS, END_STREAM, FIRST_WINDOW, HEADERS, MAX_WINDOW, frame
from outrider_envoy.engine.settings import PeerSettings
from outrider_envoy.engine.shared import Shared

# Header blocks of literals that nobody indexes: they need no table, and are the same on every connection (RFC 7541).
_STATUS_200, _STATUS_405, _STATUS_415 = b"\x88", b"\x08\x03405", b"\x08\x03415"
_CONTENT_TYPE = b"\x0f\x10\x10application/grpc"
_RESPONSE: Final = _STATUS_200 + _CONTENT_TYPE
_ACCEPT_ENCODING = b"\x00\x14grpc-accept-encoding\x08identity"
_NOT_GRPC: Final = {405: _STATUS_405, 415: _STATUS_415}
_NO_TABLE: Final = b"\x20"
"""Our dynamic table is of size 0 (RFC 7541, section 6.3)."""

_AT_ONCE: Final = 1024 * 1024
"""How many bytes of DATA there may be before they are written: a peer that gives large windows may not read."""
_DATA_HEAD: Final = Struct(">HBBBLBL")
"""The header of a DATA frame, and the prefix of the gRPC message in it."""
_FIRST_HEAD: Final = Struct(f">HBBBL{len(_RESPONSE)}sHBBBLBL")
"""The same behind the response's headers."""
_PREFIX: Final = Struct(">BL")
_PREFIX_SIZE: Final = _PREFIX.size


class Sending(Protocol):
    """The outgoing half of a stream: `queue` holds DATA that has no room yet, `trailers` what follows it."""

    id: int
    window: int
    started: bool
    queue: deque[memoryview] | None
    trailers: bytes | None

    def sent(self) -> None:
        """Everything is out that was held up, and the trailers if there are any."""


class Outgoing:
    """The bytes to be written, in order."""

    __slots__ = ("_blocked", "_out", "_room", "_shared", "_table", "settings", "window")

    def __init__(self, shared: Shared) -> None:
        self.settings = PeerSettings()
        self.window = FIRST_WINDOW
        self._out: list[bytes] = []
        # Streams that wait for the connection: for its window, or for room here.
        self._blocked: dict[int, Sending] = {}
        self._room = _AT_ONCE
        self._shared = shared
        # What must stand before the next header block.
        self._table = b""

    def put(self, frame: bytes) -> None:
        """A frame that no window holds up."""
        self._out.append(frame)

    def take(self) -> bytes:
        """Everything so far; as long as it is not written, there is room for little more."""
        out, self._out, self._room = self._out, [], _AT_ONCE
        return b"".join(out)

    def message(self, stream: Sending, message: bytes) -> bool:
        """One gRPC message, behind the response's headers if it is the first; False if it can't be held."""
        length = len(message)
        size = length + _PREFIX_SIZE
        if (
            size <= stream.window
            and size <= self.window
            and size <= self.settings.max_frame
            and size <= self._room
            and not (stream.queue or self._table)
        ):
            stream.window -= size
            self.window -= size
            self._room -= size
            high, low, number = size >> 8, size & 0xFF, stream.id
            if stream.started:
                head = _DATA_HEAD.pack(high, low, DATA, 0, number, 0, length)
            else:
                stream.started = True
                block = _RESPONSE
                head = _FIRST_HEAD.pack(
                    0, len(block), HEADERS, END_HEADERS, number, block, high, low, DATA, 0, number, 0, length
                )
            self._out.append(head + message)
            return True
        if not self._shared.hold(size):
            return False
        self._start(stream)
        if stream.queue is None:
            stream.queue = deque()
        stream.queue.append(memoryview(_PREFIX.pack(0, length) + message))
        self._send(stream)
        return True

    def end(self, stream: Sending, status: Status) -> None:
        """The call's status, behind all its messages (gRPC over HTTP/2, Trailers)."""
        block = _OK_BLOCK if status is OK else _block(status)
        self._end(stream, block if stream.started else _RESPONSE + block)

    def refuse(self, stream: Sending, http_status: int) -> None:
        """The answer to what is no gRPC call."""
        self._end(stream, _NOT_GRPC[http_status])

    def forget(self, stream: Sending) -> bool:
        """Nothing more goes out for the stream; whether there was something."""
        self._blocked.pop(stream.id, None)
        queue, stream.queue = stream.queue, None
        self._shared.release(sum(map(len, queue or ())))
        return bool(queue)

    def widen(self, by: int) -> None:
        """WINDOW_UPDATE for the connection (section 6.9.1)."""
        if self.window + by > MAX_WINDOW:
            raise ConnectionEndsError(ErrorCode.FLOW_CONTROL_ERROR, "a connection's window that is too large")
        self.window += by
        self.go_on()

    def widen_stream(self, stream: Sending, by: int) -> None:
        """WINDOW_UPDATE for a stream."""
        if stream.window + by > MAX_WINDOW:
            raise StreamResetError(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window that is too large")
        stream.window += by
        if stream.queue:
            self._flush(stream)

    def apply_settings(self, payload: bytes, streams: Collection[Sending]) -> int:
        """SETTINGS; another initial window changes those of the open streams by as much (section 6.9.2).

        Returns how many streams that were.
        """
        before, table = self.settings.window, self.settings.table
        self.settings.take(payload)
        if self.settings.smallest_table < table:
            self._table = _NO_TABLE
        by = self.settings.window - before
        if not by:
            return 0
        for stream in list(streams):
            if stream.window + by > MAX_WINDOW:
                raise ConnectionEndsError(ErrorCode.FLOW_CONTROL_ERROR, "a stream's window that is too large")
            stream.window += by
            if by > 0 and stream.queue:
                self._flush(stream)
        return len(streams)

    def go_on(self) -> None:
        """Goes on with what waits for the connection, as far as there is room."""
        while self._blocked and self.window > 0 and self._room > 0:
            self._flush(next(iter(self._blocked.values())))

    def _start(self, stream: Sending) -> None:
        if not stream.started:
            stream.started = True
            self._out.append(frame(HEADERS, END_HEADERS, stream.id, self._opened(_RESPONSE)))

    def _opened(self, block: bytes) -> bytes:
        """A header block on its way out; the first after the peer has made its table smaller says so."""
        before, self._table = self._table, b""
        return before + block

    def _end(self, stream: Sending, block: bytes) -> None:
        stream.trailers = block
        if not stream.queue:
            self._finish(stream, block)

    def _finish(self, stream: Sending, block: bytes) -> None:
        self._out.append(frame(HEADERS, END_HEADERS | END_STREAM, stream.id, self._opened(block)))
        stream.sent()

    def _flush(self, stream: Sending) -> None:
        """The windows have changed."""
        self._send(stream)
        if stream.queue or stream.queue is None:
            return
        if stream.trailers is not None:
            self._finish(stream, stream.trailers)
        else:
            stream.sent()

    def _send(self, stream: Sending) -> None:
        """Sends what the windows allow, in frames that the peer takes (section 4.2)."""
        queue = stream.queue
        while queue and (room := min(stream.window, self.window, self.settings.max_frame, self._room)) > 0:
            piece, rest = queue[0][:room], queue[0][room:]
            if rest:
                queue[0] = rest
            else:
                queue.popleft()
            stream.window -= len(piece)
            self.window -= len(piece)
            self._room -= len(piece)
            self._shared.release(len(piece))
            self._out.append(frame(DATA, 0, stream.id, bytes(piece)))
        if queue and stream.window > 0:
            self._blocked[stream.id] = stream
        else:
            self._blocked.pop(stream.id, None)


def _block(status: Status) -> bytes:
    block = _literal(b"grpc-status", str(status.code).encode())
    if status.message:
        block += _literal(b"grpc-message", _percent_encoded(status.message))
    return block + _ACCEPT_ENCODING if status.code == GrpcStatus.UNIMPLEMENTED else block


def _literal(name: bytes, value: bytes) -> bytes:
    """A literal header field without indexing, new name (RFC 7541, section 6.2.2)."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _percent_encoded(text: str) -> bytes:
    """grpc-message: printable ASCII without % stays. Cut to what one length byte of HPACK can say."""
    out = b""
    for letter in text:
        encoded = b"".join(_escaped(byte) for byte in letter.encode())
        if len(out) + len(encoded) > _LONGEST_MESSAGE:
            break
        out += encoded
    return out


def _escaped(byte: int) -> bytes:
    return bytes([byte]) if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte


_LONGEST_MESSAGE = 120
_OK_BLOCK: Final = _literal(b"grpc-status", b"0")
