"""What the server may send (RFC 9113, sections 5.2, 6.9.1 and 6.9.2). `Heard` asserts that no window is overrun."""

import pytest
from hypothesis import given
from hypothesis import settings as limited
from hypothesis import strategies as st

from harness.http2_blocks import ECHO, message
from harness.http2_frames import (
    LARGEST_WINDOW,
    WINDOW,
    Code,
    Setting,
    data,
    joined,
    reset,
    settings,
    window_update,
)
from harness.http2_peer import Peer
from harness.http2_script import FAIL, MANY, WAIT


def windows(size: int) -> tuple[int, int]:
    return (Setting.INITIAL_WINDOW_SIZE, size)


def test_an_answer_waits_for_a_window_and_its_trailers_for_the_answer() -> None:
    peer = Peer(windows(0))
    answer = peer.ask(1, b"hello")
    assert (len(answer.heads), answer.body, answer.status) == (1, b"", None)
    for size in range(1, len(message(b"hello"))):
        peer.send(window_update(1, 1))
        assert len(answer.body) == size
        assert answer.status is None
    peer.send(window_update(1, 1))
    assert (answer.messages, answer.status) == ([b"hello"], 0)
    peer.leave()


def test_answers_that_wait_keep_their_order() -> None:
    peer = Peer(windows(0))
    peer.open(1)
    for word in (b"one", b"two", b"three"):
        peer.tell(1, word)
    for _ in range(40):
        peer.send(window_update(1, 1))
    assert peer.on(1).messages == [b"one", b"two", b"three"]
    peer.tell(1, b"four", end=True)
    peer.send(window_update(1, 100))
    assert peer.on(1).messages == [b"one", b"two", b"three", b"four"]
    assert peer.on(1).status == 0


def test_a_window_that_settings_make_larger_lets_all_streams_go_on() -> None:
    peer = Peer(windows(0))
    for stream in (1, 3):
        peer.ask(stream, b"hello")
    peer.send(settings(windows(100)))
    for stream in (1, 3):
        assert (peer.on(stream).messages, peer.on(stream).status) == ([b"hello"], 0)


def test_a_window_that_settings_make_negative_is_filled_up_first() -> None:
    peer = Peer(windows(8))
    peer.open(1)
    peer.tell(1, b"abc")
    peer.tell(1, b"def", end=True)
    assert len(peer.on(1).body) == 8
    peer.send(settings(windows(3)))
    peer.send(window_update(1, 5))
    assert len(peer.on(1).body) == 8
    peer.send(window_update(1, 2))
    assert len(peer.on(1).body) == 10
    peer.send(settings(windows(20)))
    assert peer.on(1).messages == [b"abc", b"def"]
    assert peer.on(1).status == 0


def test_the_window_of_the_connection_holds_all_streams_up() -> None:
    peer = Peer(windows(1 << 20))
    for stream in range(1, 13, 2):
        peer.ask(stream, b"x" * 16_000)
    assert peer.heard.window == 0
    assert sum(len(peer.on(stream).body) for stream in range(1, 13, 2)) == WINDOW
    for _ in range(40):
        peer.send(window_update(0, 1_000))
    for stream in range(1, 13, 2):
        assert (peer.on(stream).messages, peer.on(stream).status) == ([b"x" * 16_000], 0)


def test_a_blocked_stream_does_not_block_the_others() -> None:
    peer = Peer(windows(0))
    peer.ask(1, b"blocked")
    peer.open(3)
    peer.send(window_update(3, 100))
    peer.tell(3, b"free", end=True)
    assert (peer.on(3).messages, peer.on(3).status) == ([b"free"], 0)
    assert peer.on(1).status is None


def test_a_window_of_nothing_does_not_hold_up_what_is_no_data() -> None:
    peer = Peer(windows(0))
    peer.open(1, "/test.Service/Nowhere")
    assert peer.on(1).status == 12
    peer.open(3, FAIL)
    peer.tell(3, b"fail")
    assert peer.on(3).status == 13
    assert peer.is_well


def test_an_error_comes_behind_the_answers_that_wait() -> None:
    peer = Peer(windows(0))
    peer.open(1, FAIL)
    peer.tell(1, b"good")
    peer.tell(1, b"fail")
    assert peer.on(1).status is None
    peer.send(window_update(1, 100))
    assert (peer.on(1).messages, peer.on(1).status) == ([b"good"], 13)
    assert peer.on(1).reset == Code.NO_ERROR


@pytest.mark.parametrize("end", [True, False])
def test_a_reset_drops_what_waits(*, end: bool) -> None:
    peer = Peer(windows(0))
    peer.open(1)
    peer.tell(1, b"never", end=end)
    peer.send(reset(1), window_update(0, 1000), settings(windows(1000)))
    assert not peer.on(1).body
    assert peer.connection.streams == 0
    assert peer.calls[0].closed == 1
    assert peer.ask(3).status == 0
    peer.leave()


def test_a_call_whose_answer_never_went_out_was_lost() -> None:
    peer = Peer(windows(0))
    peer.open(1)
    peer.tell(1, b"never")
    peer.send(reset(1))
    assert peer.calls[0].lost
    peer.send(settings(windows(100)))
    peer.open(3)
    peer.tell(3, b"got it")
    peer.send(reset(3))
    assert not peer.calls[1].lost
    peer.leave()


def test_several_answers_share_one_window() -> None:
    peer = Peer(windows(10))
    answer = peer.ask(1, b"abcd", MANY)
    assert len(answer.body) == 10
    peer.send(window_update(1, 17))
    assert (answer.messages, answer.status) == ([b"abcd"] * 3, 0)


def test_a_peer_that_never_reads_its_answers_is_held_up_and_then_stopped() -> None:
    """What waits for a window counts: else one stream could fill the memory."""
    peer = Peer(windows(0))
    peer.open(1)
    sent = 0
    while peer.on(1).given + (1 << 18) - sent >= 16_384 and peer.on(1).reset is None and not peer.on(1).ended:
        peer.send(data(1, message(b"x" * 16_379)))
        sent += 16_384
        assert sent < 512 << 20
    peer.leave()


def test_no_more_is_written_at_once_than_there_is_room_for_however_large_the_windows_are() -> None:
    """A peer that gives large windows may read nothing: what it asks for must not fill the memory."""
    peer = Peer(windows(LARGEST_WINDOW))
    peer.send(window_update(0, LARGEST_WINDOW - WINDOW))
    for stream in range(1, 201, 2):
        peer.open(stream, MANY)
    asked = [data(stream, message(b"x" * 16_000), end=True) for stream in range(1, 201, 2)]
    peer.connection.receive(joined(asked))
    sizes = list(iter(lambda: len(peer.connection.take()), 0))
    assert max(sizes) < 2 << 20
    assert sum(sizes) > 3 * 100 * 16_000
    assert peer.held == 0


moves = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 40)),
        st.tuples(st.just("stream"), st.integers(1, 30)),
        st.tuples(st.just("connection"), st.integers(1, 30)),
        st.tuples(st.just("initial"), st.integers(0, 60)),
        st.tuples(st.just("settle"), st.just(0)),
    ),
    max_size=40,
)


@limited(deadline=None)
@given(moves=moves, path=st.sampled_from([ECHO, WAIT]))
def test_any_windows_let_the_same_answers_through_in_the_end(moves: list[tuple[str, int]], path: str) -> None:
    peer = Peer(windows(10))
    asked: dict[int, bytes] = {}
    for name, value in moves:
        stream = 2 * len(asked) - 1
        if name == "ask":
            content = b"%d" % len(asked) * value
            peer.ask(stream + 2, content, path)
            asked[stream + 2] = content
        elif name == "stream" and asked:
            peer.send(window_update(stream, value))
        elif name == "connection":
            peer.send(window_update(0, value))
        elif name == "initial":
            peer.send(settings(windows(value)))
        elif name == "settle" and peer.waits.open:
            peer.settle()
    while peer.waits.open:
        peer.settle()
    peer.send(window_update(0, 1 << 20), settings(windows(1 << 20)))
    for stream, content in asked.items():
        assert (peer.on(stream).messages, peer.on(stream).status) == ([content], 0)
    peer.leave()
