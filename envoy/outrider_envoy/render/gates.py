"""Routes that take only requests over TLS, or only gRPC: what all others get."""

from collections.abc import Iterator

from outrider.config import Route
from outrider_envoy.render.forwarded import HOST
from outrider_envoy.render.plan import Section

_TLS: Section = {"name": "x-forwarded-proto", "string_match": {"exact": "https"}}
_GRPC: Section = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}


def conditions(route: Route) -> list[Section]:
    """The `HeaderMatcher`s of the requests that are let in."""
    return [*([_TLS] if route.needs_tls else ()), *([_GRPC] if route.is_grpc else ())]


def refusals(route: Route) -> Iterator[Section]:
    """What stands behind the route, for those that meet it else: pieces of Envoy routes, without the match."""
    if route.is_grpc and route.needs_tls:
        yield _reply("outrider_tls_only", 426, "gRPC request matched gRPCs route") | {"match": {"headers": [_GRPC]}}
    if route.is_grpc:
        yield _reply("outrider_grpc_only", 415, "Non-gRPC request matched gRPC route")
    elif route.needs_tls:
        yield _to_tls(route.https_redirect_status_code)


def _to_tls(status: int) -> Section:
    if status == 426:
        # Kong adds an upgrade header; Envoy takes it off every response.
        return _reply("outrider_tls_only", status, "Please use HTTPS protocol")
    location = {
        "header": {"key": "location", "value": f"https://{HOST}%REQ(:PATH)%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    reply = {"name": "outrider_to_tls", "direct_response": {"status": status}}
    return reply | {"response_headers_to_add": [location]}


def _reply(name: str, status: int, words: str) -> Section:
    return {"name": name, "direct_response": {"status": status, "body": {"inline_string": words}}}
