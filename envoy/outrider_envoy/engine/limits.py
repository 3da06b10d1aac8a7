"""What one server holds at most, and what it announces."""

from dataclasses import dataclass

from outrider_envoy.limits import MESSAGE_LIMIT, STREAM_LIMIT


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes.

    A peer that goes over `streams` gets REFUSED_STREAM on one connection, RESOURCE_EXHAUSTED over all of a server;
    over `message` or `held` (all unfinished and queued messages of a server) the call ends with RESOURCE_EXHAUSTED;
    over the others the connection ends, with FLOW_CONTROL_ERROR for a window, else ENHANCE_YOUR_CALM. `connections`
    beyond that number are closed as they come.
    """

    streams: int = STREAM_LIMIT
    message: int = MESSAGE_LIMIT
    held: int = 256 * 1024 * 1024
    stream_window: int = 1024 * 1024
    connection_window: int = 16 * 1024 * 1024
    header_list: int = 64 * 1024
    header_block: int = 64 * 1024
    continuations: int = 64
    connections: int = 1_000
    credit: int = 10_000
    credit_a_second: int = 1_000
