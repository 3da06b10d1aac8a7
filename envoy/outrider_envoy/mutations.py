"""Writes what a chain changed as Envoy's mutations, and its replies as Envoy's immediate responses."""

from collections.abc import Iterable

from outrider.exchange import Exchange
from outrider.request import Request
from outrider.response import Response
from outrider.verdict import Reply
from outrider_envoy.proto.core_pb2 import HeaderValueOption
from outrider_envoy.proto.ext_proc_pb2 import CommonResponse, HeaderMutation, ProcessingResponse

Changes = Iterable[tuple[str, list[str]]]


def write_changes(mutation: HeaderMutation, changes: Changes) -> None:
    """Adds each name's final values to a mutation; a name without values is removed."""
    for name, values in changes:
        if len(values) != 1:
            # Envoy removes before it sets: without this, fields that were there would stay beside the new ones.
            mutation.remove_headers.append(name)
        for position, value in enumerate(values):
            option = mutation.set_headers.add()
            write_header(option, name, value, append=position > 0)


def write_header(option: HeaderValueOption, name: str, value: str, *, append: bool = False) -> None:
    """One header for ext_proc, which reads only `raw_value` and only the older `append`."""
    option.header.key = name
    option.header.raw_value = value.encode("utf-8", "surrogateescape")
    if append:
        option.append.value = True


def request_changes(common: CommonResponse, request: Request) -> None:
    """What the chain changed about the request's headers and target."""
    if request.headers.changed:
        write_changes(common.header_mutation, request.headers.changes())
    if request.target_changed:
        write_header(common.header_mutation.set_headers.add(), ":path", request.target)


def response_changes(common: CommonResponse, exchange: Exchange, response: Response) -> None:
    """What the chain changed about the response's headers and status."""
    if response.headers.changed:
        write_changes(common.header_mutation, response.headers.changes())
    if reply_changes := exchange.request.reply_changes():
        write_changes(common.header_mutation, reply_changes)
    if response.status_changed:
        write_header(common.header_mutation.set_headers.add(), ":status", str(response.status))


def replace_body(common: CommonResponse, body: bytes, *, held: bool) -> None:
    """Puts a new body in the place of the one that Envoy holds, or where there was none, with its length."""
    if not held and not body:
        return
    common.body_mutation.body = body
    if held:
        write_header(common.header_mutation.set_headers.add(), "content-length", str(len(body)))
    else:
        common.status = CommonResponse.CONTINUE_AND_REPLACE
        common.header_mutation.remove_headers.append("content-length")


def immediate(reply: Reply) -> ProcessingResponse:
    """A reply as Envoy's immediate response; the status is never left out, which Envoy would read as 200."""
    answer = ProcessingResponse()
    response = answer.immediate_response
    response.status.code = reply.status
    response.body = reply.body
    response.details = "outrider"
    before = ""
    for name, value in reply.headers:
        # Only a repeated name appends: Envoy has put a content-type of its own there already.
        write_header(response.headers.set_headers.add(), name, value, append=name == before)
        before = name
    if reply.grpc_status is not None:
        response.grpc_status.status = reply.grpc_status
    return answer
