"""What a peer can do wrong on HTTP/2, and how far that reaches."""

from enum import IntEnum

from outrider.errors import OutriderError


class ErrorCode(IntEnum):
    """RFC 9113, section 7."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    FLOW_CONTROL_ERROR = 0x3
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB


class ConnectionEndsError(OutriderError):
    """The connection can't go on: GOAWAY, then the end of it (RFC 9113, section 5.4.1)."""

    def __init__(self, code: ErrorCode, what: str) -> None:
        super().__init__(what)
        self.code = code


class StreamResetError(OutriderError):
    """One stream can't go on: RST_STREAM (RFC 9113, section 5.4.2)."""

    def __init__(self, code: ErrorCode, what: str) -> None:
        super().__init__(what)
        self.code = code
