"""What one server holds at most, and what it announces."""

from dataclasses import dataclass

from outrider_envoy.limits import MESSAGE_LIMIT, STREAM_LIMIT


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes are in bytes.

    `streams` in all: beyond it RESOURCE_EXHAUSTED, on one connection REFUSED_STREAM (RFC 9113, section 5.1.2).
    `message`, the longest: RESOURCE_EXHAUSTED.
    `held`, all that is unfinished or waits: RESOURCE_EXHAUSTED for a message, a reset for an answer.
    `stream_window` and `connection_window`: FLOW_CONTROL_ERROR (section 6.9.1). The first also bounds how many short
    messages can wait for a hook, and are then worked off in a row.
    `header_list`, `header_block` and `continuations`, the frames of a block: the connection ends (section 10.5.1).
    `connections`: further ones are closed as they come.
    `credit` for frames that bring no message, and what comes back in a second: the connection ends (section 10.5).
    """

    streams: int = STREAM_LIMIT
    message: int = MESSAGE_LIMIT
    held: int = 256 * 1024 * 1024
    stream_window: int = 256 * 1024
    connection_window: int = 16 * 1024 * 1024
    header_list: int = 16 * 1024
    header_block: int = 16 * 1024
    continuations: int = 64
    connections: int = 1_000
    credit: int = 10_000
    credit_a_second: int = 1_000
