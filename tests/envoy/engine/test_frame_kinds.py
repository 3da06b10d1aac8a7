"""The frames of streams, each with its own rules (RFC 9113, sections 6.1 to 6.4, 6.6, 6.9 and 6.10)."""

from collections.abc import Sequence

from harness.http2_blocks import call, message, without
from harness.http2_cases import (
    Expectation,
    any_of,
    connection_error,
    play,
    rests,
    served,
    stream_error,
    table,
)
from harness.http2_frames import (
    END_HEADERS,
    END_STREAM,
    PADDED,
    PRIORITY,
    Code,
    Frame,
    Part,
    Setting,
    continuation,
    data,
    dependency,
    headers,
    ping,
    priority,
    reset,
    settings,
    window_update,
)

BAD = connection_error(Code.PROTOCOL_ERROR)
BAD_SIZE = connection_error(Code.FRAME_SIZE_ERROR)
BAD_OR_SHORT = connection_error(Code.PROTOCOL_ERROR, Code.FRAME_SIZE_ERROR)
OPEN = headers(1, call())
BLOCK = call()
HELLO = message(b"hello")
HELLO_ENDS = data(1, HELLO, end=True)


@table(
    ("6.1", "on stream 0", [data(0, b"x")], BAD),
    ("6.1", "padding", [OPEN, data(1, HELLO, pad=255, end=True)], served(1, b"hello")),
    ("6.1", "padding of no bytes", [OPEN, data(1, HELLO, pad=0, end=True)], served(1, b"hello")),
    ("6.1", "nothing but padding", [OPEN, data(1, b"", pad=9), HELLO_ENDS], served(1, b"hello")),
    (
        "6.1",
        "padding that is not zero",
        [OPEN, Frame(0, 9, 1, b"\2" + HELLO + b"\1\1")],
        any_of(served(1, b"hello"), BAD),
    ),
    ("6.1", "as much padding as payload", [OPEN, Frame(0, PADDED, 1, b"\3ab")], BAD),
    ("6.1", "more padding than payload", [OPEN, Frame(0, PADDED, 1, b"\xffab")], BAD),
    ("6.1", "padding announced in nothing", [OPEN, Frame(0, PADDED, 1, b"")], BAD_OR_SHORT),
    ("6.1", "no bytes", [OPEN, data(1), data(1), HELLO_ENDS], served(1, b"hello")),
    ("6.1", "END_STREAM by itself", [OPEN, data(1, HELLO), data(1, end=True)], served(1, b"hello")),
)
def test_data(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


@table(
    ("6.2", "padding", [headers(1, BLOCK, pad=200), HELLO_ENDS], served(1, b"hello")),
    (
        "6.2",
        "padding and priority",
        [headers(1, BLOCK, pad=3, priority=dependency()), HELLO_ENDS],
        served(1, b"hello"),
    ),
    ("6.2", "priority", [headers(1, BLOCK, priority=dependency(3, 255)), HELLO_ENDS], served(1, b"hello")),
    (
        "6.2",
        "exclusive priority",
        [headers(1, BLOCK, priority=dependency(1 << 31 | 3)), HELLO_ENDS],
        served(1, b"hello"),
    ),
    ("6.2", "more padding than payload", [Frame(1, PADDED | END_HEADERS, 1, b"\xff" + BLOCK[:20])], BAD),
    (
        "6.2",
        "padding into the priority",
        [Frame(1, PADDED | PRIORITY | END_HEADERS, 1, b"\7" + bytes(8))],
        BAD_OR_SHORT,
    ),
    ("6.2", "padding announced in nothing", [Frame(1, PADDED | END_HEADERS, 1, b"")], BAD_OR_SHORT),
    ("6.2", "half a priority", [Frame(1, PRIORITY | END_HEADERS, 1, b"\0\0\0")], BAD_OR_SHORT),
    ("6.2", "a kind of its own before the block ends", [headers(1, BLOCK, whole=False), ping()], BAD),
    ("6.2", "DATA before the block ends", [headers(1, BLOCK, whole=False), data(1, b"x")], BAD),
    ("6.2", "HEADERS before the block ends", [headers(1, BLOCK, whole=False), headers(1, BLOCK)], BAD),
    ("6.2", "another stream's before the block ends", [headers(1, BLOCK, whole=False), headers(3, BLOCK)], BAD),
)
def test_headers(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


@table(
    ("6.3", "on stream 0", [priority(0)], BAD),
    ("6.3", "four bytes", [OPEN, Frame(2, 0, 1, bytes(4))], stream_error(1, Code.FRAME_SIZE_ERROR)),
    ("6.3", "six bytes", [OPEN, Frame(2, 0, 1, bytes(6))], stream_error(1, Code.FRAME_SIZE_ERROR)),
    ("6.3", "four bytes on an idle stream, which can't be reset", [Frame(2, 0, 1, bytes(4))], BAD_SIZE),
    ("6.3", "in the middle of a call", [OPEN, priority(1), HELLO_ENDS], served(1, b"hello")),
    ("6.4", "on stream 0", [reset(0)], BAD),
    ("6.4", "three bytes", [OPEN, Frame(3, 0, 1, bytes(3))], BAD_SIZE),
    ("6.4", "five bytes", [OPEN, Frame(3, 0, 1, bytes(5))], BAD_SIZE),
    ("6.6", "PUSH_PROMISE", [OPEN, Frame(5, END_HEADERS, 1, b"\0\0\0\2" + BLOCK)], BAD),
    ("6.6", "PUSH_PROMISE with half its length", [OPEN, Frame(5, END_HEADERS, 1, b"\0")], BAD_OR_SHORT),
    ("6.6", "PUSH_PROMISE on stream 0", [Frame(5, END_HEADERS, 0, b"\0\0\0\2" + BLOCK)], BAD),
    ("8.4", "PUSH_PROMISE after ENABLE_PUSH", [settings((Setting.ENABLE_PUSH, 1)), Frame(5, 4, 1, b"\0\0\0\2")], BAD),
)
def test_other_kinds(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


@table(
    ("6.9", "0", [OPEN, window_update(1, 0)], stream_error(1, Code.PROTOCOL_ERROR)),
    ("6.9", "0 and the reserved bit", [OPEN, Frame(8, 0, 1, b"\x80\0\0\0")], stream_error(1, Code.PROTOCOL_ERROR)),
    ("6.9", "three bytes", [OPEN, Frame(8, 0, 1, bytes(3))], BAD_SIZE),
    (
        "6.9.1",
        "over 2^31-1",
        [OPEN, window_update(1, (1 << 31) - 1)],
        stream_error(1, Code.FLOW_CONTROL_ERROR),
    ),
    (
        "6.9.1",
        "over 2^31-1 in two steps",
        [OPEN, window_update(1, 1 << 30), window_update(1, 1 << 30)],
        stream_error(1, Code.FLOW_CONTROL_ERROR),
    ),
    (
        "6.9.2",
        "SETTINGS that take a stream over 2^31-1",
        [OPEN, window_update(1, 1 << 30), settings((Setting.INITIAL_WINDOW_SIZE, (1 << 31) - 1))],
        connection_error(Code.FLOW_CONTROL_ERROR),
    ),
    (
        "6.9.2",
        "just 2^31-1",
        [OPEN, window_update(1, (1 << 31) - 1 - 65_535), HELLO_ENDS],
        served(1, b"hello"),
    ),
)
def test_window_updates_of_streams(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


CUT = [headers(1, BLOCK[:10], whole=False), continuation(1, BLOCK[10:40], whole=False), continuation(1, BLOCK[40:])]
ENDS_EARLY = [headers(1, BLOCK[:10], whole=False, end=True), continuation(1, BLOCK[10:])]


@table(
    ("6.10", "two of them", [*CUT, HELLO_ENDS], served(1, b"hello")),
    (
        "6.10",
        "empty ones",
        [CUT[0], *[continuation(1, b"", whole=False)] * 9, *CUT[1:], HELLO_ENDS],
        served(1, b"hello"),
    ),
    (
        "6.10",
        "padded HEADERS before it",
        [headers(1, BLOCK[:9], whole=False, pad=9), continuation(1, BLOCK[9:]), HELLO_ENDS],
        served(1, b"hello"),
    ),
    ("6.10", "END_STREAM comes with the HEADERS", [*ENDS_EARLY, HELLO_ENDS], stream_error(1, Code.STREAM_CLOSED)),
    (
        "6.10",
        "END_STREAM's bit in it means nothing",
        [CUT[0], Frame(9, END_STREAM | END_HEADERS, 1, BLOCK[10:]), HELLO_ENDS],
        served(1, b"hello"),
    ),
    ("6.10", "on stream 0", [continuation(0, BLOCK)], BAD),
    ("6.10", "on stream 0, inside of a block", [CUT[0], continuation(0, BLOCK)], BAD),
    ("6.10", "behind whole HEADERS", [OPEN, continuation(1, b"")], BAD),
    ("6.10", "behind a whole CONTINUATION", [*CUT, continuation(1, b"")], BAD),
    ("6.10", "behind DATA", [OPEN, data(1, HELLO), continuation(1, b"")], BAD),
    ("6.10", "of another stream", [CUT[0], continuation(3, BLOCK)], BAD),
    ("6.10", "DATA between", [*CUT[:2], data(1, b"")], BAD),
    ("6.10", "SETTINGS between", [*CUT[:2], settings()], BAD),
    ("6.10", "RST_STREAM between", [*CUT[:2], reset(1)], BAD),
    (
        "6.10",
        "HEADERS that can't be read, then their rest",
        [headers(1, without(":path"), whole=False), continuation(1, b"")],
        stream_error(1, Code.PROTOCOL_ERROR),
    ),
)
def test_continuation(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


@table(
    ("6.4", "a reset in the middle of a message", [OPEN, data(1, HELLO[:7]), reset(1)], rests),
    ("6.4", "a reset before a message", [OPEN, reset(1, Code.NO_ERROR)], rests),
)
def test_resets(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)
