"""How calls end: by a half-close, a deadline, a reset, or with the connection."""

import time
from urllib.parse import unquote

import pytest

from harness.http2_blocks import ECHO, call, message, plain
from harness.http2_frames import Code, data, headers, ping, reset
from harness.http2_peer import Peer
from harness.http2_script import CLOSES_BADLY, FAIL, NOWHERE, REFUSED, WAIT

DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL = 4, 12, 13
LATER = 1 << 20


def test_a_call_ends_when_its_last_message_is_answered() -> None:
    peer = Peer()
    peer.ask(1, b"slow", WAIT)
    assert not peer.calls[0].half_closed
    peer.settle()
    assert peer.calls[0].half_closed
    assert peer.calls[0].closed == 1
    assert (peer.on(1).messages, peer.on(1).status) == ([b"slow"], 0)


def test_an_unknown_method_gets_trailers_and_nothing_else() -> None:
    peer = Peer()
    peer.open(1, NOWHERE, end=True)
    assert len(peer.on(1).heads) == 1
    assert peer.on(1).heads[0][":status"] == "200"
    assert peer.on(1).heads[0]["content-type"].startswith("application/grpc")
    assert peer.on(1).status == UNIMPLEMENTED
    assert peer.on(1).reset is None


def test_a_call_that_the_server_ends_early_is_told_to_send_no_more() -> None:
    """RFC 9113, section 8.1: RST_STREAM(NO_ERROR) behind a whole answer."""
    peer = Peer()
    peer.open(1, FAIL)
    peer.tell(1, b"fail")
    assert peer.on(1).status == INTERNAL
    assert peer.on(1).reset == Code.NO_ERROR
    assert peer.connection.streams == 0


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        ("1H", 3600),
        ("2M", 120),
        ("99999999S", 99_999_999),
        ("5S", 5),
        ("100m", 0.1),
        ("250000u", 0.25),
        ("99999999n", 0.1),
        ("00000007S", 7),
    ],
)
def test_a_timeout_ends_the_call_when_it_is_over_and_not_before(timeout: str, seconds: float) -> None:
    before = time.monotonic()
    peer = Peer()
    peer.open(1, WAIT, ("grpc-timeout", timeout))
    peer.tell(1, b"slow")
    assert peer.connection.timed
    peer.connection.expire(before + seconds * 0.99)
    peer.hear()
    assert peer.on(1).status is None
    peer.connection.expire(time.monotonic() + seconds)
    peer.hear()
    assert peer.on(1).status == DEADLINE_EXCEEDED
    assert not peer.waits.open
    peer.leave()


@pytest.mark.parametrize("timeout", ["0S", "0m", "0n", "00000000H"])
def test_a_timeout_of_nothing_is_over_at_once(timeout: str) -> None:
    peer = Peer()
    peer.open(1, WAIT, ("grpc-timeout", timeout))
    peer.connection.expire(time.monotonic())
    peer.hear()
    assert peer.on(1).status == DEADLINE_EXCEEDED
    peer.leave()


@pytest.mark.parametrize(
    "timeout",
    ["", "5", "S", "5s", "5h", "-5S", "+5S", "5 S", " 5S", "5.0S", "5SS", "123456789S", "1e3S", "\xb2S", "0x5S"],
)
def test_a_timeout_that_is_none_is_an_error_or_left_alone_but_never_an_endless_call_by_surprise(timeout: str) -> None:
    """The specification does not say which; what comes of it must be one of the two."""
    peer = Peer()
    answer = peer.ask(1, b"x", ECHO, ("grpc-timeout", timeout))
    assert answer.status == INTERNAL or answer.reset == Code.PROTOCOL_ERROR
    assert not peer.calls
    peer.leave()


def test_a_call_without_a_timeout_never_runs_out() -> None:
    peer = Peer()
    peer.open(1, WAIT)
    peer.tell(1, b"slow")
    assert not peer.connection.timed
    peer.connection.expire(time.monotonic() + LATER)
    peer.hear()
    assert peer.on(1).status is None
    peer.settle()
    assert peer.on(1).messages == [b"slow"]


def test_a_timeout_leaves_the_other_calls_alone() -> None:
    peer = Peer()
    peer.open(1, WAIT, ("grpc-timeout", "1S"))
    peer.open(3, WAIT, ("grpc-timeout", "1H"))
    peer.open(5)
    peer.connection.expire(time.monotonic() + 60)
    peer.hear()
    assert [peer.on(stream).status for stream in (1, 3, 5)] == [DEADLINE_EXCEEDED, None, None]
    peer.tell(5, b"x", end=True)
    assert peer.on(5).status == 0
    peer.leave()


def test_a_timeout_of_a_call_that_is_over_does_nothing() -> None:
    peer = Peer()
    assert peer.ask(1, b"x", ECHO, ("grpc-timeout", "1S")).status == 0
    before = len(peer.heard.frames)
    peer.connection.expire(time.monotonic() + LATER)
    peer.hear()
    assert len(peer.heard.frames) == before
    assert peer.calls[0].closed == 1


def test_a_deadline_is_each_calls_own_though_their_headers_are_the_same() -> None:
    peer = Peer()
    for stream in (1, 3):
        peer.open(stream, WAIT, ("grpc-timeout", "1H"))
        peer.connection.expire(time.monotonic() + 1800)
    peer.hear()
    assert [peer.on(stream).status for stream in (1, 3)] == [None, None]
    peer.leave()


@pytest.mark.parametrize(
    "before", ["nothing", "half a message", "a wait", "a wait and a queue", "an answer", "half-close"]
)
def test_a_reset_closes_the_call_once_and_at_once(before: str) -> None:
    peer = Peer()
    peer.open(1, WAIT if "wait" in before or before == "half-close" else ECHO)
    if before != "nothing":
        peer.send(data(1, message(b"hello")[: 3 if "half a" in before else None], end=before == "half-close"))
    if "queue" in before:
        peer.send(data(1, message(b"next") + message(b"last")[:6]))
    peer.send(reset(1))
    assert peer.connection.streams == 0
    assert not peer.waits.open
    # A hook may take a moment to end.
    assert peer.calls[0].closed == (0 if peer.waits.cancelled else 1)
    peer.waits.end_cancelled()
    assert peer.calls[0].closed == 1
    assert not peer.calls[0].half_closed
    assert peer.is_well
    peer.leave()


def test_a_reset_behind_the_end_closes_nothing_twice() -> None:
    peer = Peer()
    peer.ask(1)
    peer.send(reset(1))
    assert peer.calls[0].closed == 1
    peer.leave()


@pytest.mark.parametrize("how", ["lost", "a connection error"])
def test_the_end_of_a_connection_closes_every_call_once(how: str) -> None:
    peer = Peer()
    for stream, path in enumerate((ECHO, WAIT, WAIT, FAIL, CLOSES_BADLY)):
        peer.open(2 * stream + 1, path)
    peer.tell(3, b"slow")
    peer.tell(5, b"slow", end=True)
    if how == "lost":
        peer.connection.lost()
    else:
        peer.send(ping(b"short"))
        peer.connection.lost()
    peer.connection.lost()
    peer.leave()


def test_a_cancelled_hook_is_not_gone_on_with() -> None:
    peer = Peer()
    peer.ask(1, b"slow", WAIT)
    peer.send(reset(1))
    before = len(peer.heard.frames)
    peer.waits.end_cancelled()
    peer.hear()
    assert peer.calls[0].waiting
    assert len(peer.heard.frames) == before
    peer.leave()


def test_a_call_whose_close_fails_disturbs_nobody() -> None:
    peer = Peer()
    assert peer.ask(1, b"x", CLOSES_BADLY).status == 0
    peer.open(3, CLOSES_BADLY)
    peer.send(reset(3))
    assert peer.ask(5).status == 0
    peer.leave()


def test_streams_take_turns() -> None:
    peer = Peer()
    for stream in (1, 3, 5):
        peer.open(stream, WAIT, ("x-stream", str(stream)))
    for stream in (5, 1, 3):
        peer.tell(stream, b"of %d" % stream, end=True)
    for _ in range(3):
        peer.waits.let_go(-1)
        peer.hear()
    assert [peer.on(stream).messages for stream in (1, 3, 5)] == [[b"of 1"], [b"of 3"], [b"of 5"]]
    assert [call.metadata["x-stream"] for call in peer.calls] == ["1", "3", "5"]
    peer.leave()


def test_trailers_of_the_peer_are_its_half_close() -> None:
    peer = Peer()
    peer.send(headers(1, call(WAIT)), data(1, message(b"slow")), headers(1, plain("x-last", "1"), end=True))
    assert peer.on(1).status is None
    peer.settle()
    assert (peer.on(1).messages, peer.on(1).status) == ([b"slow"], 0)


def test_a_message_of_a_status_is_percent_encoded() -> None:
    """gRPC over HTTP/2, "Responses"."""
    peer = Peer()
    peer.open(1, REFUSED)
    assert (peer.on(1).status, peer.on(1).text) == (7, "100%25 caf%C3%A9%0A")


def test_a_long_message_of_a_status_is_cut_between_characters() -> None:
    for length in range(1, 4):
        peer = Peer()
        peer.open(1, REFUSED, ("x-length", str(length)))
        text = unquote(peer.on(1).text, errors="strict")
        assert "x" * length + "\xe9" * 500 == text + "\xe9" * (500 + length - len(text))
