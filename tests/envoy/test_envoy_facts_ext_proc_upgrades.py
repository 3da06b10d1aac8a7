"""What the processing modes do to a websocket."""

from collections.abc import Iterator

import pytest

from harness import ask
from harness.bootstrap import ext_authz, ext_proc, mode
from harness.gateway import Start
from harness.peer import Peer, client
from harness.process import until
from harness.say import echoes, proceed, request_headers, response_headers
from harness.scripted import Authorizer, Processor, each
from outrider_envoy.proto.ext_proc_pb2 import ProcessingMode, ProcessingRequest, ProcessingResponse

DUPLEX = "FULL_DUPLEX_STREAMED"
HEADERS = {"request_header_mode": "SEND", "response_header_mode": "SEND"}
TRAILERS = {"request_trailer_mode": "SEND", "response_trailer_mode": "SEND"}
MANAGER = {"upgrade_configs": [{"upgrade_type": "websocket"}]}
ASKS = (
    b"GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
)
AGREES = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
BODIES = ["request_body_mode", "response_body_mode"]
STREAMING = [{side: name} for side in BODIES for name in ("STREAMED", DUPLEX)]


def gateway(start: Start, processor: Processor, peer: Peer, given: dict[str, str], *, lessens: str = "") -> int:
    """`lessens` is the kind of message whose answer says NONE to both bodies."""
    nothing = ProcessingMode()
    overrides = {
        "request_headers": request_headers(mode=nothing),
        "response_headers": response_headers(mode=nothing),
    }

    def answer(message: ProcessingRequest) -> Iterator[ProcessingResponse]:
        kind = message.WhichOneof("request")
        duplex = given.get(f"{kind}_mode") == DUPLEX
        yield overrides[kind] if kind and kind == lessens else (echoes if duplex else proceed)(message)

    processor.script = each(answer)
    sent = mode(**{**HEADERS, **(TRAILERS if DUPLEX in given.values() else {}), **given})
    filters = ext_proc(processing_mode=sent, allow_mode_override=True, message_timeout="1s")
    return start(filters, clusters=[peer.cluster], manager=MANAGER)


def talk(port: int, peer: Peer) -> None:
    """A websocket is opened, and both sides hear each other."""
    with client(port).send(ASKS) as downstream:
        upstream = peer.accept().send(AGREES)
        assert b"upgrade: websocket" in upstream.head
        assert downstream.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        downstream.send(b"ping")
        assert upstream.until(b"ping") == b"ping"
        upstream.send(b"pong")
        assert downstream.until(b"pong") == b"pong"


@pytest.mark.parametrize("given", [{}, {"response_trailer_mode": "SEND"}], ids=["headers", "trailers"])
def test_without_bodies_a_websocket_passes_and_its_101_is_a_message(
    start: Start, processor: Processor, peer: Peer, given: dict[str, str]
) -> None:
    talk(gateway(start, processor, peer, given), peer)
    assert processor.stream.kinds == ["request_headers", "response_headers"]
    fields = ask.received(processor.stream.received[1].response_headers.headers)
    assert {field.key: field.raw_value for field in fields}[":status"] == b"101"


@pytest.mark.parametrize("given", STREAMING)
def test_a_websocket_passes_through_streamed_bodies_as_chunks(
    start: Start, processor: Processor, peer: Peer, given: dict[str, str]
) -> None:
    talk(gateway(start, processor, peer, given), peer)
    (side,) = given
    # Envoy 1.36 sends an empty chunk first in FULL_DUPLEX_STREAMED.
    bodies = [getattr(message, side.removesuffix("_mode")).body for message in processor.stream.received]
    assert b"".join(bodies) == (b"ping" if side == "request_body_mode" else b"pong")


def test_a_buffered_request_body_keeps_an_upgrade_from_upstream(
    start: Start, processor: Processor, peer: Peer
) -> None:
    port = gateway(start, processor, peer, {"request_body_mode": "BUFFERED"})
    with client(port).send(ASKS):
        until(lambda: processor.streams and processor.stream.received)
        assert not peer.reached(0.5)


def test_a_buffered_response_body_keeps_the_101_from_downstream(
    start: Start, processor: Processor, peer: Peer
) -> None:
    with client(gateway(start, processor, peer, {"response_body_mode": "BUFFERED"})).send(ASKS) as downstream:
        peer.accept().send(AGREES).send(b"pong")
        until(lambda: processor.streams and "response_headers" in processor.stream.kinds)
        assert not downstream.hears(0.5)


@pytest.mark.parametrize("name", ["STREAMED", "BUFFERED"])
@pytest.mark.parametrize("side", BODIES)
def test_a_mode_override_in_the_request_answer_lets_a_websocket_pass(
    start: Start, processor: Processor, peer: Peer, side: str, name: str
) -> None:
    talk(gateway(start, processor, peer, {side: name}, lessens="request_headers"), peer)
    assert processor.stream.kinds == ["request_headers", "response_headers"]


@pytest.mark.parametrize("name", ["STREAMED", "BUFFERED"])
def test_a_mode_override_in_the_answer_to_the_101_lets_a_websocket_pass(
    start: Start, processor: Processor, peer: Peer, name: str
) -> None:
    talk(gateway(start, processor, peer, {"response_body_mode": name}, lessens="response_headers"), peer)
    assert processor.stream.kinds == ["request_headers", "response_headers"]


@pytest.mark.parametrize("given", [{}, {"response_body_mode": "BUFFERED"}, {"response_body_mode": "STREAMED"}])
def test_a_refused_upgrade_is_an_ordinary_response(
    start: Start, processor: Processor, peer: Peer, given: dict[str, str]
) -> None:
    with client(gateway(start, processor, peer, given)).send(ASKS) as downstream:
        peer.accept().send(b"HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nnope")
        assert downstream.until(b"\r\n").startswith(b"HTTP/1.1 403")
        downstream.until(b"nope")
    assert ("response_body" in processor.stream.kinds) == bool(given)


def test_ext_authz_checks_an_upgrade_at_once_though_it_asks_for_bodies(
    start: Start, authorizer: Authorizer, peer: Peer
) -> None:
    limits = {"max_request_bytes": 5, "pack_as_bytes": True}
    talk(start(ext_authz(with_request_body=limits), clusters=[peer.cluster], manager=MANAGER), peer)
    assert authorizer.check.request.http.raw_body == b""
