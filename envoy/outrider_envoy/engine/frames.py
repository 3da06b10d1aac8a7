"""HTTP/2 frames: nine bytes of header, then the payload (RFC 9113, section 4.1)."""

from struct import Struct
from typing import Final

HEADER: Final = Struct(">HBBBL")
"""The length in two parts (16 bits, then 8), type, flags, stream."""
HEADER_SIZE: Final = HEADER.size
STREAM_BITS: Final = 0x7FFF_FFFF

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY_FLAG: Final = 0x20

MAX_FRAME_SIZE: Final = 16_384
"""The longest payload that either side takes unless it says otherwise, in bytes (section 4.2)."""
MAX_WINDOW: Final = 0x7FFF_FFFF
"""The largest flow-control window (section 6.9.1)."""
FIRST_WINDOW: Final = 65_535
"""The flow-control window that both sides begin with (section 6.9.2)."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    length = len(payload)
    return HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def number(value: int) -> bytes:
    """32 bits, as WINDOW_UPDATE, RST_STREAM and GOAWAY carry them."""
    return value.to_bytes(4, "big")
