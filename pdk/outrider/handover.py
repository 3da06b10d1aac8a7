"""A request as plain JSON, for the process that sees its next phase."""

from dataclasses import asdict
from typing import Any

from outrider.consumer import JSON, Consumer
from outrider.headers import Headers
from outrider.request import Request

State = dict[str, Any]


def state_of(request: Request) -> State:
    """All that later phases may ask the request for, as it was left by its plugins."""
    return {
        "method": request.method,
        "target": request.target,
        "upstream": [request.upstream_method, request.upstream_path],
        "headers": [list(field) for field in request.headers.fields()],
        "authority": request.authority,
        "scheme": request.scheme,
        "client": request.client,
        "id": request.id,
        "trace_id": request.trace_id,
        "context": request.context,
        "identity": identity_of(request),
        "reply": request.reply_changes(),
    }


def request_of(state: State, reply_names: frozenset[str]) -> Request:
    """The request that `state_of` wrote; its own headers can't be changed any more."""
    request = Request(
        state["method"],
        state["target"],
        headers=_headers(state["headers"]),
        authority=state["authority"],
        scheme=state["scheme"],
        client=state["client"],
    )
    request.headers.seal()
    request.id, request.trace_id = state["id"], state["trace_id"]
    request.restore_line(*state["upstream"])
    request.context = state["context"]
    identify(request, state["identity"])
    request.declare_reply_headers(reply_names)
    for name, values in state["reply"]:
        for value in values if name in reply_names else ():
            request.reply_headers.append(name, value)
    return request


def identity_of(request: Request) -> State:
    """Who sends the request, as far as its plugins know."""
    return {
        "consumer": request.consumer and asdict(request.consumer),
        "credential": request.credential,
        "claims": dict(request.claims),
    }


def identify(request: Request, identity: State) -> None:
    """Tells a request what `identity_of` wrote."""
    request.consumer, request.credential = _consumer(identity["consumer"]), identity["credential"]
    request.claims = identity["claims"]


def _headers(fields: list[list[str]]) -> Headers:
    by_name: dict[str, list[str]] = {}
    for name, value in fields:
        by_name.setdefault(name, []).append(value)
    return Headers.received(by_name)


def _consumer(written: dict[str, JSON] | None) -> Consumer | None:
    if written is None:
        return None
    lists = {name: tuple(written[name]) for name in ("groups", "acls", "tags")}
    return Consumer(written["id"], written["username"], written["custom_id"], **lists)
