"""Which frames a stream takes in which of its states (RFC 9113, sections 5.1 and 5.3)."""

from collections.abc import Sequence

import pytest

from harness.http2_blocks import added, call, message, plain, without
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
    PREFACE,
    Code,
    Kind,
    Part,
    continuation,
    data,
    goaway,
    headers,
    priority,
    reset,
    settings,
    window_update,
)
from harness.http2_peer import Peer
from harness.http2_script import NOWHERE, WAIT
from outrider_envoy.engine.limits import Limits

BAD = connection_error(Code.PROTOCOL_ERROR)
CLOSED = stream_error(1, Code.STREAM_CLOSED)
CLOSED_OR_BAD = stream_error(1, Code.STREAM_CLOSED, Code.PROTOCOL_ERROR)
HALF_CLOSED = [headers(1, call(WAIT)), data(1, message(b"slow"), end=True)]
ENDED = [headers(1, call()), data(1, message(b"quick"), end=True)]
RESET = [headers(1, call()), reset(1)]


@table(
    ("5.1", "DATA on an idle stream", [data(1, b"x")], BAD),
    ("5.1", "empty DATA on an idle stream", [data(1, end=True)], BAD),
    ("5.1", "RST_STREAM on an idle stream", [reset(1)], BAD),
    ("5.1", "WINDOW_UPDATE on an idle stream", [window_update(1, 1)], BAD),
    ("5.1", "CONTINUATION on an idle stream", [continuation(1, call())], BAD),
    ("5.1", "PRIORITY on an idle stream", [priority(1)], rests),
    ("5.1", "DATA on an idle stream above open ones", [headers(5, call()), data(7, b"x")], BAD),
    ("5.1", "DATA on a stream that only the server could open", [data(2, b"x")], BAD),
    ("5.1", "WINDOW_UPDATE on a stream that only the server could open", [window_update(2, 1)], BAD),
    ("5.1", "RST_STREAM on a stream that only the server could open", [reset(2)], BAD),
)
def test_idle(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


def ended(stream: int, *messages: bytes) -> Expectation:
    """Served, on a connection that may end then."""

    def expects(peer: Peer) -> None:
        assert (peer.on(stream).messages, peer.on(stream).status) == (list(messages), 0)

    return expects


def no_reset(peer: Peer) -> None:
    """A stream that is idle can't be reset (section 6.4)."""
    rests(peer)
    assert all(frame.kind != Kind.RST_STREAM for frame in peer.heard.frames)


def settles(expects: Expectation) -> Expectation:
    """What follows when the hook has ended."""

    def then(peer: Peer) -> None:
        peer.settle()
        expects(peer)

    return then


@table(
    ("5.1", "DATA", [*HALF_CLOSED, data(1, b"x")], CLOSED),
    ("5.1", "empty DATA", [*HALF_CLOSED, data(1, end=True)], CLOSED),
    ("5.1", "HEADERS", [*HALF_CLOSED, headers(1, call(), end=True)], CLOSED_OR_BAD),
    (
        "5.1",
        "CONTINUATION",
        [*HALF_CLOSED, continuation(1, b"")],
        connection_error(Code.PROTOCOL_ERROR, Code.STREAM_CLOSED),
    ),
    ("5.1", "WINDOW_UPDATE", [*HALF_CLOSED, window_update(1, 1)], settles(served(1, b"slow"))),
    ("5.1", "PRIORITY", [*HALF_CLOSED, priority(1)], settles(served(1, b"slow"))),
    ("5.1", "RST_STREAM", [*HALF_CLOSED, reset(1)], rests),
)
def test_half_closed(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


@table(
    ("5.1", "DATA after a reset", [*RESET, data(1, b"x")], CLOSED),
    ("5.1", "HEADERS after a reset", [*RESET, headers(1, call(), end=True)], CLOSED_OR_BAD),
    ("5.1", "CONTINUATION after a reset", [*RESET, continuation(1, b"")], BAD),
    ("5.1", "WINDOW_UPDATE after a reset", [*RESET, window_update(1, 1)], any_of(rests, CLOSED)),
    ("5.1", "RST_STREAM after a reset", [*RESET, reset(1)], any_of(rests, CLOSED)),
    ("5.1", "PRIORITY after a reset", [*RESET, priority(1)], rests),
    ("5.1", "DATA after the end", [*ENDED, data(1, b"x")], CLOSED),
    (
        "5.1",
        "HEADERS after the end",
        [*ENDED, headers(1, call(), end=True)],
        connection_error(Code.STREAM_CLOSED, Code.PROTOCOL_ERROR),
    ),
    ("5.1", "CONTINUATION after the end", [*ENDED, continuation(1, b"")], BAD),
    ("5.1", "WINDOW_UPDATE after the end", [*ENDED, window_update(1, 1)], rests),
    ("5.1", "RST_STREAM after the end", [*ENDED, reset(1)], rests),
    ("5.1", "PRIORITY after the end", [*ENDED, priority(1)], rests),
    ("5.1.1", "DATA on one that was passed over", [*[headers(5, call())], data(3, b"x")], stream_error(3, *Code)),
)
def test_closed_by_the_peer(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


@pytest.mark.parametrize(
    "late",
    [
        [data(1, b"x"), data(1, b"y", end=True)],
        [reset(1)],
        [window_update(1, 7)],
        [headers(1, call(), end=True)],
        [headers(1, call(), whole=False), continuation(1, b"")],
        [priority(1)],
    ],
)
def test_what_was_under_way_to_a_stream_that_the_server_reset_is_passed_over(late: Sequence[Part]) -> None:
    def expects(peer: Peer) -> None:
        rests(peer)
        assert peer.on(1).reset == Code.PROTOCOL_ERROR

    play([headers(1, without(":path")), *late], expects)


@pytest.mark.parametrize("late", [[data(1, b"x", end=True)], [reset(1)], [data(1, bytes(9)), reset(1)]])
def test_what_was_under_way_to_a_call_that_the_server_ended_is_passed_over(late: Sequence[Part]) -> None:
    def expects(peer: Peer) -> None:
        rests(peer)
        assert peer.on(1).status == 12
        assert peer.on(1).reset == Code.NO_ERROR

    play([headers(1, call("/test.Service/Nowhere")), *late], expects)


def test_the_header_table_is_kept_up_on_a_stream_that_the_server_reset() -> None:
    """A peer that has not read our settings yet may fill it: each block counts, whatever becomes of it."""
    peer = Peer(greets=False, shrinks=False)
    peer.send(PREFACE, settings(), headers(1, without(":path")))
    assert peer.on(1).reset == Code.PROTOCOL_ERROR
    peer.send(headers(1, added("x-late", "entry"), end=True))
    peer.send(headers(3, call() + b"\xbe"), data(3, message(b"x"), end=True))
    assert peer.calls[-1].metadata["x-late"] == "entry"
    peer.leave()


@table(
    ("5.1.1", "an even number", [headers(2, call(), end=True)], BAD),
    ("5.1.1", "HEADERS on stream 0", [headers(0, call(), end=True)], BAD),
    (
        "5.1.1",
        "a number below one that was used",
        [headers(5, call()), headers(3, call(), end=True)],
        connection_error(Code.PROTOCOL_ERROR, Code.STREAM_CLOSED),
    ),
    (
        "5.1.1",
        "numbers left out",
        [headers(77, call()), data(77, message(b"x"), end=True)],
        served(77, b"x"),
    ),
    ("5.3.1", "PRIORITY on itself", [headers(1, call()), priority(1, on=1)], any_of(rests, BAD)),
    ("5.3.1", "PRIORITY on itself, idle", [priority(7, on=7)], any_of(no_reset, BAD)),
    (
        "5.3.1",
        "HEADERS that depend on their own stream",
        [headers(1, call(), priority=b"\0\0\0\1\x0f"), data(1, message(b"x"), end=True)],
        any_of(served(1, b"x"), stream_error(1, Code.PROTOCOL_ERROR)),
    ),
    (
        "5.4.2",
        "a stream error leaves the others alone",
        [headers(1, call()), headers(3, without(":path")), data(1, message(b"x"), end=True)],
        served(1, b"x"),
    ),
    ("7", "an error code that nobody knows", [headers(1, call()), reset(1, 0xFFFF_FFFF)], rests),
    (
        "7",
        "one in a GOAWAY",
        [headers(1, call()), goaway(0, 0xFFFF_FFFF), data(1, message(b"x"), end=True)],
        ended(1, b"x"),
    ),
)
def test_numbers_and_errors(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


def test_trailers_that_cross_the_end_of_a_call_end_nothing_however_many_came_before() -> None:
    peer = Peer()
    last = 2399
    for stream in range(1, last + 1, 2):
        peer.open(stream, NOWHERE)
        assert peer.on(stream).status == 12
    peer.send(headers(last, plain("x-a", "b"), end=True))
    assert peer.is_well
    peer.leave()


def test_one_stream_more_than_was_announced_is_refused_and_costs_nothing_else() -> None:
    peer = Peer(limits=Limits(streams=2))
    peer.open(1)
    peer.open(3)
    peer.send(headers(5, call()), data(5, message(b"late"), end=True))
    assert peer.on(5).reset in (Code.REFUSED_STREAM, Code.PROTOCOL_ERROR)
    peer.tell(1, b"first", end=True)
    assert peer.on(1).status == 0
    assert peer.ask(7, b"now").messages == [b"now"]
    peer.leave()


def test_a_refused_stream_keeps_the_header_table_up() -> None:
    peer = Peer(greets=False, shrinks=False, limits=Limits(streams=1))
    peer.send(PREFACE, settings(), headers(1, call()))
    peer.send(headers(3, call() + added("x-refused", "entry"), end=True))
    assert peer.on(3).reset == Code.REFUSED_STREAM
    peer.tell(1, b"x", end=True)
    peer.send(headers(5, call() + b"\xbe", end=True))
    assert peer.calls[-1].metadata["x-refused"] == "entry"
    peer.leave()


@pytest.mark.parametrize("left", ["ended", "reset", "waiting"])
def test_the_streams_that_are_over_make_room(left: str) -> None:
    peer = Peer(limits=Limits(streams=1))
    for stream in range(1, 41, 2):
        peer.open(stream, WAIT if left == "waiting" else "/test.Service/Echo")
        peer.tell(stream, b"x", end=left == "ended")
        if left != "ended":
            peer.send(reset(stream))
            peer.waits.end_cancelled()
        assert peer.connection.streams == 0
    peer.leave()
