"""How Envoy turns an immediate response into what downstream gets."""

from typing import TypeAlias

import grpc
import pytest

from harness.bootstrap import ext_proc, mode
from harness.gateway import Start
from harness.http1 import Message, request
from harness.say import reply, sets
from harness.scripted import Processor, answers
from harness.upstream import Upstream

JSON = sets(("content-type", "application/json"))
GRPC = ("content-type", "application/grpc")
Method: TypeAlias = "grpc.UnaryUnaryMultiCallable[bytes, bytes]"


@pytest.fixture
def port(start: Start) -> int:
    return start(ext_proc(processing_mode=mode(request_header_mode="SEND")))


def call(port: int) -> Message:
    """A gRPC call over HTTP/1.1: Envoy puts the trailers into the header block."""
    return request(port, "/package.Service/Method", GRPC, method="POST", body=b"")


def test_an_immediate_response_goes_out_as_given(port: int, processor: Processor, upstream: Upstream) -> None:
    processor.script = answers(reply(429, b'{"message":"no"}', JSON, sets(("retry-after", "3"))))
    response = request(port)
    assert (response.status, response.body) == (429, b'{"message":"no"}')
    assert response.get("content-type") == "application/json"
    assert response.get("retry-after") == "3"
    assert upstream.requests == []


@pytest.mark.parametrize("status", [None, 101])
def test_an_immediate_response_with_no_status_or_below_200_is_a_200(
    port: int, processor: Processor, upstream: Upstream, status: int | None
) -> None:
    processor.script = answers(reply(status, b"no"))
    assert request(port).status == 200
    assert upstream.requests == []


def test_a_body_without_a_content_type_is_text(port: int, processor: Processor) -> None:
    processor.script = answers(reply(403, b"no"))
    assert request(port).get("content-type") == "text/plain"


def test_without_a_body_the_content_type_is_removed(port: int, processor: Processor) -> None:
    processor.script = answers(reply(403, b"", JSON))
    response = request(port)
    assert (response.get("content-type"), response.get("content-length")) == (None, "0")


def test_framing_and_server_stay_with_envoy(port: int, processor: Processor) -> None:
    ours = sets(("content-length", "1"), ("server", "x"), ("x-envoy-ours", "x"))
    processor.script = answers(reply(403, b"body", ours))
    response = request(port)
    assert response.body == b"body"
    assert response.get("server") == "envoy"
    assert response.get("x-envoy-ours") is None


def test_cookies_of_a_reply_need_append(port: int, processor: Processor) -> None:
    processor.script = answers(reply(403, b"", sets(("set-cookie", "a"), ("set-cookie", "b"), append=True)))
    assert request(port).all("set-cookie") == ["a", "b"]


def test_a_head_request_gets_the_headers_and_the_length_of_the_body(port: int, processor: Processor) -> None:
    processor.script = answers(reply(403, b"four", JSON))
    response = request(port, method="HEAD")
    assert (response.status, response.body) == (403, b"")
    assert response.get("content-length") == "4"


def test_a_grpc_call_gets_the_grpc_status_and_the_body_as_its_message(port: int, processor: Processor) -> None:
    processor.script = answers(reply(401, b"no token", JSON, sets(("x-kept", "1")), grpc=16))
    response = call(port)
    assert (response.status, response.body) == (200, b"")
    assert response.get("grpc-status") == "16"
    assert response.get("grpc-message") == "no token"
    assert response.get("content-type") == "application/grpc"
    assert response.get("x-kept") == "1"


def test_a_grpc_client_reads_the_message_even_with_unicode_in_it(port: int, processor: Processor) -> None:
    processor.script = answers(reply(429, 'a "b" é'.encode(), grpc=8))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method: Method = channel.unary_unary("/package.Service/Method")
        with pytest.raises(grpc.RpcError) as caught:
            method(b"", timeout=10)
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caught.value.details() == 'a "b" é'


@pytest.mark.parametrize(
    ("status", "grpc_status"), [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (500, 2), (503, 14), (504, 14)]
)
def test_without_a_grpc_status_it_follows_from_the_http_status(
    port: int, processor: Processor, status: int, grpc_status: int
) -> None:
    processor.script = answers(reply(status, b"no"))
    assert call(port).get("grpc-status") == str(grpc_status)


def test_a_grpc_status_changes_nothing_for_a_call_that_is_not_grpc(port: int, processor: Processor) -> None:
    processor.script = answers(reply(401, b"no", grpc=16))
    response = request(port)
    assert (response.status, response.body, response.get("grpc-status")) == (401, b"no", None)
