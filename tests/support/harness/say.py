"""The answers of ext_proc and ext_authz, in as few words as tests need."""

from collections.abc import Sequence

from outrider_envoy.proto.core_pb2 import HeaderValue, HeaderValueOption, HttpStatus
from outrider_envoy.proto.ext_authz_pb2 import CheckResponse, DeniedHttpResponse, OkHttpResponse, Status
from outrider_envoy.proto.ext_proc_pb2 import (
    BodyMutation,
    BodyResponse,
    CommonResponse,
    GrpcStatus,
    HeaderMutation,
    HeadersResponse,
    ImmediateResponse,
    ProcessingMode,
    ProcessingRequest,
    ProcessingResponse,
    StreamedBodyResponse,
    TrailersResponse,
)

Headers = Sequence[tuple[str, str | bytes]]


def proceed(message: ProcessingRequest) -> ProcessingResponse:
    """The answer that changes nothing. Its inner message must be present: an empty answer is an error."""
    match message.WhichOneof("request"):
        case "request_headers":
            return ProcessingResponse(request_headers=HeadersResponse())
        case "response_headers":
            return ProcessingResponse(response_headers=HeadersResponse())
        case "request_body":
            return ProcessingResponse(request_body=BodyResponse())
        case "response_body":
            return ProcessingResponse(response_body=BodyResponse())
        case "request_trailers":
            return ProcessingResponse(request_trailers=TrailersResponse())
        case _:
            return ProcessingResponse(response_trailers=TrailersResponse())


def option(key: str, value: str | bytes, *, append: bool | None = None) -> HeaderValueOption:
    """A header as ext_proc reads it."""
    raw = value.encode() if isinstance(value, str) else value
    return _option(HeaderValue(key=key, raw_value=raw), append=append)


def text(key: str, value: str, *, append: bool | None = None) -> HeaderValueOption:
    """A header as ext_authz reads it."""
    return _option(HeaderValue(key=key, value=value), append=append)


def _option(header: HeaderValue, *, append: bool | None) -> HeaderValueOption:
    made = HeaderValueOption(header=header)
    if append is not None:
        made.append.value = append
    return made


def sets(*headers: tuple[str, str | bytes], append: bool | None = None) -> HeaderMutation:
    return HeaderMutation(set_headers=[option(key, value, append=append) for key, value in headers])


def removes(*names: str) -> HeaderMutation:
    return HeaderMutation(remove_headers=names)


def common(*mutations: HeaderMutation, body: bytes | None = None, replace: bool = False) -> CommonResponse:
    made = CommonResponse(status=CommonResponse.CONTINUE_AND_REPLACE if replace else CommonResponse.CONTINUE)
    for mutation in mutations:
        made.header_mutation.MergeFrom(mutation)
    if body is not None:
        made.body_mutation.MergeFrom(BodyMutation(body=body))
    return made


def request_headers(
    *mutations: HeaderMutation,
    body: bytes | None = None,
    replace: bool = False,
    mode: ProcessingMode | None = None,
) -> ProcessingResponse:
    inner = HeadersResponse(response=common(*mutations, body=body, replace=replace))
    return ProcessingResponse(request_headers=inner, mode_override=mode)


def response_headers(*mutations: HeaderMutation, mode: ProcessingMode | None = None) -> ProcessingResponse:
    inner = HeadersResponse(response=common(*mutations))
    return ProcessingResponse(response_headers=inner, mode_override=mode)


def request_body(*mutations: HeaderMutation, body: bytes | None = None) -> ProcessingResponse:
    return ProcessingResponse(request_body=BodyResponse(response=common(*mutations, body=body)))


def response_body(*mutations: HeaderMutation, body: bytes | None = None) -> ProcessingResponse:
    return ProcessingResponse(response_body=BodyResponse(response=common(*mutations, body=body)))


def streamed(kind: str, body: bytes = b"", *, end: bool = False) -> ProcessingResponse:
    """A part of a body in FULL_DUPLEX_STREAMED mode; `kind` is request_body or response_body."""
    part = StreamedBodyResponse(body=body, end_of_stream=end)
    inner = BodyResponse(response=CommonResponse(body_mutation=BodyMutation(streamed_response=part)))
    if kind == "request_body":
        return ProcessingResponse(request_body=inner)
    return ProcessingResponse(response_body=inner)


def echoes(message: ProcessingRequest) -> ProcessingResponse:
    """The answer that changes nothing in FULL_DUPLEX_STREAMED mode."""
    match message.WhichOneof("request"):
        case "request_body":
            return streamed("request_body", message.request_body.body, end=message.request_body.end_of_stream)
        case "response_body":
            return streamed("response_body", message.response_body.body, end=message.response_body.end_of_stream)
        case _:
            return proceed(message)


def reply(
    status: int | None,
    body: bytes = b"",
    *mutations: HeaderMutation,
    grpc: int | None = None,
    details: str = "",
) -> ProcessingResponse:
    """An immediate response."""
    made = ImmediateResponse(body=body, details=details)
    if status is not None:
        made.status.code = status
    for mutation in mutations:
        made.headers.MergeFrom(mutation)
    if grpc is not None:
        made.grpc_status.MergeFrom(GrpcStatus(status=grpc))
    return ProcessingResponse(immediate_response=made)


def allow(ok: OkHttpResponse | None = None) -> CheckResponse:
    return CheckResponse(status=Status(code=0), ok_response=ok or OkHttpResponse())


def deny(status: int, body: str = "", *headers: HeaderValueOption) -> CheckResponse:
    denied = DeniedHttpResponse(status=HttpStatus(code=status), headers=headers, body=body)
    return CheckResponse(status=Status(code=7), denied_response=denied)
