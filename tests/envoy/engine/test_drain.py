"""A server that goes (RFC 9113, section 6.8): what runs ends well, nothing new begins."""

from harness.http2_blocks import call, message
from harness.http2_frames import LARGEST_WINDOW, Code, Setting, data, headers, ping, reset, settings
from harness.http2_peer import Peer
from harness.http2_script import WAIT


def draining(peer: Peer, *, answers: bool = True) -> None:
    """Tells the connection to go, and answers the PING that asks whether the peer has heard it."""
    peer.connection.drain()
    peer.hear()
    assert peer.heard.goaways == [(LARGEST_WINDOW, Code.NO_ERROR)]
    if answers:
        peer.send(ping(peer.heard.pings[-1], ack=True))


def test_a_connection_without_calls_is_over_when_the_peer_has_heard_of_it() -> None:
    peer = Peer()
    draining(peer, answers=False)
    assert not peer.over
    peer.send(ping(peer.heard.pings[-1], ack=True))
    assert peer.over
    assert peer.heard.goaways[-1] == (0, Code.NO_ERROR)
    peer.leave()


def test_what_is_in_flight_ends_first() -> None:
    peer = Peer()
    peer.open(1)
    peer.open(3, WAIT)
    peer.tell(3, b"slow", end=True)
    draining(peer)
    assert peer.heard.goaways[-1] == (3, Code.NO_ERROR)
    assert not peer.over
    peer.tell(1, b"more", end=True)
    assert (peer.on(1).messages, peer.on(1).status) == ([b"more"], 0)
    assert not peer.over
    peer.settle()
    assert (peer.on(3).messages, peer.on(3).status) == ([b"slow"], 0)
    assert peer.over
    peer.leave()


def test_an_answer_that_waits_for_a_window_is_in_flight_too() -> None:
    peer = Peer((Setting.INITIAL_WINDOW_SIZE, 0))
    peer.ask(1, b"hello")
    draining(peer)
    assert not peer.over
    peer.send(settings((Setting.INITIAL_WINDOW_SIZE, 100)))
    assert (peer.on(1).messages, peer.on(1).status) == ([b"hello"], 0)
    assert peer.over


def test_a_call_that_was_under_way_is_still_served() -> None:
    peer = Peer()
    draining(peer, answers=False)
    peer.send(headers(1, call()), data(1, message(b"crossed"), end=True))
    assert (peer.on(1).messages, peer.on(1).status) == ([b"crossed"], 0)
    peer.send(ping(peer.heard.pings[-1], ack=True))
    assert peer.heard.goaways[-1] == (1, Code.NO_ERROR)
    assert peer.over


def test_a_call_that_comes_later_is_not_begun() -> None:
    peer = Peer()
    peer.open(1)
    draining(peer)
    peer.send(headers(3, call()), data(3, message(b"late"), end=True))
    assert len(peer.calls) == 1
    assert not peer.on(3).heads
    assert peer.on(3).reset in (None, Code.REFUSED_STREAM)
    peer.tell(1, b"x", end=True)
    assert peer.on(1).status == 0
    assert peer.over
    peer.leave()


def test_another_answer_to_a_ping_is_not_taken_for_it() -> None:
    peer = Peer()
    draining(peer, answers=False)
    peer.send(ping(b"another!", ack=True))
    assert not peer.over
    assert peer.ask(1).status == 0


def test_a_reset_of_the_last_call_ends_the_connection() -> None:
    peer = Peer()
    peer.open(1)
    draining(peer)
    peer.send(reset(1))
    assert peer.over
    peer.leave()


def test_to_drain_twice_is_to_drain() -> None:
    peer = Peer()
    peer.open(1)
    draining(peer)
    peer.connection.drain()
    peer.hear()
    peer.tell(1, b"x", end=True)
    assert peer.on(1).status == 0
    assert peer.over


def test_a_connection_that_has_said_nothing_yet_can_be_drained() -> None:
    peer = Peer(greets=False)
    peer.connection.drain()
    peer.hear()
    assert peer.heard.goaways
    peer.leave()


def test_a_connection_that_is_over_can_be_drained() -> None:
    peer = Peer()
    peer.send(ping(b"short"))
    before = len(peer.heard.frames)
    peer.connection.drain()
    peer.hear()
    assert peer.over
    assert len(peer.heard.frames) == before
    peer.leave()
