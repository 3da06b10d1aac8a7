"""What Envoy sends to a worker, as bytes."""

from collections.abc import Mapping
from pathlib import Path

from google.protobuf.message import Message

from harness import ask
from outrider_envoy.proto.ext_authz_pb2 import CheckRequest
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest
from outrider_envoy.selection import ROUTE_KEY

PROCESS = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
CHECK = "/envoy.service.auth.v3.Authorization/Check"

PATH, HOST, CLIENT = "/orders/1?expand=lines", "api.example.com", "203.0.113.9"
USUAL = {
    "user-agent": "curl/8.5.0",
    "accept": "*/*",
    "x-request-id": "0e3a613f-ea06-447f-8c24-e4f0d0161667",
    "x-forwarded-for": CLIENT,
    "x-forwarded-proto": "http",
    "content-type": "application/json",
}
"""The headers of a GET when they reach the plugins."""


def opening(route: str) -> list[tuple[str, str]]:
    """The header fields of an ext_proc call."""
    pseudo = [(":method", "POST"), (":scheme", "http"), (":path", PROCESS), (":authority", "outrider_workers")]
    return [*pseudo, ("content-type", "application/grpc"), ("te", "trailers"), (ROUTE_KEY, route)]


def request_headers(headers: Mapping[str, str]) -> ProcessingRequest:
    """The message that the headers of a GET come in."""
    attributes = {"source.address": f"{CLIENT}:4711"}
    message = ask.request_headers(*_fields(headers), path=PATH, host=HOST, end=True, attributes=attributes)
    message.protocol_config.SetInParent()
    return message


def response_headers() -> ProcessingRequest:
    """The message that the headers of upstream's answer come in."""
    return ask.response_headers(("content-type", "application/json"), ("content-length", "2"))


def check(headers: Mapping[str, str]) -> CheckRequest:
    """The message of ext_authz for the same request."""
    return ask.check(*_fields(headers), path=PATH, host=HOST, client=CLIENT)


def framed(*messages: Message) -> bytes:
    """Messages one behind the other, each as a Length-Prefixed-Message of gRPC over HTTP/2."""
    raw = [message.SerializeToString() for message in messages]
    return b"".join(b"\0" + len(one).to_bytes(4, "big") + one for one in raw)


def body_file(folder: Path, name: str, *messages: Message) -> Path:
    """The same in a file."""
    file = folder / f"{name}.grpc"
    file.write_bytes(framed(*messages))
    return file


def _fields(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return list({**USUAL, **headers}.items())
