"""HTTP/2 frames, written and read apart from the engine that they test (RFC 9113, sections 4.1 and 6)."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = 9
"""How many bytes stand before a frame's payload."""
FRAME_LIMIT = 16_384
"""The longest payload that every peer takes (section 4.2)."""
WINDOW = 65_535
"""A window as long as nothing else was said (section 6.9.2)."""
LARGEST_WINDOW = (1 << 31) - 1
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20


class Kind(IntEnum):
    """Section 6."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Code(IntEnum):
    """Section 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11


class Setting(IntEnum):
    """Section 6.5.2."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


@dataclass(frozen=True)
class Frame:
    """One frame; `length` is what its head says, where that is to be a lie."""

    kind: int
    flags: int
    stream: int
    payload: bytes = b""
    length: int | None = None

    def __bytes__(self) -> bytes:
        length = len(self.payload) if self.length is None else self.length
        return struct.pack("!IBI", length << 8 | self.kind, self.flags, self.stream) + self.payload


Part = Frame | bytes


def joined(parts: Iterable[Part]) -> bytes:
    return b"".join(map(bytes, parts))


def data(stream: int, payload: bytes = b"", *, end: bool = False, pad: int | None = None) -> Frame:
    """`pad` is how many bytes of padding follow."""
    return Frame(Kind.DATA, end * END_STREAM | _padded(pad), stream, _pad(payload, pad))


def headers(
    stream: int,
    block: bytes,
    *,
    end: bool = False,
    whole: bool = True,
    pad: int | None = None,
    priority: bytes | None = None,
) -> Frame:
    """Not `whole`: CONTINUATION frames follow. `priority` are the five bytes of section 6.2."""
    flags = end * END_STREAM | whole * END_HEADERS | _padded(pad) | (PRIORITY if priority is not None else 0)
    return Frame(Kind.HEADERS, flags, stream, _pad((priority or b"") + block, pad))


def continuation(stream: int, block: bytes, *, whole: bool = True) -> Frame:
    return Frame(Kind.CONTINUATION, whole * END_HEADERS, stream, block)


def priority(stream: int, *, on: int = 0, weight: int = 15) -> Frame:
    return Frame(Kind.PRIORITY, 0, stream, dependency(on, weight))


def dependency(on: int = 0, weight: int = 15) -> bytes:
    return struct.pack("!IB", on, weight)


def reset(stream: int, code: int = Code.CANCEL) -> Frame:
    return Frame(Kind.RST_STREAM, 0, stream, struct.pack("!I", code))


def settings(*pairs: tuple[int, int]) -> Frame:
    return Frame(Kind.SETTINGS, 0, 0, b"".join(struct.pack("!HI", *pair) for pair in pairs))


SETTINGS_ACK = Frame(Kind.SETTINGS, ACK, 0)


def ping(payload: bytes = b"12345678", *, ack: bool = False) -> Frame:
    return Frame(Kind.PING, ack * ACK, 0, payload)


def goaway(last: int = 0, code: int = Code.NO_ERROR, debug: bytes = b"") -> Frame:
    return Frame(Kind.GOAWAY, 0, 0, struct.pack("!II", last, code) + debug)


def window_update(stream: int, increment: int) -> Frame:
    return Frame(Kind.WINDOW_UPDATE, 0, stream, struct.pack("!I", increment))


def number(payload: bytes) -> int:
    """The 31 bits at the start of a payload."""
    found: int = struct.unpack_from("!I", payload)[0]
    return found & LARGEST_WINDOW


class Reader:
    """Bytes in, whole frames out."""

    def __init__(self) -> None:
        self.rest = b""

    def read(self, got: bytes) -> Iterator[Frame]:
        self.rest += got
        while len(self.rest) >= HEAD:
            long, flags, stream = struct.unpack_from("!IBI", self.rest)
            end = HEAD + (long >> 8)
            if len(self.rest) < end:
                return
            frame = Frame(long & 0xFF, flags, stream, self.rest[HEAD:end])
            self.rest = self.rest[end:]
            yield frame


def _padded(pad: int | None) -> int:
    return 0 if pad is None else PADDED


def _pad(payload: bytes, pad: int | None) -> bytes:
    return payload if pad is None else bytes([pad]) + payload + bytes(pad)
