"""What a chain has decided, as calls to Kong."""

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from outrider.exchange import Exchange
from outrider.response import Response
from outrider.verdict import Reply, has_no_body
from outrider_kong.calls import (
    Call,
    clear_request_header,
    clear_response_header,
    exit_with,
    set_method,
    set_path,
    set_query,
    set_reply_headers,
    set_request_body,
    set_request_headers,
    set_response_headers,
    set_status,
)


def request_changes(exchange: Exchange, service: str) -> Iterator[Call]:
    """Lets the request on with what the chain changed; `service` is the service's own path."""
    request = exchange.request
    if request.headers.changed:
        changes = list(request.headers.changes())
        for name, values in changes:
            if not values:
                yield clear_request_header(name)
        if kept := [(name, values) for name, values in changes if values]:
            yield set_request_headers(kept)
    if request.upstream_method is not None:
        yield set_method(request.upstream_method)
    if request.upstream_path is not None:
        yield set_path(service, request.upstream_path)
    if request.query_changed:
        yield set_query(request.query)
    if exchange.new_request_body is not None:
        yield set_request_body(exchange.new_request_body)


def reply_headers(replies: Sequence[tuple[str, list[str]]]) -> Iterator[Call]:
    """What downstream gets whatever answers."""
    if replies:
        yield set_reply_headers(replies)


def response_changes(exchange: Exchange, response: Response) -> Iterator[Call]:
    """Lets the response on with what the chain changed. A new body ends the response phase in Kong."""
    if response.status_changed:
        yield set_status(response.status)
    changes = list(response.headers.changes())
    for name, values in changes:
        if not values:
            yield clear_response_header(name)
    if kept := [(name, values) for name, values in changes if values]:
        yield set_response_headers(kept)
    body = exchange.new_response_body
    if body is not None and not has_no_body(exchange.request, response.status):
        # A longer body would be cut to upstream's length.
        yield clear_response_header("content-length")
        yield exit_with(response.status, body)


def reply_in_place(verdict: Reply, response: Response) -> Iterator[Call]:
    """A reply in place of upstream's answer, whose headers Kong would keep."""
    # Also those that a hook has taken off, which Kong still has.
    sent = {name for name, _ in [*response.headers.fields(), *response.headers.changes()]}
    for name in sent | {"content-length"}:
        # nginx puts no date on an answer that had one (RFC 9110, section 6.6.1).
        if name != "date":
            yield clear_response_header(name)
    yield reply_call(verdict)


def reply_call(verdict: Reply) -> Call:
    """Answers downstream with a reply."""
    headers: dict[str, list[str]] = {}
    for name, value in verdict.headers:
        headers.setdefault(name, []).append(value)
    # As Envoy does with a reply: a body has a type, and what has none has not.
    if verdict.body:
        headers.setdefault("content-type", ["text/plain"])
    else:
        headers.pop("content-type", None)
    if verdict.grpc_status is None:
        return exit_with(verdict.status, verdict.body, headers.items())
    # Trailers-only (gRPC over HTTP/2, "Responses"), as Envoy makes it of a refusal.
    headers["content-type"] = ["application/grpc"]
    headers["grpc-status"] = [str(verdict.grpc_status)]
    headers["grpc-message"] = [quote(verdict.body, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")]
    return exit_with(200, b"", headers.items())
