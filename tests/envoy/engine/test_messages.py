"""Messages in DATA frames, cut anywhere (gRPC over HTTP/2, "Length-Prefixed-Message")."""

import pytest
from hypothesis import given
from hypothesis import settings as limited
from hypothesis import strategies as st

from harness.http2_blocks import ECHO, call, message
from harness.http2_frames import Code, Setting, data, headers
from harness.http2_peer import Peer
from harness.http2_script import FAIL, MANY, WAIT
from outrider_envoy.engine.limits import Limits

EXHAUSTED, UNIMPLEMENTED, INTERNAL = 8, 12, 13
TWO = message(b"first") + message(b"second")


@pytest.mark.parametrize("place", range(len(TWO) + 1))
def test_messages_may_be_cut_at_any_byte(place: int) -> None:
    peer = Peer()
    peer.open(1)
    peer.send(data(1, TWO[:place]), data(1, TWO[place:], end=True))
    assert peer.on(1).messages == [b"first", b"second"]
    assert peer.on(1).status == 0
    peer.leave()


@limited(deadline=None)
@given(
    contents=st.lists(st.binary(max_size=40), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 60)),
    step=st.integers(1, 70),
)
def test_messages_come_in_order_however_they_are_cut(contents: list[bytes], cuts: list[int], step: int) -> None:
    peer = Peer(step=step)
    peer.open(1)
    rest = b"".join(map(message, contents))
    for cut in cuts:
        piece, rest = rest[:cut], rest[cut:]
        peer.send(data(1, piece))
    peer.send(data(1, rest, end=True))
    assert peer.on(1).messages == contents
    assert peer.on(1).status == 0
    peer.leave()


def test_a_message_is_answered_as_soon_as_it_is_whole() -> None:
    peer = Peer()
    peer.open(1)
    for byte in message(b"hello"):
        assert not peer.on(1).messages
        peer.send(data(1, bytes([byte])))
    assert peer.on(1).messages == [b"hello"]
    assert peer.on(1).status is None


def test_an_empty_message_is_one() -> None:
    peer = Peer()
    assert peer.ask(1, b"").messages == [b""]
    assert peer.calls[0].heard == [b""]


def test_a_message_over_many_frames_comes_back_over_many() -> None:
    peer = Peer()
    long = bytes(range(256)) * 200
    peer.open(1)
    rest = message(long)
    while rest:
        peer.send(data(1, rest[:1000]))
        rest = rest[1000:]
    assert peer.on(1).messages == [long]


def test_frames_are_as_long_as_the_peer_takes_them() -> None:
    peer = Peer((Setting.MAX_FRAME_SIZE, 40_000), (Setting.INITIAL_WINDOW_SIZE, 1 << 20))
    peer.open(1)
    for _ in range(3):
        peer.send(data(1, message(b"x" * 16_000)))
    assert peer.on(1).messages == [b"x" * 16_000] * 3


def test_several_answers_to_one_message_come_in_order() -> None:
    peer = Peer()
    assert peer.ask(1, b"x", MANY).messages == [b"x"] * 3


@pytest.mark.parametrize("place", range(1, len(message(b"hello"))))
def test_an_end_in_the_middle_of_a_message_is_an_error(place: int) -> None:
    peer = Peer()
    peer.open(1)
    peer.send(data(1, message(b"whole") + message(b"hello")[:place], end=True))
    answer = peer.on(1)
    assert answer.messages == [b"whole"]
    assert answer.status == INTERNAL
    assert not peer.calls[0].half_closed
    peer.leave()


def test_a_call_without_a_message_ends_as_the_call_says() -> None:
    for end in (True, False):
        peer = Peer()
        peer.open(1, end=end)
        if not end:
            peer.send(data(1, end=True))
        assert peer.on(1).status == INTERNAL
        assert peer.on(1).text == "ended before a decision"
        assert peer.on(1).reset is None
        peer.leave()


def test_a_message_that_is_too_long_is_refused_by_its_first_bytes() -> None:
    peer = Peer(limits=Limits(message=100))
    peer.open(1)
    peer.send(data(1, message(b"x" * 100)))
    assert peer.on(1).messages == [b"x" * 100]
    peer.send(data(1, message(b"", length=101)))
    assert peer.on(1).status == EXHAUSTED
    assert peer.on(1).reset == Code.NO_ERROR
    assert peer.is_well
    peer.leave()


def test_a_length_of_4_gib_is_only_a_status() -> None:
    peer = Peer()
    peer.open(1)
    peer.send(data(1, message(b"", length=0xFFFF_FFFF)))
    assert peer.on(1).status == EXHAUSTED
    peer.leave()


@pytest.mark.parametrize(
    ("encoding", "status"),
    [
        (None, INTERNAL),
        ("identity", INTERNAL),
        ("gzip", UNIMPLEMENTED),
        ("snappy", UNIMPLEMENTED),
        ("x", UNIMPLEMENTED),
    ],
)
def test_a_compressed_message_is_refused(encoding: str | None, status: int) -> None:
    """With what the server could read, if the encoding was announced ("Compression")."""
    peer = Peer()
    peer.send(headers(1, call(ECHO, *([("grpc-encoding", encoding)] if encoding else []))))
    peer.send(data(1, message(b"squeezed", flag=1)))
    answer = peer.on(1)
    assert answer.status == status
    assert not answer.messages
    assert not peer.calls or not peer.calls[0].heard
    if status == UNIMPLEMENTED:
        assert any("identity" in head.get("grpc-accept-encoding", "") for head in answer.heads)
    peer.leave()


def test_an_encoding_that_no_message_uses_does_no_harm() -> None:
    peer = Peer()
    assert peer.ask(1, b"plain", ECHO, ("grpc-encoding", "gzip")).messages == [b"plain"]


@pytest.mark.parametrize("flag", [2, 0x80, 0xFF])
def test_a_flag_that_nobody_knows_is_an_error(flag: int) -> None:
    peer = Peer()
    peer.open(1)
    peer.send(data(1, message(b"odd", flag=flag)))
    assert peer.on(1).status == INTERNAL
    assert not peer.calls[0].heard
    peer.leave()


def test_what_comes_behind_a_message_that_failed_is_not_read() -> None:
    peer = Peer()
    peer.open(1, FAIL)
    peer.send(data(1, message(b"good") + message(b"fail") + message(b"never")))
    assert peer.calls[0].heard == [b"good", b"fail"]
    assert (peer.on(1).messages, peer.on(1).status) == ([b"good"], INTERNAL)
    peer.tell(1, b"late", end=True)
    assert peer.calls[0].heard == [b"good", b"fail"]
    peer.leave()


def test_a_failure_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    peer = Peer()
    answer = peer.ask(1, b"fail", FAIL)
    assert answer.status == INTERNAL
    assert "secret" not in str(answer.heads) + caplog.text
    (record,) = caplog.records
    assert record.getMessage().startswith("stream failed at http2_script.py:")


def test_messages_wait_for_the_hook_that_is_at_work() -> None:
    peer = Peer()
    peer.open(1, WAIT)
    peer.send(data(1, message(b"one") + message(b"two")))
    peer.tell(1, b"three", end=True)
    for told in (["one"], ["one", "two"], ["one", "two", "three"]):
        assert [one.decode() for one in peer.calls[0].heard] == told
        peer.settle()
    assert peer.on(1).messages == [b"one", b"two", b"three"]
    assert peer.on(1).status == 0
    peer.leave()


def test_a_hook_may_wait_twice_for_one_message() -> None:
    peer = Peer()
    peer.ask(1, b"again", WAIT)
    peer.settle()
    assert peer.on(1).status is None
    peer.settle()
    assert peer.on(1).messages == [b"again, done"]
    assert peer.on(1).status == 0
    peer.leave()
