"""Header blocks that can't be read, and large ones (RFC 7541; RFC 9113, sections 4.3 and 10.5.1)."""

import time
from collections.abc import Sequence

import pytest

from harness.http2_blocks import added, call, indexed, integer, message, never, plain, size_update, text
from harness.http2_cases import Expectation, connection_error, play, served, table
from harness.http2_frames import (
    FRAME_LIMIT,
    PREFACE,
    SETTINGS_ACK,
    Code,
    Part,
    Setting,
    continuation,
    data,
    headers,
    settings,
)
from harness.http2_peer import Peer

BAD = connection_error(Code.COMPRESSION_ERROR)
HELLO_ENDS = data(1, message(b"hello"), end=True)


def block(*instructions: bytes) -> list[Part]:
    """A request whose block ends so."""
    return [headers(1, call() + b"".join(instructions)), HELLO_ENDS]


def coded(raw: bytes) -> bytes:
    """A field with a value in Huffman's code."""
    return b"\0" + text("x-coded") + text(raw, huffman=True)


@table(
    ("HPACK 2.3.3", "an index behind both tables", block(indexed(62)), BAD),
    ("HPACK 2.3.3", "an index far behind both tables", block(indexed(1 << 20)), BAD),
    ("HPACK 2.3.3", "the name of such an index", block(plain(70, "x")), BAD),
    ("HPACK 2.3.3", "the name of such an index, to be added", block(added(70, "x")), BAD),
    ("HPACK 4.2", "a size update behind a field", block(size_update(0)), BAD),
    ("HPACK 4.2", "a size update at the very end", block(plain("x", "y"), size_update(0)), BAD),
    ("HPACK 5.1", "an integer without an end", block(b"\xff" * 20), BAD),
    ("HPACK 5.1", "an integer of many bytes that are worth nothing", block(b"\xff" + b"\x80" * 60 + b"\0"), BAD),
    ("HPACK 5.1", "an integer that stops", block(b"\xff\x80"), BAD),
    ("HPACK 5.2", "a name longer than the block", block(b"\0" + integer(200, 7) + b"abc"), BAD),
    ("HPACK 5.2", "a value longer than the block", block(b"\0\1a" + integer(2, 7) + b"x"), BAD),
    ("HPACK 5.2", "a field without a value", block(b"\0\1a"), BAD),
    ("HPACK 5.2", "a field without a name", block(b"\0"), BAD),
    ("HPACK 5.2", "Huffman's padding of eight bits", block(coded(b"\x1f\xff")), BAD),
    ("HPACK 5.2", "Huffman's padding of zeros", block(coded(b"\x18")), BAD),
    ("HPACK 5.2", "Huffman's end in the text", block(coded(b"\xff\xff\xff\xff")), BAD),
    ("HPACK 5.2", "Huffman's end in the text, and more", block(coded(b"\x1f\xff\xff\xff\xff\xff")), BAD),
    ("HPACK 5.2", "Huffman's code cut off", block(coded(b"\xff\xc0")), BAD),
    ("HPACK 5.2", "Huffman's code of nothing", block(coded(b"")), served(1, b"hello")),
    ("HPACK 5.2", "Huffman's code of an a", block(coded(b"\x1f")), served(1, b"hello")),
    ("HPACK 6.1", "index 0", block(indexed(0)), BAD),
    ("HPACK 6.2.3", "a field that nobody may index", block(never("authorization", "secret")), served(1, b"hello")),
    ("HPACK 6.3", "a table larger than the settings allow", [headers(1, size_update(4097) + call())], BAD),
    ("HPACK 6.3", "a table much larger", [headers(1, size_update(1 << 30) + call())], BAD),
    ("4.3", "a block that is cut off", [headers(1, call()[:-1])], BAD),
    ("4.3", "a wrong block of trailers", [headers(1, call()), headers(1, b"\xff", end=True)], BAD),
    (
        "4.3",
        "a wrong block on a stream that is closed",
        [*block(), headers(1, b"\xff", end=True)],
        connection_error(*Code),
    ),
    ("4.3", "a wrong block in pieces", [headers(1, call(), whole=False), continuation(1, b"\xff")], BAD),
)
def test_a_block_that_can_not_be_read_ends_the_connection(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


def test_an_index_into_the_static_table_is_read() -> None:
    peer = Peer()
    fields = [indexed(3), indexed(6), plain(4, "/test.Service/Echo"), plain(1, "test"), plain(31, "application/grpc")]
    peer.send(headers(1, b"".join(fields) + indexed(16)), HELLO_ENDS)
    assert peer.on(1).messages == [b"hello"]
    assert peer.calls[0].metadata["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("value", [0, 1, 1024])
def test_a_response_begins_with_a_size_update_when_the_peer_made_the_table_smaller(value: int) -> None:
    """Heard asserts it: Envoy's nghttp2 ends a connection that lacks it (RFC 9113, section 4.3.1)."""
    peer = Peer((Setting.HEADER_TABLE_SIZE, value))
    for stream in (1, 3, 5):
        assert peer.ask(stream).status == 0


def test_a_table_that_is_made_smaller_later_is_answered_so_too() -> None:
    peer = Peer()
    assert peer.ask(1).status == 0
    peer.send(settings((Setting.HEADER_TABLE_SIZE, 0)), settings((Setting.HEADER_TABLE_SIZE, 4096)))
    assert peer.ask(3).status == 0
    peer.send(settings((Setting.HEADER_TABLE_SIZE, 77)))
    peer.open(5, "/test.Service/Nowhere")
    assert peer.on(5).status == 12


def test_a_table_that_was_not_emptied_after_our_settings_ends_the_connection() -> None:
    peer = Peer(greets=False, shrinks=False)
    peer.send(PREFACE, settings(), headers(1, call() + added("x-before", "1"), end=True))
    assert not peer.over
    peer.send(SETTINGS_ACK, headers(3, call(), end=True))
    assert peer.heard.goaway == Code.COMPRESSION_ERROR
    peer.leave()


def test_nothing_is_found_in_the_table_once_it_was_emptied() -> None:
    peer = Peer(greets=False, shrinks=False)
    peer.send(PREFACE, settings(), headers(1, call() + added("x-before", "1"), end=True), SETTINGS_ACK)
    peer.send(headers(3, size_update(0) + call(), end=True))
    assert not peer.over
    peer.send(headers(5, call() + indexed(62), end=True))
    assert peer.heard.goaway == Code.COMPRESSION_ERROR


def in_frames(block: bytes, *, size: int = FRAME_LIMIT) -> list[Part]:
    """A block over as many frames as it takes."""
    cut = [block[place : place + size] for place in range(0, len(block), size)]
    rest = [continuation(1, piece, whole=False) for piece in cut[1:]]
    return [headers(1, cut[0], whole=False, end=True), *rest, continuation(1, b"")]


def test_a_list_of_almost_16_kib_is_taken() -> None:
    peer = Peer()
    peer.send(*in_frames(call() + plain("x-long", "y" * 15_000), size=4_000))
    assert peer.calls[0].metadata["x-long"] == "y" * 15_000
    assert not peer.over


@pytest.mark.parametrize(
    "bomb",
    [
        pytest.param(plain("x", "y" * 70_000), id="one long value"),
        pytest.param(plain("x", "y") * 8_000, id="many short fields"),
        pytest.param(plain("", "") * 20_000, id="many empty fields"),
        pytest.param(indexed(16) * 60_000, id="one entry many times"),
        pytest.param(added("x", "y" * 4_000) + indexed(62) * 60_000, id="one long entry many times"),
        pytest.param(added("x", "y" * 30) * 1_500, id="many entries"),
    ],
)
def test_a_list_that_is_too_long_is_no_call_and_costs_little(bomb: bytes) -> None:
    """It is a stream error, a connection error, or a 431; and it is never held whole."""
    peer = Peer(greets=False, shrinks=False)
    peer.send(PREFACE, settings())
    before = time.process_time()
    peer.send(*in_frames(call() + bomb))
    assert time.process_time() - before < 2
    assert not peer.calls
    answer = peer.on(1)
    assert peer.over or answer.reset or answer.http_status == 431 or answer.status == 8
    peer.leave()


def test_a_block_of_size_updates_costs_little() -> None:
    peer = Peer(greets=False, shrinks=False)
    peer.send(PREFACE, settings())
    before = time.process_time()
    peer.send(*in_frames(size_update(0) * 60_000 + call()))
    assert time.process_time() - before < 2
    peer.leave()


@pytest.mark.parametrize("size", [0, 1])
def test_a_block_in_too_many_pieces_ends_the_connection(size: int) -> None:
    peer = Peer()
    pieces: list[Part] = [continuation(1, b"\x20"[:size], whole=False)] * 20_000
    peer.send(headers(1, b"", whole=False), *pieces)
    assert peer.heard.goaway == Code.ENHANCE_YOUR_CALM
    assert peer.over
    peer.leave()


def test_a_block_that_never_ends_ends_the_connection() -> None:
    peer = Peer()
    peer.send(headers(1, b"", whole=False), *[continuation(1, bytes(FRAME_LIMIT), whole=False)] * 8)
    assert peer.over
    assert peer.heard.goaway in (Code.ENHANCE_YOUR_CALM, Code.COMPRESSION_ERROR)
    peer.leave()


def test_the_values_of_headers_are_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    peer = Peer()
    peer.ask(1, b"body-secret", "/test.Service/Fail", ("authorization", "head-secret"))
    peer.send(headers(3, call("/path-secret", ("cookie", "cookie-secret"), ("Bad", "bad-secret"))))
    peer.send(headers(5, call("/", ("x", "late-secret")) + b"\xff"))
    peer.leave()
    assert "secret" not in caplog.text
