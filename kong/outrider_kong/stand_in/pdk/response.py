"""kong.response: what goes downstream."""

from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.pdk.arguments import header_table, header_values, integer, limit, string
from outrider_kong.stand_in.pdk.registry import LATE, SETTERS, ExitError, LuaError, offer
from outrider_kong.stand_in.pdk.request import TIMER_LIMIT
from outrider_kong.stand_in.replies import message
from outrider_kong.stand_in.values import Value, json_bytes


@offer("kong.response.get_status", LATE, timer=True)
def get_status(exchange: Exchange) -> Value:
    return exchange.reply.status


@offer("kong.response.get_headers", LATE, timer=True)
def get_headers(exchange: Exchange, most: Value) -> Value:
    asked = TIMER_LIMIT if exchange.in_timer else most
    return exchange.reply.headers.table(limit(asked, "max_headers", exchange.node.settings.max_response_headers))


@offer("kong.response.get_header", LATE, timer=True)
def get_header(exchange: Exchange, name: Value) -> Value:
    key = string(name, "header name").lower()
    found = exchange.reply.headers.table(exchange.node.settings.max_response_headers)
    value = found.get(key, found.get(key.replace(b"_", b"-")))
    return value[0] if isinstance(value, list) else value


@offer("kong.response.get_source", LATE, timer=True)
def get_source(exchange: Exchange) -> Value:
    return exchange.source.encode()


@offer("kong.response.set_status", SETTERS)
def set_status(exchange: Exchange, status: Value) -> Value:
    exchange.reply.status = integer(status, "code", 100, 599)


@offer("kong.response.set_header", SETTERS)
def set_header(exchange: Exchange, name: Value, value: Value) -> Value:
    put(exchange, name, header_values(name, value))


@offer("kong.response.add_header", SETTERS)
def add_header(exchange: Exchange, name: Value, value: Value) -> Value:
    exchange.reply.headers.add(_dashed(name), *header_values(name, value))


@offer("kong.response.clear_header", SETTERS)
def clear_header(exchange: Exchange, name: Value) -> Value:
    exchange.reply.headers.clear(_dashed(string(name, "header name")))


@offer("kong.response.set_headers", SETTERS)
def set_headers(exchange: Exchange, headers: Value) -> Value:
    for name, values in header_table(headers).items():
        put(exchange, name, values)


@offer("kong.response.exit", SETTERS)
def leave(exchange: Exchange, status: Value, body: Value, headers: Value) -> Value:
    code = integer(status, "code", 100, 599)
    if body is not None and not isinstance(body, bytes | dict | list):
        raise LuaError("body must be a nil, string or table")
    checked = {} if headers is None else header_table(headers)
    exchange.exited = True
    raise ExitError(code, body, checked)


@offer("kong.response.error", SETTERS)
def error(exchange: Exchange, status: Value, text: Value, headers: Value) -> Value:
    code = integer(status, "code", 400, 599)
    said = json_bytes(text) if isinstance(text, dict | list) else text
    if said is not None and not isinstance(said, bytes):
        raise LuaError("message must be a nil, a string or a table")
    kind, body = message(exchange, code, said)
    checked = {} if headers is None else header_table(headers)
    exchange.exited = True
    raise ExitError(code, body, {b"Content-Type": [kind], **checked})


def put(exchange: Exchange, name: bytes, values: list[bytes]) -> None:
    """Sets a response header as ngx.header does: `_` is `-`, and transfer-encoding is nobody's to set."""
    dashed = _dashed(name)
    if dashed.lower() != b"transfer-encoding":
        exchange.reply.headers.set(dashed, *values)


def _dashed(name: bytes) -> bytes:
    return name.replace(b"_", b"-")
