"""Reads what Envoy sends into the one form that requests have behind every gateway."""

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

from outrider.errors import ContractError
from outrider.headers import Fields, Headers
from outrider.peer import Peer
from outrider.request import Request
from outrider.response import Refusal, Response
from outrider_envoy.errors import ProtocolError
from outrider_envoy.header_map import fields_of
from outrider_envoy.proto.ext_authz_pb2 import CheckRequest
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest

ATTRIBUTES = "envoy.filters.http.ext_proc"
"""The key under which Envoy sends the attributes of ext_proc."""
PARTIAL_BODY = "x-envoy-auth-partial-body"

PEERS = 1_024
"""How many certificates are kept taken apart; a client shows the same one with each of its requests."""


def request_of(message: ProcessingRequest, peer: str | None = None) -> Request:
    """The request of an ext_proc stream; raises `ProtocolError` if it has no method or path.

    `peer` is the client's certificate as Envoy tells it.
    """
    return _request(fields_of(message.request_headers.headers), lambda: _source_address(message), peer)


def is_upgrade(request: Request) -> bool:
    """Whether the request asks for another protocol on its connection, as Envoy sees it: what follows is no body.

    One that could have a body in HTTP/1 is none for us: its body would pass unseen.
    """
    headers = request.headers
    if "content-length" in headers or "transfer-encoding" in headers:
        return False
    return request.method == "GET" and _asks_for_upgrade(request)


def refused_upgrade(request: Request) -> Refusal | None:
    """The answer to an upgrade that may have a body, where plugins read bodies.

    Envoy takes it for one without: it waits for the end of it for ever, or lets it follow unseen.
    """
    if _asks_for_upgrade(request) and not is_upgrade(request):
        return Refusal(400, "An upgrade has no body")
    return None


def _asks_for_upgrade(request: Request) -> bool:
    if "upgrade" not in request.headers:
        return False
    options = request.headers.get("connection", "").lower().split(",")
    return "upgrade" in (option.strip() for option in options)


def response_of(message: ProcessingRequest) -> Response:
    """Upstream's answer, or Envoy's own."""
    fields = fields_of(message.response_headers.headers)
    status = fields.pop(":status", [""])[0]
    if len(status) != 3 or not status.isdecimal():
        raise ProtocolError(f"response headers with the status {status!r}")
    return Response.received(int(status), Headers.received(fields))


def checked_request(message: CheckRequest, client: str | None = None, peer: str | None = None) -> Request:
    """The request that ext_authz asks about; raises `ProtocolError` if it has no method or path.

    `client` is the caller's address, if it is not that of the connection.
    """
    fields = checked_fields(message)
    return _request(fields, client or (lambda: message.attributes.source.address.socket_address.address), peer)


def checked_fields(message: CheckRequest) -> Fields:
    """The header fields of the request that ext_authz asks about, with pseudo-headers."""
    http = message.attributes.request.http
    fields = fields_of(http.header_map) if http.header_map else {n: [v] for n, v in http.headers.items()}
    # Envoy's own word about the body, for us alone.
    fields.pop(PARTIAL_BODY, None)
    fields.setdefault(":method", [http.method])
    fields.setdefault(":path", [http.path])
    fields.setdefault(":authority", [http.host])
    fields.setdefault(":scheme", [http.scheme])
    return fields


def is_partial(message: CheckRequest) -> bool:
    """Whether Envoy sent only the beginning of the body (`allow_partial_message`)."""
    http = message.attributes.request.http
    if http.header_map:
        return "true" in fields_of(http.header_map).get(PARTIAL_BODY, ())
    return http.headers.get(PARTIAL_BODY) == "true"


def attribute(message: ProcessingRequest, name: str) -> str:
    """One of Envoy's attributes as text; empty if it was not asked for."""
    attributes = message.attributes
    if ATTRIBUTES not in attributes:
        return ""
    fields = attributes[ATTRIBUTES].fields
    return fields[name].string_value if name in fields else ""


def _request(fields: Fields, client: str | Callable[[], str], peer: str | None) -> Request:
    method = fields.pop(":method", [""])[0]
    target = fields.pop(":path", [""])[0]
    if not method or not target:
        raise ProtocolError("request headers without :method or :path")
    authority = fields.pop(":authority", [""])[0]
    scheme = fields.pop(":scheme", ["http"])[0]
    fields.pop(":protocol", None)
    return Request(
        method,
        target,
        headers=Headers.received(fields),
        authority=authority,
        scheme=scheme,
        client=client,
        peer=(lambda: _peer(peer)) if peer else None,
    )


@lru_cache(maxsize=PEERS)
def _peer(encoded: str) -> Peer:
    return Peer.from_pem(unquote(encoded))


def _source_address(message: ProcessingRequest) -> str:
    address = attribute(message, "source.address")
    if not address:
        raise ContractError("Envoy does not tell the client's address: add source.address to request_attributes")
    return address.rpartition(":")[0].strip("[]")
