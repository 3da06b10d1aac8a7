"""Plugins that look at requests or change them, each with the request that it is measured with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outrider import Consumer, Plugin, Request, Route
from outrider.headers import Headers
from outrider_plugins.openapi_validation import OpenapiValidation
from outrider_plugins.policy import Policy
from outrider_plugins.request_transform import RequestTransform
from outrider_plugins.tracing import Tracing

EXAMPLES = Path(__file__).parents[1] / "examples" / "plugins"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
USUAL = {
    "accept": "application/json",
    "accept-encoding": "gzip, br",
    "user-agent": "curl/8.5.0",
    "x-debug": "1",
    "x-old": "a",
    "x-page": "2",
}
CLAIMS: Mapping[str, Any] = {"sub": "alice", "scope": "orders:read orders:write", "tenant": "blue"}


@dataclass(frozen=True)
class Case:
    """A plugin, and what a request to it is like."""

    plugin: Plugin
    target: str = "/orders/7"
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    def request(self) -> Request:
        """A fresh one."""
        fields = {name: [value] for name, value in (USUAL | self.headers).items()}
        request = Request(self.method, self.target, headers=Headers.received(fields), route=Route("orders", "shop"))
        request.consumer, request.claims = Consumer("1", "alice"), CLAIMS
        return request


def _json(kilobytes: int) -> bytes:
    rows = [{"id": number, "item": f"item {number}", "price": number * 1.25} for number in range(23 * kilobytes)]
    return json.dumps({"user": {"name": "a", "password": "b"}, "rows": rows}, separators=(",", ":")).encode()


def _transform(body: bytes = b"", **config: Any) -> Case:
    headers = {"content-type": "application/json"} if body else {}
    return Case(RequestTransform(**config), method="POST" if body else "GET", headers=headers, body=body)


def _headers() -> Case:
    return _transform(
        remove={"headers": ["x-debug"]},
        rename={"headers": {"x-old": "x-new"}},
        replace={"headers": {"x-page": "1"}},
        add={"headers": {"x-caller": "{consumer.username} on {route.name}"}},
        append={"headers": {"x-many": "two"}},
    )


def _members() -> Case:
    return _transform(
        _json(10),
        remove={"json": ["/user/password"]},
        replace={"json": {"/user/name": "{consumer.username}"}},
        add={"json": {"/tenant": "{claims.tenant}"}},
    )


def _policy() -> Case:
    terms = (
        "request.method == 'GET'",
        "request.path.startsWith('/orders/')",
        "claims.tenant == 'blue'",
        "consumer.username != null",
        "route.name == 'orders'",
    )
    return Case(Policy(allow=" && ".join(terms)))


def _validated(kilobytes: int = 0) -> Case:
    rows = {"items": [{"item": f"item {number}", "count": number + 1} for number in range(34 * kilobytes)]}
    body = json.dumps(rows).encode() if kilobytes else b""
    plugin = OpenapiValidation(spec=Path(__file__).with_name("orders.openapi.yaml"))
    target = "/orders/7/rows?page=2&sort=name"
    headers = {"x-tenant": "blue"} | ({"content-type": "application/json"} if body else {})
    return Case(plugin, target, "POST" if body else "GET", headers, body)


SHAPES: dict[str, Callable[[], Case]] = {
    "request-transform, five operations on headers": _headers,
    "request-transform, three operations on 10 KB of JSON": _members,
    "policy, five terms": _policy,
    "tracing, not sampled, a new trace": lambda: Case(Tracing(sample=0)),
    "tracing, not sampled, downstream's trace": lambda: Case(Tracing(), headers={"traceparent": TRACE}),
    "openapi-validation, two parameters of the query, one of the path, one header": _validated,
    "openapi-validation, 1 KB of JSON": lambda: _validated(1),
    "openapi-validation, 10 KB of JSON": lambda: _validated(10),
}
"""By the name of their row."""
