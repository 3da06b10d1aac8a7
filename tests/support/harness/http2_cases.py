"""Tables of what a peer may do wrong, or oddly but right, and how the engine may take it."""

from collections.abc import Callable, Sequence

import pytest

from harness.http2_frames import Code, Part
from harness.http2_peer import Peer

Expectation = Callable[[Peer], None]
Row = tuple[str, str, Sequence[Part], Expectation]
"""The section of RFC 9113 (or of RFC 7541, with `HPACK` before it), the case in words, what is sent, what follows."""


def table(*rows: Row) -> pytest.MarkDecorator:
    """Parametrizes a test by `sent` and `expects`, each named by its section."""
    cases = [pytest.param(sent, expects, id=f"{section}: {words}") for section, words, sent, expects in rows]
    return pytest.mark.parametrize(("sent", "expects"), cases)


def play(sent: Sequence[Part], expects: Expectation, *, greets: bool = True) -> None:
    """Sends it at once, and once more byte by byte: how it is cut changes nothing."""
    for step in (1 << 30, 1):
        peer = Peer(greets=greets, strict=False, step=step)
        peer.send(*sent)
        expects(peer)
        peer.leave()


def connection_error(*codes: Code) -> Expectation:
    """GOAWAY with one of the codes, and the end of the connection (section 5.4.1)."""

    def expects(peer: Peer) -> None:
        assert peer.heard.goaway in codes
        assert peer.over

    return expects


def stream_error(stream: int, *codes: Code) -> Expectation:
    """RST_STREAM with one of the codes; it may be treated as a connection error (section 5.4.2)."""

    def expects(peer: Peer) -> None:
        if peer.over:
            assert peer.heard.goaway in codes
        else:
            assert peer.on(stream).reset in codes
            assert peer.is_well

    return expects


def malformed(stream: int) -> Expectation:
    """A stream error, perhaps with a 400 in front (section 8.1.1): never a call."""
    error = stream_error(stream, Code.PROTOCOL_ERROR)

    def expects(peer: Peer) -> None:
        answer = peer.on(stream)
        if answer.heads and not peer.over:
            assert answer.http_status == 400
            assert answer.ended
        else:
            error(peer)
        assert not peer.calls

    return expects


def served(stream: int, *messages: bytes) -> Expectation:
    """Every message of an echoing call came back, and the call ended well."""

    def expects(peer: Peer) -> None:
        answer = peer.on(stream)
        assert (answer.messages, answer.status, answer.reset) == (list(messages), 0, None)
        assert peer.is_well

    return expects


def rests(peer: Peer) -> None:
    """Nothing is made of it: the connection goes on, and serves the next call."""
    assert peer.is_well
    assert peer.heard.goaway is None
    answer = peer.ask(0x7FFF_FFFF, b"next")
    assert (answer.messages, answer.status) == ([b"next"], 0)


def any_of(*expectations: Expectation) -> Expectation:
    """Where the RFC leaves the choice."""

    def expects(peer: Peer) -> None:
        failures = list[AssertionError]()
        for one in expectations:
            try:
                one(peer)
            except AssertionError as error:
                failures.append(error)
            else:
                return
        raise failures[0]

    return expects
