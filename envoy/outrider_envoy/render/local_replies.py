"""Envoy's own refusals, in the form that all refusals have."""

from outrider.verdict import NO_ROUTE, UNCHECKED
from outrider_envoy.render.malformed import POLICY
from outrider_envoy.render.plan import Section, typed

_WORDS = {
    400: "The request is malformed",
    404: NO_ROUTE,
    408: "The request took too long to arrive",
    413: "The body is too large",
    426: "HTTP/1.1 or later is needed",
    431: "The headers are too large",
    500: UNCHECKED,
    502: "The service sent no valid response",
    503: "The service can't be reached",
    504: "The service took too long to respond",
}
"""What downstream is told. Envoy's own words can name an upstream's address."""

_CEL = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
# Envoy marks what our workers answered: those replies have a body already.
_NOT_OURS = "!(response.code_details in ['outrider', 'ext_authz_denied'])"
_UNMARKED = "response.code_details.startsWith('rbac_access_denied')"
_DIRECT = "response.code_details == 'direct_response' && response.code >= 400"
_MALFORMED = f"response.code_details == 'rbac_access_denied_matched_policy[{POLICY}]'"
_SILENT = "response.code_details == 'ext_proc_error_per-message_timeout_exceeded'"


def local_replies() -> Section:
    """The `local_reply_config`: JSON with a message and the request's id, for all that Envoy answers by itself."""
    rows = [_mapper(_status("EQ", status), words) for status, words in _WORDS.items()]
    # A worker that hangs is no gateway's time-out: 503, as for a hook over its time.
    silent = _mapper(_details(_SILENT), "The request took too long to check") | {"status_code": 503}
    odd = _mapper(_details(_MALFORMED), _WORDS[400]) | {"status_code": 400}
    # A request that nobody decided on.
    unmarked = _mapper(_details(_UNMARKED), _WORDS[500]) | {"status_code": 500}
    # What a route itself answers has its own words.
    direct = _mapper(_details(_DIRECT), None)
    return {"mappers": [direct, silent, odd, unmarked, *rows, _mapper(_status("GE", 400), None)]}


def _mapper(which: Section, words: str | None) -> Section:
    body = {} if words is None else {"body": {"inline_string": words}}
    form = {"message": "%LOCAL_REPLY_BODY%", "request_id": "%REQ(X-REQUEST-ID)%"}
    filters = {"and_filter": {"filters": [which, _no_grpc(), _details(_NOT_OURS)]}}
    return {"filter": filters, **body, "body_format_override": {"json_format": form}}


def _status(operator: str, status: int) -> Section:
    value = {"default_value": status, "runtime_key": f"outrider.local_reply.{operator.lower()}_{status}"}
    return {"status_code_filter": {"comparison": {"op": operator, "value": value}}}


def _no_grpc() -> Section:
    """A gRPC call keeps grpc-status and a plain grpc-message."""
    match = {
        "name": "content-type",
        "string_match": {"prefix": "application/grpc"},
        "treat_missing_header_as_empty": True,
        "invert_match": True,
    }
    return {"header_filter": {"header": match}}


def _details(expression: str) -> Section:
    return {"extension_filter": {"name": "cel", "typed_config": typed(_CEL, expression=expression)}}
