"""Envoy's messages for what a chain has decided."""

from typing import Final, get_args

from outrider.exchange import Exchange
from outrider.request import Request
from outrider.response import Response
from outrider.verdict import has_no_body
from outrider_envoy.direction import Direction, Kind
from outrider_envoy.errors import ProtocolError
from outrider_envoy.marks import DECIDED, NAMESPACE, REPLY
from outrider_envoy.modes import DUPLEX
from outrider_envoy.mutations import replace_body, request_changes, response_changes
from outrider_envoy.proto.ext_proc_pb2 import CommonResponse, ProcessingResponse


def _untouched(kind: Kind) -> ProcessingResponse:
    answer = ProcessingResponse()
    # An answer whose sub-message is absent makes no sense to Envoy, which then answers 500.
    getattr(answer, kind).SetInParent()
    return answer


UNTOUCHED: Final[dict[Kind, ProcessingResponse]] = {kind: _untouched(kind) for kind in get_args(Kind)}
"""The answers that let a message on as it is; made once, and never changed."""


def _decided(kind: Kind) -> ProcessingResponse:
    """Lets the request on, and leaves the mark without which our own Envoy refuses it."""
    answer = _untouched(kind)
    answer.dynamic_metadata.update({NAMESPACE: {DECIDED: True}})
    return answer


_PASSED: Final[dict[Kind, ProcessingResponse]] = {kind: _decided(kind) for kind in get_args(Kind)}
"""The same for the answer that ends the request phase."""
_PASSED_BYTES: Final = {kind: answer.SerializeToString() for kind, answer in _PASSED.items()}


def request_answer(kind: Kind, exchange: Exchange) -> ProcessingResponse:
    """Lets the request on with what the chain changed, and leaves the mark and the reply headers for later."""
    request, body = exchange.request, exchange.new_request_body
    changed = request.headers.changed or request.target_changed or body is not None
    replies = request.reply_changes()
    if not (changed or replies):
        return _PASSED[kind]
    # Parsing costs a sixth of building the mark anew.
    answer = ProcessingResponse.FromString(_PASSED_BYTES[kind])
    if replies:
        fields = answer.dynamic_metadata.fields[NAMESPACE].struct_value.fields[REPLY].struct_value.fields
        for name, values in replies:
            fields[name].string_value = ", ".join(values)
    if changed:
        _change_request(kind, answer, request, body)
        exchange.new_request_body = None
    return answer


def _change_request(kind: Kind, answer: ProcessingResponse, request: Request, body: bytes | None) -> None:
    if kind == "request_trailers":
        raise _too_late()
    part = answer.request_headers if kind == "request_headers" else answer.request_body
    request_changes(part.response, request)
    if body is not None:
        replace_body(part.response, body, held=kind == "request_body")


def response_answer(kind: Kind, exchange: Exchange, response: Response) -> ProcessingResponse:
    """Lets the response on with what the chain changed."""
    body = None if has_no_body(exchange.request, response.status) else exchange.new_response_body
    changed = response.headers.changed or response.status_changed or exchange.request.reply_changes()
    if not (changed or body is not None):
        return UNTOUCHED[kind]
    if kind == "response_trailers":
        raise _too_late()
    answer = ProcessingResponse()
    part = answer.response_headers if kind == "response_headers" else answer.response_body
    response_changes(part.response, exchange, response)
    if body is not None:
        replace_body(part.response, body, held=kind == "response_body")
        exchange.new_response_body = None
    return answer


def chunk_answers(direction: Direction, came: bytes, goes: bytes, *, last: bool) -> list[ProcessingResponse]:
    """One piece of a body, as the chunk hooks left it; FULL_DUPLEX_STREAMED takes it in several answers."""
    if direction.mode == DUPLEX:
        starts = range(0, max(len(goes), 1), _MOST)
        return [_streamed(direction, goes[at : at + _MOST], last=last and at == starts[-1]) for at in starts]
    if goes is came:
        return [UNTOUCHED[direction.body]]
    answer = ProcessingResponse()
    _common(answer, direction.body).body_mutation.body = goes
    return [answer]


def _streamed(direction: Direction, piece: bytes, *, last: bool) -> ProcessingResponse:
    answer = ProcessingResponse()
    streamed = _common(answer, direction.body).body_mutation.streamed_response
    streamed.body, streamed.end_of_stream = piece, last
    return answer


_MOST: Final = 1024 * 1024
"""How much of a body one answer carries, in bytes: a gRPC message must not grow with what a plugin makes of one."""


def _common(answer: ProcessingResponse, kind: Kind) -> CommonResponse:
    common: CommonResponse = getattr(answer, kind).response
    return common


def _too_late() -> ProtocolError:
    return ProtocolError("a message with trailers and no body came too far to be changed")
