"""kong.ctx.shared, kong.nginx and kong.node: what lives as long as the request, and what is around it."""

from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.pdk.arguments import string
from outrider_kong.stand_in.pdk.registry import LuaError, offer
from outrider_kong.stand_in.values import Value


@offer("kong.ctx.shared.get", timer=True)
def get_shared(exchange: Exchange, key: Value) -> Value:
    return exchange.shared.get(key)


@offer("kong.ctx.shared.set", timer=True)
def set_shared(exchange: Exchange, key: Value, value: Value) -> Value:
    _set(exchange.shared, key, value)


@offer("kong.nginx.get_ctx", timer=True)
def get_ctx(exchange: Exchange, key: Value) -> Value:
    return exchange.ctx.get(key)


@offer("kong.nginx.set_ctx", timer=True)
def set_ctx(exchange: Exchange, key: Value, value: Value) -> Value:
    _set(exchange.ctx, key, value)


@offer("kong.nginx.get_var")
def get_var(exchange: Exchange, name: Value) -> Value:
    key = string(name, "variable name").decode("latin-1").lower()
    request = exchange.request
    for prefix, headers in (("http_", request.headers), ("sent_http_", exchange.reply.headers)):
        if key.startswith(prefix):
            return _joined([value for item, value in headers if _variable(item) == key[len(prefix) :]])
    return _variables(exchange).get(key)


def _variables(exchange: Exchange) -> dict[str, bytes | None]:
    """The variables of nginx and of Kong's own template that the stand-in knows."""
    request = exchange.request
    return {
        "request_id": exchange.id.encode(),
        "kong_request_id": exchange.id.encode(),
        "request_uri": request.target,
        "uri": request.path,
        "args": exchange.args or None,
        "is_args": b"?" if exchange.args else b"",
        "query_string": exchange.args or None,
        "request_method": request.method,
        "remote_addr": request.address.encode(),
        "realip_remote_addr": request.peer.encode(),
        "remote_port": b"%d" % request.port,
        "server_port": b"%d" % request.server_port,
        "server_protocol": f"HTTP/{request.version}".encode(),
        "scheme": request.scheme.encode(),
        "host": request.host,
        "content_type": request.headers.get(b"content-type"),
        "content_length": request.headers.get(b"content-length"),
        "status": b"%d" % exchange.reply.status,
        "upstream_uri": exchange.target.uri,
        "upstream_host": exchange.target.host_header,
        "upstream_scheme": exchange.target.scheme.encode(),
        "request_length": b"%d" % request.size,
        "bytes_sent": b"%d" % exchange.bytes_sent,
        "server_addr": b"127.0.0.1",
    }


@offer("kong.nginx.get_tls1_version_str")
def get_tls_version(exchange: Exchange) -> Value:
    """No answer: the stand-in speaks no TLS."""
    del exchange


@offer("kong.nginx.req_start_time", timer=True)
def start_time(exchange: Exchange) -> Value:
    return round(exchange.times.started, 3)


@offer("kong.nginx.get_subsystem", timer=True)
def get_subsystem(exchange: Exchange) -> Value:
    del exchange
    return b"http"


@offer("kong.node.get_id", timer=True)
def get_id(exchange: Exchange) -> Value:
    return exchange.node.id.encode()


def _set(table: dict[bytes, Value], key: Value, value: Value) -> None:
    if key is None:
        raise LuaError("table index is nil")
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _variable(name: bytes) -> str:
    """A header's name as nginx compares it with the end of a variable's name."""
    return name.decode("latin-1").lower().replace("-", "_")


def _joined(values: list[bytes]) -> bytes | None:
    return b", ".join(values) if values else None
