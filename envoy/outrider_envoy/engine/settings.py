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
_TABLE = 4096


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
    """What the peer allows us: the first window of a stream, the longest frame, the size of its header table.

    We use no table. But one that is made smaller, also for a moment, has to be answered (RFC 9113, section 4.3.1).
    """

    def __init__(self) -> None:
        self.table = self.smallest_table = _TABLE
        self.window = FIRST_WINDOW
        self.max_frame = MAX_FRAME_SIZE

    def take(self, payload: bytes) -> None:
        """Takes over a SETTINGS frame; unknown settings are ignored (section 6.5.2)."""
        self.smallest_table = self.table
        for name, value in _rows(payload):
            if name == _HEADER_TABLE_SIZE:
                self.table = value
                self.smallest_table = min(self.smallest_table, value)
            elif name == _ENABLE_PUSH and value > 1:
                raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, f"SETTINGS_ENABLE_PUSH is {value}")
            elif name == _INITIAL_WINDOW_SIZE:
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
