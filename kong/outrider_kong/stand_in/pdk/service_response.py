"""kong.service.response: what upstream answered."""

from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.pdk.arguments import limit, string
from outrider_kong.stand_in.pdk.registry import LuaError, offer
from outrider_kong.stand_in.values import Value

LATE = frozenset({"response", "header_filter", "body_filter", "log"})


@offer("kong.service.response.get_status", LATE)
def get_status(exchange: Exchange) -> Value:
    return exchange.upstream.status if exchange.upstream else None


@offer("kong.service.response.get_header", LATE)
def get_header(exchange: Exchange, name: Value) -> Value:
    key = string(name, "name")
    return exchange.upstream.headers.get(key.replace(b"_", b"-")) if exchange.upstream else None


@offer("kong.service.response.get_headers", LATE)
def get_headers(exchange: Exchange, most: Value) -> Value:
    """Empty: Kong's table of a buffered response looks its values up and lists none, over both protocols."""
    asked = limit(most, "max_headers", exchange.node.settings.max_response_headers)
    if exchange.buffered or exchange.upstream is None:
        return {}
    return exchange.upstream.headers.table(asked)


@offer("kong.service.response.get_raw_body", LATE)
def get_raw_body(exchange: Exchange) -> Value:
    if not exchange.buffered:
        raise LuaError("service body is only available with buffered proxying")
    return exchange.upstream.body if exchange.upstream else b""
