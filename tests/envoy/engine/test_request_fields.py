"""Requests that are malformed (RFC 9113, section 8), and those that are no gRPC."""

from collections.abc import Sequence

import pytest

from harness.http2_blocks import Field, call, instead, message, plain, without
from harness.http2_cases import Expectation, malformed, play, rests, served, stream_error, table
from harness.http2_frames import Code, Part, data, headers
from harness.http2_peer import Peer

BAD = malformed(1)
BROKEN = stream_error(1, Code.PROTOCOL_ERROR)
HELLO = message(b"hello")


def request(block: bytes) -> list[Part]:
    return [headers(1, block), data(1, HELLO, end=True)]


def with_fields(*more: Field) -> list[Part]:
    return request(call("/test.Service/Echo", *more))


OK = served(1, b"hello")


@table(
    ("8.2.1", "a name in upper case", with_fields(("X-Upper", "x")), BAD),
    ("8.2.1", "one upper-case letter", with_fields(("x-uppeR", "x")), BAD),
    ("8.2.1", "a pseudo-header in upper case", request(without(":path", (":Path", "/"))), BAD),
    ("8.2.1", "a name with a space", with_fields(("x y", "x")), BAD),
    ("8.2.1", "a name with a colon inside", with_fields(("x:y", "x")), BAD),
    ("8.2.1", "a name with a NUL", with_fields(("x\0y", "x")), BAD),
    ("8.2.1", "a name with a line's end", with_fields(("x\r\ny", "x")), BAD),
    ("8.2.1", "a name with a DEL", with_fields(("x\x7f", "x")), BAD),
    ("8.2.1", "a name beyond ASCII", with_fields(("x\xff", "x")), BAD),
    ("8.2.1", "an empty name", with_fields(("", "x")), BAD),
    ("8.2.1", "a value with a NUL", with_fields(("x", "a\0b")), BAD),
    ("8.2.1", "a value with a CR", with_fields(("x", "a\rb")), BAD),
    ("8.2.1", "a value with an LF", with_fields(("x", "a\nb")), BAD),
    ("8.2.1", "a value that begins with a space", with_fields(("x", " a")), BAD),
    ("8.2.1", "a value that ends with a space", with_fields(("x", "a ")), BAD),
    ("8.2.1", "a value that begins with a tab", with_fields(("x", "\ta")), BAD),
    ("8.2.1", "a value that ends with a tab", with_fields(("x", "a\t")), BAD),
    ("8.2.1", "a path with a line's end", request(instead(":path", "/a\r\nb")), BAD),
    ("8.2.2", "connection", with_fields(("connection", "close")), BAD),
    ("8.2.2", "proxy-connection", with_fields(("proxy-connection", "close")), BAD),
    ("8.2.2", "keep-alive", with_fields(("keep-alive", "5")), BAD),
    ("8.2.2", "transfer-encoding", with_fields(("transfer-encoding", "chunked")), BAD),
    ("8.2.2", "upgrade", with_fields(("upgrade", "h2c")), BAD),
    ("8.2.2", "te of more than trailers", request(instead("te", "trailers, deflate")), BAD),
    ("8.2.2", "te of something else", request(instead("te", "gzip")), BAD),
    ("8.3", "a pseudo-header that nobody knows", request(plain(":unknown", "x") + call()), BAD),
    ("8.3", "a pseudo-header of responses", request(plain(":status", "200") + call()), BAD),
    ("8.3", "one behind a plain field", request(without(":path", (":path", "/test.Service/Echo"))), BAD),
    ("8.3", ":method twice", request(plain(":method", "POST") + call()), BAD),
    ("8.3", ":scheme twice", request(plain(":scheme", "http") + call()), BAD),
    ("8.3", ":path twice", request(plain(":path", "/test.Service/Echo") + call()), BAD),
    ("8.3", ":authority twice", request(plain(":authority", "test") + call()), BAD),
    ("8.3.1", "no :method", request(without(":method")), BAD),
    ("8.3.1", "no :scheme", request(without(":scheme")), BAD),
    ("8.3.1", "no :path", request(without(":path")), BAD),
    ("8.3.1", "an empty :path", request(instead(":path", "")), BAD),
    ("8.1", "no fields at all", [headers(1, b"", end=True)], BAD),
)
def test_a_malformed_request_is_no_call(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


@table(
    ("8.2.1", "an empty value", with_fields(("x", "")), OK),
    ("8.2.1", "tabs and spaces inside of a value", with_fields(("x", "a \t b")), OK),
    ("8.2.1", "a value beyond ASCII", with_fields(("x", "\xe9\xff")), OK),
    ("8.2.1", "every character that a name may have", with_fields(("!#$%&'*+-.^_`|~09az", "x")), OK),
    ("8.2.2", "no te", request(without("te")), OK),
    ("8.3.1", "no :authority", request(without(":authority")), OK),
    ("8.3.1", "host instead of :authority", request(without(":authority", ("host", "test"))), OK),
    ("8.2.3", "cookies in pieces", with_fields(("cookie", "a=1"), ("cookie", "b=2")), OK),
    ("8.1.1", "the right content-length", with_fields(("content-length", str(len(HELLO)))), OK),
    ("8.1.1", "too small a content-length", with_fields(("content-length", "3")), BROKEN),
    ("8.1.1", "too large a content-length", with_fields(("content-length", "99")), BROKEN),
    ("8.1.1", "a content-length of 0", with_fields(("content-length", "0")), BROKEN),
    (
        "8.1.1",
        "a content-length, and no body",
        [headers(1, call("/test.Service/Echo", ("content-length", "5")), end=True)],
        BROKEN,
    ),
    ("8.1.1", "a content-length that is no number", with_fields(("content-length", "ten")), BROKEN),
    ("8.1.1", "a content-length below 0", with_fields(("content-length", "-10")), BROKEN),
    ("8.1.1", "a content-length with a plus", with_fields(("content-length", "+10")), BROKEN),
    ("8.1.1", "a content-length with digits of other scripts", with_fields(("content-length", "1\xb2")), BROKEN),
    ("8.1.1", "an endless content-length", with_fields(("content-length", "9" * 5000)), BROKEN),
    ("8.1.1", "two that differ", with_fields(("content-length", "10"), ("content-length", "11")), BROKEN),
    (
        "8.1.1",
        "padding, which is no content",
        [headers(1, call("/test.Service/Echo", ("content-length", "10"))), data(1, HELLO, pad=90, end=True)],
        OK,
    ),
    ("8.1", "a second block without END_STREAM", [headers(1, call()), headers(1, plain("x", "y"))], BROKEN),
    ("8.1", "a second request", [headers(1, call()), headers(1, call())], BROKEN),
    (
        "8.1",
        "trailers",
        [headers(1, call()), data(1, HELLO), headers(1, plain("x-last", "y"), end=True)],
        OK,
    ),
    (
        "8.1",
        "trailers with a pseudo-header",
        [headers(1, call()), data(1, HELLO), headers(1, plain(":path", "/"), end=True)],
        BROKEN,
    ),
    (
        "8.1",
        "trailers with a name in upper case",
        [headers(1, call()), data(1, HELLO), headers(1, plain("X", "y"), end=True)],
        BROKEN,
    ),
    (
        "8.1",
        "trailers short of the content-length",
        [headers(1, call("/test.Service/Echo", ("content-length", "9"))), headers(1, plain("x", "y"), end=True)],
        BROKEN,
    ),
)
def test_what_is_well_formed_and_what_not(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


def refused(http_status: int) -> Expectation:
    """A plain HTTP answer, as a gRPC server gives to what is no gRPC."""

    def expects(peer: Peer) -> None:
        assert peer.on(1).http_status == http_status
        assert peer.on(1).ended
        assert not peer.calls
        rests(peer)

    return expects


@table(
    ("gRPC", "GET", request(instead(":method", "GET")), refused(405)),
    ("gRPC", "PUT", request(instead(":method", "PUT")), refused(405)),
    ("gRPC", "a method in lower case", request(instead(":method", "post")), refused(405)),
    ("gRPC", "no content-type", request(without("content-type")), refused(415)),
    ("gRPC", "another content-type", request(instead("content-type", "application/json")), refused(415)),
    ("gRPC", "one that only begins so", request(instead("content-type", "application/grpcx")), refused(415)),
    ("gRPC", "gRPC-web", request(instead("content-type", "application/grpc-web")), refused(415)),
    ("gRPC", "+proto", request(instead("content-type", "application/grpc+proto")), OK),
    ("gRPC", "parameters", request(instead("content-type", "application/grpc;charset=utf-8")), OK),
)
def test_what_is_no_grpc_gets_an_http_status(sent: Sequence[Part], expects: Expectation) -> None:
    play(sent, expects)


def test_no_path_but_the_right_one_is_a_method() -> None:
    right = "/test.Service/Echo"
    for path in (right[1:], right + "/", right.lower(), "/" + right, right + "?x", "http://test" + right, "*", "/"):
        peer = Peer()
        peer.open(1, path)
        assert peer.on(1).status == 12
        assert peer.on(1).heads[0][":status"] == "200"
        assert len(peer.on(1).heads) == 1
        peer.leave()


def test_metadata_comes_as_it_was_sent() -> None:
    peer = Peer()
    peer.ask(1, b"x", "/test.Service/Echo", ("outrider-route", "orders"), ("x-odd", "caf\xe9"), ("x-empty", ""))
    metadata = peer.calls[0].metadata
    assert metadata["outrider-route"] == "orders"
    assert not metadata["x-empty"]


def test_of_a_name_that_comes_twice_the_first_value_counts_as_with_grpcio() -> None:
    peer = Peer()
    peer.ask(1, b"x", "/test.Service/Echo", ("outrider-route", "first"), ("outrider-route", "second"))
    assert peer.calls[0].metadata["outrider-route"] == "first"


@pytest.mark.parametrize("name", [":path", ":method", ":scheme", ":authority"])
def test_a_pseudo_header_is_no_metadata(name: str) -> None:
    peer = Peer()
    peer.ask(1)
    assert name not in peer.calls[0].metadata
