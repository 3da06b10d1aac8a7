"""What costs much and brings nothing is bounded: 10,000 at once, then 1,000 a second (RFC 9113, section 10.5)."""

import gc
from types import FunctionType, ModuleType

import pytest

from harness.http2_blocks import call, message, without
from harness.http2_frames import (
    Code,
    Frame,
    Part,
    Setting,
    continuation,
    data,
    headers,
    ping,
    priority,
    reset,
    settings,
    window_update,
)
from harness.http2_peer import Peer
from harness.http2_script import NOWHERE, WAIT
from outrider_envoy.engine.limits import Limits

LIMITS = Limits(credit=500, credit_a_second=0)
OPEN = headers(1, call())


def streams(*parts: Part, count: int = 600) -> list[Part]:
    """The parts once for each of many streams; those made for stream 1."""
    return [
        Frame(part.kind, part.flags, stream, part.payload) if isinstance(part, Frame) else part
        for stream in range(1, 2 * count, 2)
        for part in parts
    ]


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param([settings()] * 600, id="SETTINGS"),
        pytest.param(
            [settings((Setting.INITIAL_WINDOW_SIZE, 1), (Setting.INITIAL_WINDOW_SIZE, 9))] * 600, id="windows"
        ),
        pytest.param([ping()] * 600, id="PING"),
        pytest.param([ping(ack=True)] * 600, id="PING's answers"),
        pytest.param([priority(1)] * 600, id="PRIORITY"),
        pytest.param([Frame(0x99, 0, 0, b"")] * 600, id="unknown kinds"),
        pytest.param([OPEN, *[data(1)] * 600], id="empty DATA"),
        pytest.param([OPEN, *[data(1, b"", pad=9)] * 600], id="padding only"),
        pytest.param([OPEN, *[window_update(1, 1)] * 600], id="WINDOW_UPDATE of a stream"),
        pytest.param([window_update(0, 1)] * 600, id="WINDOW_UPDATE of the connection"),
        pytest.param(streams(OPEN, reset(1)), id="rapid reset"),
        pytest.param(streams(headers(1, call(NOWHERE)), reset(1)), id="rapid reset of refused calls"),
        pytest.param(streams(headers(1, call(WAIT)), data(1, message(b"x")), reset(1)), id="rapid reset of hooks"),
        pytest.param(
            streams(headers(1, call(WAIT)), data(1, message(b"x")), headers(1, b"\x88"), count=1200),
            id="rapid reset of hooks by our own hand",
        ),
        pytest.param([OPEN, reset(1), *[reset(1)] * 600], id="resets of one stream"),
        pytest.param([OPEN, reset(1), *[data(1, b"x")] * 600], id="DATA of a closed stream"),
        pytest.param([headers(1, without(":path")), *[data(1, b"x")] * 600], id="DATA of a stream that was reset"),
        pytest.param(streams(headers(1, without(":path"))), id="malformed requests"),
        pytest.param(streams(OPEN, window_update(1, 0)), id="resets that we are made to send"),
        pytest.param([headers(1, b"", whole=False), *[continuation(1, b"", whole=False)] * 600], id="CONTINUATION"),
    ],
)
def test_a_flood_ends_its_connection(flood: list[Part]) -> None:
    """Also the rapid reset that the server is made to send itself, by frames that it must refuse."""
    peer = Peer(limits=LIMITS, strict=False)
    peer.send(*flood)
    assert peer.over
    assert peer.heard.goaway == Code.ENHANCE_YOUR_CALM
    peer.leave()


def test_a_flood_is_over_for_its_own_connection_only() -> None:
    peer = Peer(limits=LIMITS)
    other = Peer(other=peer)
    peer.send(*[ping()] * 600)
    assert peer.over
    assert other.ask(1).status == 0


def test_what_honest_peers_send_around_messages_is_no_flood() -> None:
    peer = Peer(limits=LIMITS)
    for stream in range(1, 1601, 2):
        peer.send(headers(stream, call()), data(stream, message(b"x")), data(stream, end=True))
        peer.send(window_update(0, 6), ping())
        assert peer.on(stream).status == 0
    assert not peer.over
    peer.leave()


def test_calls_that_are_cancelled_after_their_answer_are_no_flood() -> None:
    """So Envoy ends the streams of requests that it no longer needs an answer for."""
    peer = Peer(limits=LIMITS)
    for stream in range(1, 1601, 2):
        peer.send(headers(stream, call()), data(stream, message(b"x")))
        peer.send(reset(stream))
    assert not peer.over
    peer.leave()


def test_credit_comes_back_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    monkeypatch.setattr("outrider_envoy.engine.floods.time.monotonic", lambda: now)
    peer = Peer(limits=Limits(credit=500, credit_a_second=100))
    for _ in range(20):
        peer.send(*[ping()] * 90)
        now += 1
    assert not peer.over
    peer.send(*[ping()] * 900)
    assert peer.over


def test_credit_is_not_saved_up_without_end() -> None:
    peer = Peer(limits=LIMITS)
    peer.open(1)
    for _ in range(300):
        peer.tell(1, b"x")
    peer.send(*[ping()] * 600)
    assert peer.heard.goaway == Code.ENHANCE_YOUR_CALM


def test_what_floods_make_the_server_say_is_bounded() -> None:
    """All of it is there at once: what a peer does not read waits in memory."""
    peer = Peer(limits=LIMITS)
    peer.send(*[ping()] * 20_000)
    assert len(peer.heard.pongs) <= 501


def test_streams_that_are_over_are_forgotten() -> None:
    peer, sizes = Peer(), list[int]()
    for stream in range(1, 12_001, 2):
        peer.open(stream, NOWHERE, end=True)
        if stream in (6_001, 11_999):
            sizes.append(reachable(peer.connection))
    # Some are remembered for a while: which, and how they ended.
    assert abs(sizes[1] - sizes[0]) < 2_500


def reachable(root: object) -> int:
    """How many objects something holds."""
    found, left = dict[int, object](), [root]
    while left:
        one = left.pop()
        if id(one) not in found and not isinstance(one, type | ModuleType | FunctionType | Peer):
            found[id(one)] = one
            left += gc.get_referents(one)
    return len(found)
