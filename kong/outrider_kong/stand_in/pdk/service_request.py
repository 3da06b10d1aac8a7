"""kong.service.request and kong.service: what goes upstream, and where to."""

from outrider_kong.stand_in.exchange import BodyWantedError, Exchange
from outrider_kong.stand_in.pdk.arguments import header_table, header_values, integer, string
from outrider_kong.stand_in.pdk.registry import ACCESS, EARLY, LuaError, offer
from outrider_kong.stand_in.uri import escape, query
from outrider_kong.stand_in.values import Value, is_table

METHODS = frozenset(
    b"GET HEAD PUT POST DELETE OPTIONS MKCOL COPY MOVE PROPFIND PROPPATCH LOCK UNLOCK PATCH TRACE".split()
)


@offer("kong.service.set_target", EARLY)
def set_target(exchange: Exchange, host: Value, port: Value) -> Value:
    exchange.target.host = string(host, "host").decode()
    exchange.target.port = integer(port, "port", 0, 65535)


@offer("kong.service.set_upstream", ACCESS)
def set_upstream(exchange: Exchange, host: Value) -> Value:
    """No upstreams with targets here: none is ever found, which is what Kong answers then."""
    del exchange
    string(host, "host")


@offer("kong.service.request.enable_buffering", EARLY)
def enable_buffering(exchange: Exchange) -> Value:
    exchange.buffered = True


@offer("kong.service.request.set_scheme", EARLY)
def set_scheme(exchange: Exchange, scheme: Value) -> Value:
    if string(scheme, "scheme") not in {b"http", b"https"}:
        raise LuaError(f"invalid scheme: {scheme!r}")
    exchange.target.scheme = scheme.decode()


@offer("kong.service.request.set_path", EARLY)
def set_path(exchange: Exchange, path: Value) -> Value:
    if not string(path, "path").startswith(b"/"):
        raise LuaError("path must start with /")
    exchange.target.uri = escape(path)


@offer("kong.service.request.set_raw_query", EARLY)
def set_raw_query(exchange: Exchange, text: Value) -> Value:
    exchange.args = string(text, "query")


@offer("kong.service.request.set_query", EARLY)
def set_query(exchange: Exchange, table: Value) -> Value:
    if not is_table(table):
        raise LuaError("args must be a table")
    exchange.args = query(table)


@offer("kong.service.request.set_method", EARLY)
def set_method(exchange: Exchange, method: Value) -> Value:
    if string(method, "method") not in METHODS:
        raise LuaError(f"invalid method: {method!r}")
    exchange.request.method = method


@offer("kong.service.request.set_header", EARLY)
def set_header(exchange: Exchange, name: Value, value: Value) -> Value:
    _put(exchange, name, header_values(name, value))


@offer("kong.service.request.add_header", EARLY)
def add_header(exchange: Exchange, name: Value, value: Value) -> Value:
    _put(exchange, name, [*exchange.request.headers.all(string(name, "header")), *header_values(name, value)])


@offer("kong.service.request.clear_header", EARLY)
def clear_header(exchange: Exchange, name: Value) -> Value:
    exchange.request.headers.clear(string(name, "header"))


@offer("kong.service.request.set_headers", EARLY)
def set_headers(exchange: Exchange, headers: Value) -> Value:
    for name, values in header_table(headers).items():
        _put(exchange, name, values)


@offer("kong.service.request.set_raw_body", EARLY)
def set_raw_body(exchange: Exchange, body: Value) -> Value:
    """Replaces the body; what downstream sent is read first and dropped."""
    string(body, "body")
    if exchange.body is None and exchange.body_file is None:
        raise BodyWantedError
    exchange.body = body


def _put(exchange: Exchange, name: bytes, values: list[bytes]) -> None:
    if name.lower() == b"host" and values:
        exchange.target.host_header = values[0]
    exchange.request.headers.set(name, *values)
