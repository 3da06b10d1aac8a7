"""A gRPC client over HTTP/2: a refusal is a status and a message in its own terms."""

from collections.abc import Iterator

import grpc
import pytest

from harness import http1
from harness.outrider import Outrider
from harness.upstream import Upstream

GRPC = ("content-type", "application/grpc")

ENVOY = pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])  # Kong's stand-in speaks no HTTP/2


@pytest.fixture
def channel(gateway: Outrider) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        yield channel


def refusal(channel: grpc.Channel, method: str, *metadata: tuple[str, str]) -> grpc.RpcError:
    call = channel.unary_unary(method, bytes, bytes)
    with pytest.raises(grpc.RpcError) as refused:
        call(b"", metadata=metadata, timeout=15)
    return refused.value


@ENVOY
@pytest.mark.parametrize(
    ("method", "metadata", "code", "message"),
    [
        ("/orders/Get", [], grpc.StatusCode.UNAUTHENTICATED, "Unauthorized"),
        ("/tokens/Get", [("authorization", "Bearer bad")], grpc.StatusCode.UNAUTHENTICATED, "Unauthorized"),
        ("/script/Get", [("x-script", "refuse 403")], grpc.StatusCode.PERMISSION_DENIED, "Scripted"),
        ("/script/Get", [("x-script", "refuse 429")], grpc.StatusCode.RESOURCE_EXHAUSTED, "Scripted"),
        ("/script/Get", [("x-script", "raise")], grpc.StatusCode.INTERNAL, "The request could not be checked"),
        ("/script/Get", [("x-script", "wait 30")], grpc.StatusCode.UNAVAILABLE, "The request took too long to check"),
    ],
)
def test_a_refusal_is_a_status_with_its_message(
    channel: grpc.Channel,
    upstream: Upstream,
    method: str,
    metadata: list[tuple[str, str]],
    code: grpc.StatusCode,
    message: str,
) -> None:
    error = refusal(channel, method, *metadata)
    assert (error.code(), error.details()) == (code, message)
    assert not upstream.requests


@ENVOY
def test_a_call_that_no_route_takes_is_unimplemented_or_not_found(channel: grpc.Channel, upstream: Upstream) -> None:
    error = refusal(channel, "/nowhere/Get")
    assert error.code() in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND}
    assert not upstream.requests


def test_on_the_wire_a_refused_call_is_200_with_trailers_in_the_headers(gateway: Outrider) -> None:
    response: http1.Message = gateway.request("/orders", GRPC, method="POST", body=b"")
    assert (response.status, response.body) == (200, b"")
    assert (response.get("grpc-status"), response.get("grpc-message")) == ("16", "Unauthorized")
    assert response.get("content-type") == "application/grpc"
    assert response.get("x-request-id")


@pytest.mark.parametrize("kind", ["application/grpc-web", "application/json", "application/grpcx"])
def test_what_only_looks_like_a_call_is_refused_as_any_request(gateway: Outrider, kind: str) -> None:
    assert gateway.request("/orders", ("content-type", kind), method="POST", body=b"").status == 401
