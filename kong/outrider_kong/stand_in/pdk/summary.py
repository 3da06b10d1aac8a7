"""What kong.log.serialize tells of a request."""

import time

from outrider_kong.stand_in.declarative import WORKSPACE
from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.uri import arguments
from outrider_kong.stand_in.values import Value, lua

HIDDEN = (b"authorization", b"proxy-authorization")


def summary(exchange: Exchange) -> dict[bytes, Value]:
    """A table with Kong's field names; times in milliseconds. What is absent is left out."""
    reply = exchange.reply
    table: dict[bytes, Value] = {
        b"request": _request(exchange),
        b"upstream_uri": _upstream_uri(exchange),
        b"upstream_status": exchange.upstream.status if exchange.upstream else b"",
        b"response": {
            b"status": reply.status,
            b"headers": reply.headers.table(exchange.node.settings.max_response_headers),
            b"size": exchange.bytes_sent,
        },
        b"latencies": _latencies(exchange),
        b"tries": exchange.tries,
        b"authenticated_entity": _entity(exchange),
        b"route": lua(exchange.route.table) if exchange.route else None,
        b"service": lua(exchange.service.table) if exchange.service else None,
        b"consumer": exchange.consumer,
        b"client_ip": exchange.request.address.encode(),
        b"started_at": round(exchange.times.started * 1000),
        b"source": {"service": b"upstream", "exit": b"kong", "error": b"kong"}[exchange.source],
        b"workspace": WORKSPACE.encode(),
        b"workspace_name": b"default",
    }
    return {key: value for key, value in table.items() if value is not None}


def _request(exchange: Exchange) -> dict[bytes, Value]:
    request = exchange.request
    headers: dict[bytes, Value] = dict(request.headers.table(exchange.node.settings.max_request_headers))
    headers |= {name: b"REDACTED" for name in HIDDEN if name in headers}
    return {
        b"id": exchange.id.encode(),
        b"uri": request.target,
        b"url": b"%s://%s:%d%s" % (request.scheme.encode(), request.host, request.server_port, request.target),
        b"querystring": arguments(exchange.args, 100),
        b"method": request.method,
        b"headers": headers,
        b"size": request.size,
    }


def _upstream_uri(exchange: Exchange) -> bytes:
    uri = exchange.target.uri
    return uri + b"?" + exchange.args if exchange.args and b"?" not in uri else uri


def _latencies(exchange: Exchange) -> dict[bytes, Value]:
    ended = exchange.times.ended or time.time()
    came = exchange.times.headers_came
    return {
        b"kong": exchange.proxy_latency,
        b"proxy": exchange.waiting_time if exchange.proxied else -1,
        b"request": round((ended - exchange.times.started) * 1000),
        b"receive": round((ended - came) * 1000) if came else 0,
    }


def _entity(exchange: Exchange) -> Value:
    credential = exchange.credential
    if credential is None:
        return None
    entity = {b"id": credential.get(b"id"), b"consumer_id": credential.get(b"consumer_id")}
    return {key: value for key, value in entity.items() if value is not None}
