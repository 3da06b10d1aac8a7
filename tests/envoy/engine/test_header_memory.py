"""Header blocks that are remembered must mean what they meant: nothing of one stream shows in another's metadata.

A header block is remembered by its bytes for all connections of a server, and what the same bytes mean depends on the
dynamic table of the connection that they come on (RFC 7541, section 2.2).
"""

from collections.abc import Sequence
from typing import Literal

import pytest
from hpack.exceptions import HPACKError
from hpack.hpack import Decoder
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.http2_blocks import added, call, call_fields, indexed, plain, size_update
from harness.http2_frames import PREFACE, SETTINGS_ACK, Code, headers
from harness.http2_frames import settings as settings_frame
from harness.http2_peer import Peer

FIRST = 62
"""The newest entry of the dynamic table."""
CALL = call()
SAYS_FIRST = CALL + indexed(FIRST)


def before_our_settings(other: Peer | None = None) -> Peer:
    """One that has not read our settings, so that its table may hold 4,096 bytes."""
    peer = Peer(greets=False, shrinks=False, other=other)
    peer.send(PREFACE, settings_frame())
    return peer


def metadata(peer: Peer, stream: int, block: bytes) -> dict[str, str] | None:
    """What the call of a block is told; None where there is no call."""
    before = len(peer.calls)
    peer.send(headers(stream, block, end=True))
    return dict(peer.calls[-1].metadata) if len(peer.calls) > before else None


def test_the_same_bytes_mean_something_else_when_the_table_has_grown() -> None:
    peer = before_our_settings()
    for stream, value in enumerate(("alice", "bob", "carol")):
        peer.send(headers(6 * stream + 1, CALL + added("x-user", value), end=True))
        for repeat in (3, 5):
            found = metadata(peer, 6 * stream + repeat, SAYS_FIRST)
            assert found is not None
            assert found["x-user"] == value
    peer.leave()


def test_the_same_bytes_mean_something_else_on_another_connection() -> None:
    alice = before_our_settings()
    bob = before_our_settings(alice)
    for peer, value in ((alice, "alice"), (bob, "bob")):
        peer.send(headers(1, CALL + added("x-user", value), end=True))
    for stream, peer, value in ((3, alice, "alice"), (3, bob, "bob"), (5, alice, "alice")):
        found = metadata(peer, stream, SAYS_FIRST)
        assert found is not None
        assert found["x-user"] == value


def test_the_same_bytes_are_an_error_once_what_they_name_was_evicted() -> None:
    peer = before_our_settings()
    peer.send(headers(1, CALL + added("x-user", "alice"), end=True))
    assert metadata(peer, 3, SAYS_FIRST) == {**metadata_of(CALL), "x-user": "alice"}
    peer.send(headers(5, size_update(0) + size_update(4096) + CALL, end=True))
    assert metadata(peer, 7, SAYS_FIRST) is None
    assert peer.heard.goaway == Code.COMPRESSION_ERROR
    peer.leave()


def test_the_same_bytes_mean_another_entry_once_one_was_evicted() -> None:
    peer = before_our_settings()
    for stream, value in enumerate(("a" * 1900, "b" * 1900, "c" * 1900)):
        peer.send(headers(4 * stream + 1, CALL + added("x-user", value), end=True))
        found = metadata(peer, 4 * stream + 3, CALL + indexed(FIRST + min(stream, 1)))
        assert found is not None
        assert found["x-user"] == ("a" * 1900, "a" * 1900, "b" * 1900)[stream]
    peer.leave()


def test_a_size_update_counts_each_time_that_its_block_comes() -> None:
    """Were it remembered without its effect, the table would keep what the peer has dropped."""
    peer = before_our_settings()
    shrinks = size_update(0) + size_update(4096) + CALL
    for stream in (1, 7):
        assert metadata(peer, stream, shrinks) is not None
        peer.send(headers(stream + 2, CALL + added("x-user", "alice"), end=True))
        assert metadata(peer, stream + 4, SAYS_FIRST) is not None
    assert metadata(peer, 13, shrinks) is not None
    assert metadata(peer, 15, SAYS_FIRST) is None
    peer.leave()


def test_a_block_that_adds_is_added_each_time() -> None:
    peer = before_our_settings()
    adds = CALL + added("x-user", "alice")
    for stream in (1, 3, 5):
        assert metadata(peer, stream, adds) is not None
    assert metadata(peer, 7, CALL + indexed(FIRST) + indexed(FIRST + 2)) is not None
    assert metadata(peer, 9, CALL + indexed(FIRST + 3)) is None
    peer.leave()


def test_what_was_remembered_with_an_empty_table_is_not_used_with_a_full_one() -> None:
    """`added` under a table of no size changes nothing; under another it does."""
    adds = CALL + added("x-user", "alice")
    shrunk = Peer()
    for stream in (1, 3):
        assert metadata(shrunk, stream, adds) is not None or shrunk.over
    full = before_our_settings(shrunk)
    assert metadata(full, 1, adds) is not None
    found = metadata(full, 3, SAYS_FIRST)
    assert found is not None
    assert found["x-user"] == "alice"


def test_what_a_full_table_taught_is_not_used_with_an_empty_one() -> None:
    full = before_our_settings()
    full.send(headers(1, CALL + added("x-user", "alice"), end=True))
    assert metadata(full, 3, SAYS_FIRST) is not None
    empty = Peer(other=full)
    empty.send(headers(1, CALL, end=True))
    assert metadata(empty, 3, SAYS_FIRST) is None
    assert empty.heard.goaway == Code.COMPRESSION_ERROR


def test_a_block_that_is_wrong_stays_wrong() -> None:
    peer = Peer()
    for stream in (1, 3, 5):
        peer.send(headers(stream, call("/", ("X", "y")), end=True))
        assert peer.on(stream).reset == Code.PROTOCOL_ERROR
    assert not peer.calls
    peer.leave()


@pytest.mark.parametrize(("block", "fits"), [(CALL, False), (plain("x-last", "1"), True)])
def test_trailers_are_not_taken_for_a_call_that_was_remembered(block: bytes, *, fits: bool) -> None:
    """The same bytes, in the two places where a block may stand."""
    peer = Peer()
    for stream in (1, 3, 5):
        peer.open(stream)
        peer.send(headers(stream, block, end=True))
        assert (peer.on(stream).reset is None) == fits
    peer.send(headers(7, block, end=True))
    assert (peer.on(7).reset is None) == (not fits)
    peer.leave()


def test_what_is_remembered_is_bounded() -> None:
    peer = Peer()
    for place in range(1_200):
        stream = 2 * place + 1
        peer.ask(stream, b"x", "/test.Service/Echo", ("x-unique", f"{place:05}" * 100))
    assert len(peer.calls) == 1_200
    assert peer.calls[-1].metadata["x-unique"] == "01199" * 100
    assert sum(len(block) for block in peer.shared.memory) < 4 << 20
    peer.leave()


def _block(sizes: list[int], rest: list[bytes]) -> bytes:
    return b"".join(map(size_update, sizes)) + CALL + b"".join(rest)


Step = tuple[int, Literal["ack"] | bytes]
instructions = st.one_of(
    st.builds(added, st.sampled_from(["x-a", "x-b"]), st.sampled_from(["1", "2", "x" * 900])),
    st.builds(indexed, st.integers(60, 66)),
    st.builds(plain, st.sampled_from(["x-c", 62, 63]), st.sampled_from(["1", "2"])),
    st.just(b""),
)
blocks = st.builds(
    _block,
    st.lists(st.sampled_from([0, 0, 40, 1000, 4096]), max_size=1),
    st.lists(instructions, max_size=3),
)
known = st.sampled_from(
    [CALL, size_update(0) + CALL, SAYS_FIRST, CALL + added("x-a", "1"), CALL + added("x-a", "2"), CALL + indexed(63)]
)
steps = st.lists(st.tuples(st.integers(0, 2), st.one_of(st.just("ack"), known, known, blocks)), max_size=16)


def metadata_of(block: bytes, decoder: Decoder | None = None) -> dict[str, str]:
    """What the reference makes of a block; of a name that comes twice the first value counts."""
    found: dict[str, str] = {}
    for name, value in (decoder or Decoder()).decode(block):
        if not str(name).startswith(":"):
            found.setdefault(str(name), str(value))
    return found


@settings(max_examples=100, deadline=None)
@given(steps=steps)
def test_any_blocks_on_any_connections_mean_what_a_decoder_without_memory_says(steps: Sequence[Step]) -> None:
    peers = [before_our_settings()]
    peers += [before_our_settings(peers[0]) for _ in range(2)]
    decoders = [Decoder() for _ in peers]
    streams = [1, 1, 1]
    for place, block in steps:
        peer, decoder = peers[place], decoders[place]
        if peer.over:
            continue
        if block == "ack":
            peer.send(SETTINGS_ACK)
            decoder.max_allowed_table_size = 0
            continue
        try:
            expected = metadata_of(block, decoder)
        except HPACKError:
            expected = None
        assert metadata(peer, streams[place], block) == expected
        assert (expected is None) == peer.over
        streams[place] += 2


def test_the_fields_of_a_call_are_those_that_were_sent() -> None:
    peer = Peer()
    assert metadata(peer, 1, CALL) == {name: value for name, value in call_fields() if name[0] != ":"}
