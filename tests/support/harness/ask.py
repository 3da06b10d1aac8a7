"""What an Envoy sends, in as few words as tests need."""

from collections.abc import Iterable, Mapping, Sequence

from outrider_envoy.proto.core_pb2 import HeaderMap, HeaderValue
from outrider_envoy.proto.ext_authz_pb2 import CheckRequest
from outrider_envoy.proto.ext_proc_pb2 import (
    HttpBody,
    HttpHeaders,
    HttpTrailers,
    ProcessingMode,
    ProcessingRequest,
    ProtocolConfiguration,
)
from outrider_envoy.reading import ATTRIBUTES

Fields = Sequence[tuple[str, str | bytes]]
Mode = ProcessingMode.BodySendMode


def header_map(fields: Iterable[tuple[str, str | bytes]]) -> bytes:
    """Headers as Envoy sends them: in `raw_value`."""
    values = [
        HeaderValue(key=key, raw_value=value.encode() if isinstance(value, str) else value) for key, value in fields
    ]
    return HeaderMap(headers=values).SerializeToString()


def received(raw: bytes) -> Sequence[HeaderValue]:
    """The fields of a HeaderMap that Envoy sent."""
    return HeaderMap.FromString(raw).headers


def request_headers(
    *fields: tuple[str, str | bytes],
    method: str = "GET",
    path: str = "/",
    host: str = "shop.example",
    end: bool = False,
    modes: tuple[Mode, Mode] | None = None,
    attributes: Mapping[str, str] | None = None,
) -> ProcessingRequest:
    """`modes` are what Envoy announces for both bodies."""
    pseudo = [(":method", method), (":path", path), (":authority", host), (":scheme", "http")]
    message = ProcessingRequest(
        request_headers=HttpHeaders(headers=header_map([*pseudo, *fields]), end_of_stream=end)
    )
    for name, value in (attributes or {}).items():
        message.attributes[ATTRIBUTES].fields[name].string_value = value
    if modes is not None:
        message.protocol_config.MergeFrom(
            ProtocolConfiguration(request_body_mode=modes[0], response_body_mode=modes[1])
        )
    return message


def response_headers(
    *fields: tuple[str, str | bytes], status: str | None = "200", end: bool = False
) -> ProcessingRequest:
    pseudo = [] if status is None else [(":status", status)]
    return ProcessingRequest(response_headers=HttpHeaders(headers=header_map([*pseudo, *fields]), end_of_stream=end))


def request_body(body: bytes = b"", *, end: bool = True) -> ProcessingRequest:
    return ProcessingRequest(request_body=HttpBody(body=body, end_of_stream=end))


def response_body(body: bytes = b"", *, end: bool = True) -> ProcessingRequest:
    return ProcessingRequest(response_body=HttpBody(body=body, end_of_stream=end))


def request_trailers(*fields: tuple[str, str | bytes]) -> ProcessingRequest:
    return ProcessingRequest(request_trailers=HttpTrailers(trailers=header_map(fields)))


def response_trailers(*fields: tuple[str, str | bytes]) -> ProcessingRequest:
    return ProcessingRequest(response_trailers=HttpTrailers(trailers=header_map(fields)))


def check(
    *fields: tuple[str, str | bytes],
    method: str = "GET",
    path: str = "/",
    host: str = "shop.example",
    raw: bool = True,
    client: str = "192.0.2.9",
    **extensions: str,
) -> CheckRequest:
    """An ext_authz check; with `raw` (`encode_raw_headers`) the headers come as bytes and one by one."""
    message = CheckRequest()
    attributes = message.attributes
    attributes.source.address.socket_address.address = client
    for name, extension in extensions.items():
        attributes.context_extensions[name.replace("_", "-")] = extension
    http = attributes.request.http
    http.method, http.path, http.host, http.scheme = method, path, host, "http"
    pseudo = [(":method", method), (":path", path), (":authority", host), (":scheme", "http")]
    if raw:
        http.header_map = header_map([*pseudo, *fields])
    else:
        for key, value in [*pseudo, *fields]:
            http.headers[key] = value if isinstance(value, str) else value.decode()
    return message
