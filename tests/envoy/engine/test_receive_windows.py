"""What the peer may send, and when it may go on (RFC 9113, sections 5.2, 6.1 and 6.9)."""

from harness.http2_blocks import call, message, without
from harness.http2_frames import FRAME_LIMIT, WINDOW, Code, Setting, data, headers, reset, window_update
from harness.http2_peer import Peer
from harness.http2_script import NOWHERE, WAIT
from outrider_envoy.engine.limits import Limits

STREAM, CONNECTION = 1 << 18, 16 << 20
FULL = message(b"x" * (FRAME_LIMIT - 5))


def test_a_stream_gets_its_window_back() -> None:
    peer = Peer((Setting.INITIAL_WINDOW_SIZE, STREAM * 4))
    peer.send(window_update(0, CONNECTION))
    peer.open(1)
    for _ in range(3 * STREAM // FRAME_LIMIT):
        peer.send(data(1, FULL))
    left = STREAM + peer.on(1).given - 3 * STREAM
    assert STREAM // 2 <= left <= STREAM


def test_the_connection_gets_its_window_back() -> None:
    peer = Peer()
    sent = 0
    for stream in range(1, 401, 2):
        peer.open(stream)
        for _ in range(8):
            peer.send(data(stream, FULL))
            sent += FRAME_LIMIT
        peer.send(reset(stream))
    left = WINDOW + peer.heard.given - sent
    assert CONNECTION // 2 <= left <= CONNECTION
    peer.leave()


def test_the_window_of_the_connection_comes_back_for_streams_that_are_over_too() -> None:
    """Else a peer with frames under way would be stopped for ever by calls that were refused."""
    peer = Peer()
    sent = 0
    peer.send(headers(1, without(":path")), headers(3, call(NOWHERE)))
    for _ in range(2 * CONNECTION // FRAME_LIMIT // 2):
        peer.send(data(1, FULL), data(3, FULL))
        sent += 2 * FRAME_LIMIT
        if peer.over:
            break
    assert not peer.over
    left = WINDOW + peer.heard.given - sent
    assert CONNECTION // 2 <= left <= CONNECTION
    peer.leave()


def test_padding_counts_and_comes_back() -> None:
    peer = Peer()
    peer.open(1)
    for _ in range(5000):
        peer.send(data(1, b"", pad=255))
    assert peer.over or STREAM + peer.on(1).given - 5000 * 256 >= STREAM // 2
    peer = Peer()
    peer.open(1)
    for _ in range(5000):
        peer.send(data(1, message(b"x"), pad=255))
    assert STREAM + peer.on(1).given - 5000 * 262 >= STREAM // 2
    peer.leave()


def test_a_busy_stream_holds_its_peer_up_and_nobody_else() -> None:
    peer = Peer((Setting.INITIAL_WINDOW_SIZE, STREAM * 2))
    peer.send(window_update(0, CONNECTION))
    peer.open(1, WAIT)
    for _ in range(STREAM // FRAME_LIMIT):
        peer.send(data(1, FULL))
    assert peer.on(1).given == 0
    assert peer.calls[0].heard == [FULL[5:]]
    assert peer.ask(3).status == 0
    while peer.waits.open:
        peer.settle()
    assert peer.on(1).given >= STREAM // 2
    assert len(peer.calls[0].heard) == STREAM // FRAME_LIMIT
    peer.leave()


def test_a_long_message_is_no_busy_stream() -> None:
    peer = Peer()
    peer.open(1)
    rest = message(bytes(3 * STREAM))
    sent = 0
    while rest:
        piece, rest = rest[:FRAME_LIMIT], rest[FRAME_LIMIT:]
        sent += len(piece)
        assert sent <= STREAM + peer.on(1).given
        peer.send(data(1, piece))
    assert len(peer.calls[0].heard[0]) == 3 * STREAM
    peer.leave()


def test_one_byte_over_a_streams_window_is_an_error_of_the_stream() -> None:
    peer = Peer()
    peer.open(1, WAIT)
    for _ in range(STREAM // FRAME_LIMIT):
        peer.send(data(1, FULL))
    peer.send(data(1, b""))
    assert peer.on(1).reset is None
    peer.send(data(1, b"x"))
    if peer.over:
        assert peer.heard.goaway == Code.FLOW_CONTROL_ERROR
    else:
        assert peer.on(1).reset == Code.FLOW_CONTROL_ERROR
        assert peer.is_well
    peer.leave()


def test_padding_over_a_streams_window_is_an_error_too() -> None:
    peer = Peer()
    peer.open(1, WAIT)
    for _ in range(STREAM // FRAME_LIMIT):
        peer.send(data(1, FULL))
    peer.send(data(1, b"", pad=0))
    assert Code.FLOW_CONTROL_ERROR in (peer.on(1).reset, peer.heard.goaway)


def test_more_than_the_window_of_the_connection_is_an_error_of_the_connection() -> None:
    peer = Peer(limits=Limits(stream_window=1 << 20, connection_window=WINDOW + 1))
    sent = 0
    # All in one piece: nothing of it can have been given back.
    peer.open(1, WAIT)
    frames = [data(1, FULL)] * 8
    while not peer.over and sent < 100:
        peer.send(*frames)
        sent += 1
    given = peer.heard.given + WINDOW
    assert not peer.over or peer.heard.goaway == Code.FLOW_CONTROL_ERROR
    assert peer.over or given >= 0


def test_the_first_window_is_what_our_settings_say_though_the_peer_has_not_read_them() -> None:
    peer = Peer()
    peer.open(1)
    peer.send(*[data(1, FULL)] * 4)
    assert len(peer.calls[0].heard) == 4


def test_all_that_streams_hold_is_bounded_over_the_whole_server() -> None:
    """HELD_LIMIT: a stream that needs more ends with RESOURCE_EXHAUSTED, and the others go on."""
    limits = Limits(held=100_000)
    first = Peer(limits=limits)
    second = Peer(other=first)
    for stream in (1, 3):
        for peer in (first, second):
            peer.open(stream, WAIT)
            peer.tell(stream, b"busy")
            for _ in range(20):
                peer.send(data(stream, message(b"x" * 2_000)))
                assert first.held <= limits.held
    ended = [peer.on(stream).status for peer in (first, second) for stream in (1, 3)]
    assert set(ended) == {None, 8}
    assert first.ask(5).status == 0
    first.connection.lost()
    second.connection.lost()
    first.waits.end_cancelled()
    assert first.held == 0


def test_unfinished_messages_are_held_to_the_same_bound() -> None:
    limits = Limits(held=100_000)
    peer = Peer(limits=limits)
    for stream in range(1, 41, 2):
        peer.open(stream)
        peer.send(data(stream, message(b"x" * 10_000)[:-1]))
        assert peer.held <= limits.held
    ended = [peer.on(stream).status for stream in range(1, 41, 2)]
    assert 8 in ended
    assert None in ended
    peer.leave()


def test_what_is_not_sent_yet_is_not_held_for_it() -> None:
    """A length of 20 MiB is a claim, not a reason to set 20 MiB aside."""
    peer = Peer(limits=Limits(held=1_000_000))
    for stream in range(1, 101, 2):
        peer.open(stream)
        peer.send(data(stream, message(b"x" * 10, length=20 << 20)))
        assert peer.on(stream).status is None
    assert peer.held < 100_000
    peer.leave()


def test_empty_messages_that_wait_count_too() -> None:
    """Each takes more room than it has content."""
    peer = Peer(limits=Limits(held=100_000))
    peer.open(1, WAIT)
    for _ in range(60):
        peer.send(data(1, message() * 3_000))
    assert peer.on(1).status == 8
    peer.leave()
