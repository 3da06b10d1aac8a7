"""What a server of gRPC said on a connection, held against the rules that bind it (RFC 9113)."""

import struct
from dataclasses import dataclass, field

from hpack.hpack import Decoder

from harness.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FRAME_LIMIT,
    LARGEST_WINDOW,
    WINDOW,
    Code,
    Frame,
    Kind,
    Reader,
    Setting,
    number,
)


@dataclass
class Answer:
    """What came on one stream."""

    window: int
    heads: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    body: bytes = b""
    ended: bool = False
    reset: Code | None = None
    given: int = 0

    @property
    def messages(self) -> list[bytes]:
        """The whole messages of the body."""
        found, rest = list[bytes](), self.body
        while len(rest) >= 5:
            flag, length = struct.unpack_from("!BI", rest)
            assert flag == 0, "a compressed message, which nobody asked for"
            if len(rest) < 5 + length:
                break
            found.append(rest[5 : 5 + length])
            rest = rest[5 + length :]
        assert not (self.ended and rest), "a stream that ended in the middle of a message"
        return found

    @property
    def http_status(self) -> int:
        return int(self.heads[0][":status"])

    @property
    def status(self) -> int | None:
        """The call's gRPC status, None as long as there is none."""
        told = self.heads[-1].get("grpc-status") if self.heads and self.ended else None
        return None if told is None else int(told)

    @property
    def text(self) -> str:
        return self.heads[-1].get("grpc-message", "")


class Heard:
    """All that came. Asserts that the server keeps to windows, sizes and states; not `strict`: only to its frames."""

    def __init__(self, *, strict: bool = True) -> None:
        self.frames: list[Frame] = []
        self.answers: dict[int, Answer] = {}
        self.goaways: list[tuple[int, int]] = []
        self.pongs: list[bytes] = []
        self.pings: list[bytes] = []
        self.settings: dict[int, int] = {}
        self.acknowledged = 0
        self.given = 0
        self.window = WINDOW
        self.initial = WINDOW
        self.longest = FRAME_LIMIT
        self._strict = strict
        self._reader = Reader()
        self._decoder = Decoder()
        self._tables: list[int] = []

    @property
    def goaway(self) -> Code | None:
        """The code of the last GOAWAY."""
        return Code(self.goaways[-1][1]) if self.goaways else None

    def on(self, stream: int) -> Answer:
        return self.answers.setdefault(stream, Answer(self.initial))

    def told(self, frame: Frame) -> None:
        """What the peer says itself, before the server reads it: it binds the server as soon as it does."""
        if frame.kind == Kind.WINDOW_UPDATE and len(frame.payload) == 4:
            self._widen(frame.stream, number(frame.payload))
        elif frame.kind == Kind.SETTINGS and not frame.flags & ACK and len(frame.payload) % 6 == 0:
            for name, value in struct.iter_unpack("!HI", frame.payload):
                self._set(name, value)

    def read(self, got: bytes) -> None:
        for frame in self._reader.read(got):
            if not self.frames:
                assert frame.kind == Kind.SETTINGS, "the server's preface is a SETTINGS frame (3.4)"
                assert not frame.flags & ACK
            self.frames.append(frame)
            assert len(frame.payload) <= self.longest or not self._strict, "a frame longer than the peer takes (4.2)"
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.DATA:
                self._data(frame)
            case Kind.HEADERS:
                self._headers(frame)
            case Kind.RST_STREAM:
                self._reset(frame)
            case Kind.SETTINGS:
                self._settings(frame)
            case Kind.PING:
                (self.pongs if frame.flags & ACK else self.pings).append(frame.payload)
            case Kind.GOAWAY:
                self._goaway(frame)
            case Kind.WINDOW_UPDATE:
                self._window_update(frame)
            case _:
                raise AssertionError(f"a server has no reason to send {frame}")

    def _widen(self, stream: int, more: int) -> None:
        if stream:
            self.on(stream).window += more
        else:
            self.window += more

    def _set(self, name: int, value: int) -> None:
        if name == Setting.INITIAL_WINDOW_SIZE and value <= LARGEST_WINDOW:
            for answer in self.answers.values():
                answer.window += value - self.initial
            self.initial = value
        elif name == Setting.MAX_FRAME_SIZE:
            self.longest = value
        elif name == Setting.HEADER_TABLE_SIZE:
            self._tables.append(value)

    def _data(self, frame: Frame) -> None:
        answer = self._open(frame)
        answer.body += frame.payload
        answer.window -= len(frame.payload)
        self.window -= len(frame.payload)
        if self._strict and frame.payload:
            assert answer.window >= 0, "more DATA than the stream's window (6.9.1)"
            assert self.window >= 0, "more DATA than the connection's window (6.9.1)"
        answer.ended = bool(frame.flags & END_STREAM)

    def _headers(self, frame: Frame) -> None:
        answer = self._open(frame)
        assert frame.flags & END_HEADERS, "a block this small needs no CONTINUATION"
        head: dict[str, str] = {}
        for name, value in self._decoder.decode(frame.payload):
            assert str(name) not in head
            head[str(name)] = str(value)
        assert (":status" in head) == (not answer.heads), "one :status, in the first block (8.3.2)"
        answer.heads.append(head)
        answer.ended = bool(frame.flags & END_STREAM)

    def _open(self, frame: Frame) -> Answer:
        answer = self.on(frame.stream)
        assert not answer.ended, "a frame after END_STREAM (5.1)"
        assert answer.reset is None, "a frame after RST_STREAM (5.1)"
        return answer

    def _reset(self, frame: Frame) -> None:
        answer = self.on(frame.stream)
        assert answer.reset is None or not self._strict, "a second RST_STREAM"
        answer.reset = Code(number(frame.payload))

    def _settings(self, frame: Frame) -> None:
        if frame.flags & ACK:
            assert not frame.payload
            self.acknowledged += 1
            while self._tables:
                self._decoder.max_allowed_table_size = self._tables.pop(0)
            return
        self.settings.update(struct.iter_unpack("!HI", frame.payload))

    def _goaway(self, frame: Frame) -> None:
        last, code = struct.unpack_from("!II", frame.payload)
        assert not self.goaways or last <= self.goaways[-1][0], "the last stream must not grow (6.8)"
        self.goaways.append((last, code))

    def _window_update(self, frame: Frame) -> None:
        more = number(frame.payload)
        assert more, "an increment of 0 (6.9)"
        if frame.stream:
            self.on(frame.stream).given += more
        else:
            self.given += more
