"""Padding, and the priority that HEADERS may carry (RFC 9113, sections 6.1, 6.2)."""

from outrider_envoy.engine.faults import ConnectionEndsError, ErrorCode
from outrider_envoy.engine.frames import PADDED, PRIORITY_FLAG

_PRIORITY_SIZE = 5


def unpadded(payload: bytes) -> bytes:
    """The payload without its padding."""
    if not payload or payload[0] >= len(payload):
        raise ConnectionEndsError(ErrorCode.PROTOCOL_ERROR, "more padding than payload")
    return payload[1 : len(payload) - payload[0]]


def fragment(flags: int, payload: bytes) -> bytes:
    """The header block fragment of HEADERS."""
    if flags & PADDED:
        payload = unpadded(payload)
    if not flags & PRIORITY_FLAG:
        return payload
    check_priority(payload[:_PRIORITY_SIZE])
    return payload[_PRIORITY_SIZE:]


def check_priority(payload: bytes) -> None:
    """Priorities have no meaning any more (section 5.3.2), but a size."""
    if len(payload) != _PRIORITY_SIZE:
        raise ConnectionEndsError(ErrorCode.FRAME_SIZE_ERROR, "a priority that is not 5 bytes long")
