"""How a connection begins (RFC 9113, section 3.4)."""

import pytest

from harness.http2_blocks import call, message
from harness.http2_frames import (
    PREFACE,
    SETTINGS_ACK,
    Code,
    Frame,
    Kind,
    Part,
    Setting,
    data,
    headers,
    joined,
    ping,
    reset,
    settings,
    window_update,
)
from harness.http2_peer import Peer


def test_the_server_says_its_settings_before_it_has_read_anything() -> None:
    peer = Peer(greets=False)
    assert peer.heard.frames[0].kind == Kind.SETTINGS
    assert peer.heard.settings[Setting.MAX_CONCURRENT_STREAMS] == 10_000
    assert peer.heard.settings[Setting.INITIAL_WINDOW_SIZE] == 1 << 18
    assert peer.heard.settings[Setting.MAX_HEADER_LIST_SIZE] == 1 << 14
    assert peer.heard.settings.get(Setting.MAX_FRAME_SIZE, 16_384) == 16_384
    assert Setting.ENABLE_PUSH not in peer.heard.settings or not peer.heard.settings[Setting.ENABLE_PUSH]
    peer.leave()


def test_the_connection_window_is_widened_to_16_mib_at_once() -> None:
    peer = Peer()
    assert 65_535 + peer.heard.given == 16 << 20


@pytest.mark.parametrize("place", range(1, len(PREFACE) + 9 + 1))
def test_a_preface_may_be_cut_anywhere(place: int) -> None:
    hello = joined([PREFACE, settings()])
    peer = Peer(greets=False)
    peer.send(hello[:place])
    peer.send(hello[place:], SETTINGS_ACK)
    assert peer.heard.acknowledged == 1
    assert peer.ask(1).messages == [b"hello"]


def test_a_first_call_may_come_with_the_preface() -> None:
    peer = Peer(greets=False)
    peer.send(PREFACE, settings(), headers(1, call()), data(1, message(b"early"), end=True))
    assert peer.on(1).messages == [b"early"]
    assert peer.on(1).status == 0


@pytest.mark.parametrize("place", range(len(PREFACE)))
def test_one_wrong_byte_in_the_preface_ends_the_connection(place: int) -> None:
    peer = Peer(greets=False)
    wrong = bytearray(PREFACE)
    wrong[place] ^= 0x20
    peer.send(bytes(wrong), settings(), headers(1, call()))
    assert peer.over
    # The GOAWAY may be left out: the peer may not speak HTTP/2 at all.
    assert peer.heard.goaway in (None, Code.PROTOCOL_ERROR)
    assert not peer.calls


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nhost: test\r\n\r\n",
        b"PRI * HTTP/1.1\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),
        bytes(64),
    ],
)
def test_another_protocol_ends_the_connection(said: bytes) -> None:
    peer = Peer(greets=False)
    peer.send(said)
    assert peer.over


def test_a_wrong_preface_is_not_waited_for_to_its_end() -> None:
    peer = Peer(greets=False)
    peer.send(b"GET")
    assert peer.over


@pytest.mark.parametrize(
    "first",
    [
        headers(1, call()),
        ping(),
        window_update(0, 1),
        data(1, b"x"),
        reset(1),
        Frame(0x77, 0, 0, b"unknown"),
        Frame(Kind.SETTINGS, 0, 0, b"short"),
    ],
)
def test_settings_come_first(first: Part) -> None:
    peer = Peer(greets=False)
    peer.send(PREFACE, first, settings())
    assert peer.over
    assert peer.heard.goaway in (Code.PROTOCOL_ERROR, Code.FRAME_SIZE_ERROR)
    assert not peer.calls


def test_what_follows_the_end_of_a_connection_is_not_read() -> None:
    peer = Peer()
    peer.send(ping(b"short"))
    assert peer.over
    before = len(peer.heard.frames)
    peer.send(headers(1, call(), end=True), ping())
    assert len(peer.heard.frames) == before
    assert not peer.calls
    peer.leave()
