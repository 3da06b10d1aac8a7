"""SETTINGS: what either side allows the other (RFC 9113, section 6.5)."""

from collections.abc import Iterator
from struct import Struct

from outrider_envoy.engine.faults import ConnectionEndsError, ErrorCode
from outrider_envoy.engine.frames import FIRST_WINDOW, MAX_FRAME_SIZE, MAX_WINDOW, SETTINGS, frame
from outrider_envoy.engine.limits import Limits

_ROW = Struct(">HL")
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _MAX_CONCURRENT_STREAMS = 0x1, 0x2, 0x3
_INITIAL_WINDOW_SIZE, _MAX_FRAME_SIZE, _MAX_HEADER_LIST_SIZE = 0x4, 0x5, 0x6
_LONGEST_FRAME = 0xFF_FFFF


def ours(limits: Limits) -> bytes:
    """Our SETTINGS frame.

    No dynamic table: then the bytes of a header block mean the same whenever they come, and what was decoded once
    can be remembered.
    """
    rows = {
        _HEADER_TABLE_SIZE: 0,
        _MAX_CONCURRENT_STREAMS: limits.streams,
        _INITIAL_WINDOW_SIZE: limits.stream_window,
        _MAX_HEADER_LIST_SIZE: limits.header_list,
    }
    return frame(SETTINGS, 0, 0, b"".join(_ROW.pack(name, value) for name, value in rows.items()))


class PeerSettings:
    """What the peer allows us. Our answers are small and use no header table: two of its settings matter."""

    def __init__(self) -> None:
        self.window = FIRST_WINDOW
        self.max_frame = MAX_FRAME_SIZE

    def take(self, payload: bytes) -> None:
        """Takes over a SETTINGS frame; unknown settings are ignored (section 6.5.2)."""
        for name, value in _rows(payload):
            if name == _ENABLE_PUSH and value > 1:
                raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, f"SETTINGS_ENABLE_PUSH is {value}")
            if name == _INITIAL_WINDOW_SIZE:
                if value > MAX_WINDOW:
                    raise ConnectionEndsError(
                        ErrorCode.FLOW_CONTROL_ERROR, f"SETTINGS_INITIAL_WINDOW_SIZE is {value}"
                    )
                self.window = value
            elif name == _MAX_FRAME_SIZE:
                if not MAX_FRAME_SIZE <= value <= _LONGEST_FRAME:
                    raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE is {value}")
                self.max_frame = value


def _rows(payload: bytes) -> Iterator[tuple[int, int]]:
    if len(payload) % _ROW.size:
        raise ConnectionEndsError(ErrorCode.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
    return _ROW.iter_unpack(payload)
