"""kong.request: what downstream asked, after the changes that plugins made."""

from outrider_kong.stand_in.exchange import BodyWantedError, Exchange
from outrider_kong.stand_in.pdk.arguments import limit, string
from outrider_kong.stand_in.pdk.context import get_var
from outrider_kong.stand_in.pdk.registry import BODY, LuaError, offer
from outrider_kong.stand_in.uri import arguments, normalize
from outrider_kong.stand_in.values import Value, is_list

TIMER_LIMIT = 100


@offer("kong.request.get_scheme")
def get_scheme(exchange: Exchange) -> Value:
    return exchange.request.scheme.encode()


@offer("kong.request.get_host")
def get_host(exchange: Exchange) -> Value:
    return exchange.request.host


@offer("kong.request.get_port")
def get_port(exchange: Exchange) -> Value:
    return exchange.request.server_port


@offer("kong.request.get_forwarded_scheme")
def get_forwarded_scheme(exchange: Exchange) -> Value:
    forwarded = _forwarded(exchange, b"x-forwarded-proto")
    return forwarded.lower() if forwarded else get_scheme(exchange)


@offer("kong.request.get_forwarded_host")
def get_forwarded_host(exchange: Exchange) -> Value:
    forwarded = _forwarded(exchange, b"x-forwarded-host")
    return forwarded.rpartition(b"@")[2].partition(b":")[0].lower() if forwarded else get_host(exchange)


@offer("kong.request.get_forwarded_port")
def get_forwarded_port(exchange: Exchange) -> Value:
    port = _forwarded(exchange, b"x-forwarded-port") or b""
    of_host = (_forwarded(exchange, b"x-forwarded-host") or b"").rpartition(b":")[2]
    ports = [int(text) for text in (port, of_host) if text.isdigit() and 0 < int(text) < 65536]
    return ports[0] if ports else exchange.request.server_port


@offer("kong.request.get_http_version")
def get_http_version(exchange: Exchange) -> Value:
    return float(exchange.request.version)


@offer("kong.request.get_method")
def get_method(exchange: Exchange) -> Value:
    return exchange.request.method


@offer("kong.request.get_path")
def get_path(exchange: Exchange) -> Value:
    return normalize(exchange.request.path)


@offer("kong.request.get_raw_path")
def get_raw_path(exchange: Exchange) -> Value:
    return exchange.request.path


@offer("kong.request.get_path_with_query")
def get_path_with_query(exchange: Exchange) -> Value:
    return exchange.request.target


@offer("kong.request.get_raw_query")
def get_raw_query(exchange: Exchange) -> Value:
    return exchange.args


@offer("kong.request.get_query_arg")
def get_query_arg(exchange: Exchange, name: Value) -> Value:
    value = arguments(exchange.args, TIMER_LIMIT).get(string(name, "query argument name"))
    return value[0] if is_list(value) else value


@offer("kong.request.get_query")
def get_query(exchange: Exchange, most: Value) -> Value:
    return arguments(exchange.args, limit(most, "max_args", TIMER_LIMIT))


@offer("kong.request.get_header", timer=True)
def get_header(exchange: Exchange, name: Value) -> Value:
    key = string(name, "header name")
    # Kong asks nginx's variable first, which takes `_` and `-` for the same and joins what came twice.
    value = get_var(exchange, b"http_" + key.replace(b"-", b"_"))
    if not exchange.in_timer and (value is None or b", " not in value):
        return value
    found = exchange.request.headers.table(exchange.node.settings.max_request_headers)
    value = found.get(key.lower(), found.get(key.lower().replace(b"_", b"-")))
    return value[0] if is_list(value) else value


@offer("kong.request.get_headers", timer=True)
def get_headers(exchange: Exchange, most: Value) -> Value:
    asked = TIMER_LIMIT if exchange.in_timer else most
    return exchange.request.headers.table(limit(asked, "max_headers", exchange.node.settings.max_request_headers))


@offer("kong.request.get_raw_body", BODY)
def get_raw_body(exchange: Exchange, largest_file: Value) -> Value:
    """The body; nil where it is in a file and no size up to which files are read was given."""
    if exchange.body is None and exchange.body_file is None:
        raise BodyWantedError
    if exchange.body is not None:
        return exchange.body
    if largest_file is None or largest_file < 0 or exchange.body_file is None:
        return None
    content = exchange.body_file.read_bytes()
    return content if largest_file == 0 or len(content) <= largest_file else None


@offer("kong.request.get_uri_captures", timer=True)
def get_uri_captures(exchange: Exchange) -> Value:
    captures = exchange.matched.captures if exchange.matched else {}
    unnamed = [value for key, value in captures.items() if isinstance(key, int)]
    return {b"unnamed": unnamed, b"named": {key: value for key, value in captures.items() if isinstance(key, bytes)}}


def _forwarded(exchange: Exchange, name: bytes) -> bytes | None:
    if exchange.in_timer:
        raise LuaError("disabled in the context of ngx.timer")
    return get_header(exchange, name) if exchange.node.trusts(exchange.request.peer) else None
