"""What a gRPC client sees of a stream that a hook on chunks lets on, refuses and ends.

Upstreams are spoken to in HTTP/1.1, without trailers: so no stream ends well here.
"""

from collections.abc import Iterator

import grpc
import pytest

from harness.streaming import CHUNKS, Streams

FRAME = b"\x00\x00\x00\x00\x05hello"
"""One message of a gRPC stream: not compressed, its length, itself."""


@pytest.fixture
def channel(streams: Streams) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{streams.gateway.port}") as channel:
        yield channel


def test_messages_of_both_sides_alternate(streams: Streams, channel: grpc.Channel) -> None:
    heard: list[bytes] = []

    def says() -> Iterator[bytes]:
        yield b"hello"
        yield b"again"

    call = channel.stream_stream("/observed/Talk", bytes, bytes)(says(), timeout=15)
    upstream = streams.peer.accept()
    upstream.until(FRAME)
    upstream.send(CHUNKS.replace(b"\r\n\r\n", b"\r\ncontent-type: application/grpc\r\n\r\n")).chunk(FRAME)
    heard.append(next(call))
    upstream.until(b"again")
    upstream.chunk(FRAME)
    heard.append(next(call))
    assert heard == [b"hello", b"hello"]
    call.cancel()


def test_a_stream_that_a_hook_refuses_has_its_status(streams: Streams, channel: grpc.Channel) -> None:
    call = channel.stream_stream("/chunked/Talk", bytes, bytes)
    with pytest.raises(grpc.RpcError) as refused:
        next(call(iter([b"one!"]), metadata=(("x-request-chunk", "abort 413"),), timeout=15))
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "Enough")


def test_a_stream_that_a_hook_ends_in_the_middle_is_an_error_and_no_end(
    streams: Streams, channel: grpc.Channel
) -> None:
    call = channel.unary_stream("/chunked/Talk", bytes, bytes)(
        b"hello", metadata=(("x-response-chunk", "raise"),), timeout=15
    )
    upstream = streams.peer.accept()
    upstream.send(CHUNKS.replace(b"\r\n\r\n", b"\r\ncontent-type: application/grpc\r\n\r\n")).chunk(FRAME)
    assert next(call) == b"hello"
    upstream.chunk(FRAME.replace(b"hello", b"hell!"))
    with pytest.raises(grpc.RpcError) as ended:
        next(call)
    assert ended.value.code() != grpc.StatusCode.OK
