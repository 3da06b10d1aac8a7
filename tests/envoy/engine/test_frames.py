"""The form of frames, and those of whole connections (RFC 9113, sections 4.1, 4.2, 5.5, 6.5, 6.7, 6.8)."""

from collections.abc import Sequence

from harness.http2_blocks import call, message, plain
from harness.http2_cases import Expectation, any_of, connection_error, play, rests, served, stream_error, table
from harness.http2_frames import (
    ACK,
    FRAME_LIMIT,
    SETTINGS_ACK,
    Code,
    Frame,
    Kind,
    Part,
    Setting,
    continuation,
    data,
    goaway,
    headers,
    ping,
    settings,
    window_update,
)
from harness.http2_peer import Peer

BAD = connection_error(Code.PROTOCOL_ERROR)
BAD_SIZE = connection_error(Code.FRAME_SIZE_ERROR)
FULL = message(b"x" * (FRAME_LIMIT - 5))


@table(
    ("4.1", "a kind that nobody knows", [Frame(0x16, 0xFF, 0, b"12345678")], rests),
    ("4.1", "a kind that nobody knows on an idle stream", [Frame(0xFF, 0, 77, b"")], rests),
    ("4.1", "flags that mean nothing", [Frame(Kind.PING, 0xFE, 0, bytes(8))], rests),
    ("4.1", "the reserved bit", [Frame(Kind.PING, 0, 1 << 31, bytes(8))], rests),
    ("4.1", "the reserved bit of a window update", [Frame(Kind.WINDOW_UPDATE, 0, 0, b"\x80\0\0\1")], rests),
    ("4.2", "DATA as long as may be", [headers(1, call()), data(1, FULL, end=True)], served(1, FULL[5:])),
    (
        "4.2",
        "DATA one byte longer",
        [headers(1, call()), data(1, FULL + b"x")],
        stream_error(1, Code.FRAME_SIZE_ERROR),
    ),
    ("4.2", "HEADERS one byte longer", [headers(1, call() + plain("x", "y" * FRAME_LIMIT))], BAD_SIZE),
    ("4.2", "CONTINUATION too long", [headers(1, b"", whole=False), continuation(1, bytes(16_385))], BAD_SIZE),
    ("4.2", "SETTINGS too long", [settings(*[(7, 7)] * 2731)], BAD_SIZE),
    ("4.2", "an unknown frame too long", [Frame(0x16, 0, 0, bytes(FRAME_LIMIT + 1))], BAD_SIZE),
    ("4.2", "only the head of one much too long", [Frame(Kind.DATA, 0, 1, b"", length=0xFFFFFF)], BAD_SIZE),
    ("5.4.1", "the end says why, and what was served", [headers(1, call(), end=True), ping(b"?")], BAD_SIZE),
    ("5.5", "a setting that nobody knows", [settings((0x7F, 7), (0xFFFF, 1 << 31))], rests),
    (
        "5.5",
        "a kind that nobody knows inside of a header block",
        [headers(1, call(), whole=False), Frame(0x16, 0, 0, b""), continuation(1, b"")],
        BAD,
    ),
)
def test_the_form_of_a_frame(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


@table(
    ("6.5", "an ACK with a payload", [Frame(Kind.SETTINGS, ACK, 0, bytes(6))], BAD_SIZE),
    ("6.5", "on a stream", [Frame(Kind.SETTINGS, 0, 1, b"")], BAD),
    ("6.5", "an ACK on a stream", [Frame(Kind.SETTINGS, ACK, 1, b"")], BAD),
    ("6.5", "half a setting", [Frame(Kind.SETTINGS, 0, 0, bytes(9))], BAD_SIZE),
    ("6.5", "nothing in it", [settings()], rests),
    ("6.5.2", "ENABLE_PUSH 2", [settings((Setting.ENABLE_PUSH, 2))], BAD),
    ("6.5.2", "ENABLE_PUSH 0 and 1", [settings((Setting.ENABLE_PUSH, 0), (Setting.ENABLE_PUSH, 1))], rests),
    (
        "6.5.2",
        "INITIAL_WINDOW_SIZE 2^31",
        [settings((Setting.INITIAL_WINDOW_SIZE, 1 << 31))],
        connection_error(Code.FLOW_CONTROL_ERROR),
    ),
    ("6.5.2", "INITIAL_WINDOW_SIZE 2^31-1", [settings((Setting.INITIAL_WINDOW_SIZE, (1 << 31) - 1))], rests),
    ("6.5.2", "MAX_FRAME_SIZE 16,383", [settings((Setting.MAX_FRAME_SIZE, 16_383))], BAD),
    ("6.5.2", "MAX_FRAME_SIZE 2^24", [settings((Setting.MAX_FRAME_SIZE, 1 << 24))], BAD),
    ("6.5.2", "MAX_FRAME_SIZE 2^24-1", [settings((Setting.MAX_FRAME_SIZE, (1 << 24) - 1))], rests),
    ("6.5.2", "HEADER_TABLE_SIZE 2^32-1", [settings((Setting.HEADER_TABLE_SIZE, (1 << 32) - 1))], rests),
    ("6.5.2", "MAX_CONCURRENT_STREAMS 0", [settings((Setting.MAX_CONCURRENT_STREAMS, 0))], rests),
    ("6.5.2", "MAX_HEADER_LIST_SIZE 0", [settings((Setting.MAX_HEADER_LIST_SIZE, 0))], rests),
    ("6.5.2", "a wrong one behind right ones", [settings((Setting.ENABLE_PUSH, 0), (Setting.ENABLE_PUSH, 9))], BAD),
    ("6.5.3", "an ACK of nothing", [SETTINGS_ACK], any_of(rests, BAD)),
)
def test_settings(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


@table(
    ("6.7", "an answer that nobody asked for", [ping(ack=True)], rests),
    ("6.7", "on a stream", [Frame(Kind.PING, 0, 1, bytes(8))], BAD),
    ("6.7", "an answer on a stream", [Frame(Kind.PING, ACK, 1, bytes(8))], BAD),
    ("6.7", "seven bytes", [ping(bytes(7))], BAD_SIZE),
    ("6.7", "nine bytes", [ping(bytes(9))], BAD_SIZE),
    ("6.7", "no bytes", [ping(b"", ack=True)], BAD_SIZE),
    ("6.8", "on a stream", [Frame(Kind.GOAWAY, 0, 1, bytes(8))], BAD),
    ("6.8", "seven bytes", [Frame(Kind.GOAWAY, 0, 0, bytes(7))], BAD_SIZE),
    ("6.9", "seven bytes of WINDOW_UPDATE", [Frame(Kind.WINDOW_UPDATE, 0, 0, bytes(7))], BAD_SIZE),
    ("6.9", "three bytes of WINDOW_UPDATE", [Frame(Kind.WINDOW_UPDATE, 0, 0, b"\0\0\1")], BAD_SIZE),
    ("6.9", "WINDOW_UPDATE of 0", [window_update(0, 0)], BAD),
    (
        "6.9.1",
        "a connection window over 2^31-1",
        [window_update(0, (1 << 31) - 1)],
        connection_error(Code.FLOW_CONTROL_ERROR),
    ),
    ("6.9.1", "a connection window of just 2^31-1", [window_update(0, (1 << 31) - 1 - 65_535)], rests),
)
def test_frames_of_the_whole_connection(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


def test_a_ping_comes_back_as_it_was() -> None:
    peer = Peer()
    peer.send(ping(b"\0\xff\0\xff\0\xff\0\xff"), ping(b"second.."))
    assert peer.heard.pongs == [b"\0\xff\0\xff\0\xff\0\xff", b"second.."]


def test_an_answer_to_a_ping_is_not_answered() -> None:
    peer = Peer()
    peer.send(ping(ack=True))
    assert not peer.heard.pongs


def test_each_settings_frame_is_acknowledged_once_and_its_ack_is_not() -> None:
    peer = Peer()
    peer.send(settings(), settings((Setting.ENABLE_PUSH, 0)), SETTINGS_ACK)
    assert peer.heard.acknowledged == 3


def test_the_last_of_several_values_of_a_setting_counts() -> None:
    peer = Peer((Setting.INITIAL_WINDOW_SIZE, 100), (Setting.INITIAL_WINDOW_SIZE, 1))
    assert len(peer.ask(1, b"hello").body) == 1


def test_a_peer_that_goes_away_gets_its_open_calls_answered() -> None:
    peer = Peer()
    peer.open(1)
    peer.send(goaway(0, 0xFFFF, b"for a reason of its own"))
    assert not peer.over
    peer.tell(1, b"still here", end=True)
    assert (peer.on(1).messages, peer.on(1).status) == ([b"still here"], 0)


def test_a_connection_error_names_the_last_stream_that_was_taken() -> None:
    peer = Peer()
    peer.open(5)
    peer.send(ping(b"short"))
    assert peer.heard.goaways == [(5, Code.FRAME_SIZE_ERROR)]
    assert peer.over
    peer.leave()
