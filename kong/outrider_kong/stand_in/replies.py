"""The replies that Kong makes itself, and how one replaces what was to go downstream."""

import re

from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.pdk.registry import ExitError
from outrider_kong.stand_in.values import is_list, is_table, json_bytes

JSON = b"application/json; charset=utf-8"
MESSAGES = {
    400: b"Bad request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not found",
    405: b"Method not allowed",
    413: b"Payload too large",
    414: b"URI too long",
    429: b"Too many requests",
    494: b"Request header or cookie too large",
    500: b"An unexpected error occurred",
    502: b"An invalid response was received from the upstream server",
    503: b"The upstream server is currently unavailable",
    504: b"The upstream server is timing out",
}
TEMPLATES = {
    b"application/json": b'{\n  "message":"%s",\n  "request_id":"%s"\n}',
    b"text/plain": b"%s\nrequest_id: %s\n",
    b"text/html": b"<!doctype html>\n<p>%s</p>\n<p>request_id: %s</p>\n",
    b"application/xml": b"<error><message>%s</message><requestid>%s</requestid></error>\n",
}
ACCEPTED = re.compile(rb"\s*([^;,\s]+)\s*(?:;\s*q=([01](?:\.[0-9]*)?))?[^,]*")


def message(
    exchange: Exchange, status: int, text: bytes | None = None, otherwise: bytes = b""
) -> tuple[bytes, bytes]:
    """The content type and the body of an error, by what Accept likes best, or by `otherwise` without one."""
    said = text or MESSAGES.get(status, b"The upstream server responded with %d" % status)
    kind = _preferred(exchange.request.headers.get(b"accept") or otherwise)
    return kind + b"; charset=utf-8", TEMPLATES[kind] % (said, exchange.id.encode())


def _preferred(accept: bytes) -> bytes:
    """JSON, unless another kind that Kong has a template for is liked more."""
    liked = [(float(match[2] or 1), match[1].lower()) for match in ACCEPTED.finditer(accept)]
    known = [(weight, kind) for weight, kind in liked if kind in TEMPLATES or kind == b"*/*"]
    best = max(known, key=lambda pair: pair[0], default=(0.0, b"*/*"))[1]
    return best if best in TEMPLATES else b"application/json"


def unexpected(exchange: Exchange) -> ExitError:
    """What a plugin that raised an error in access ends in."""
    exchange.unexpected = True
    return ExitError(500, {b"message": b"An unexpected error occurred"})


def gateway_error(exchange: Exchange, status: int) -> ExitError:
    """What nginx's error page says: 502 and 504 of an upstream, 400 of a request that can't be read."""
    exchange.exited = True
    given = exchange.request.headers.get(b"content-type")
    kind, body = message(exchange, status, otherwise=given or exchange.node.settings.error_default_type.encode())
    return ExitError(400 if status == 494 else status, body, {b"Content-Type": [kind]})


def send(exchange: Exchange, left: ExitError) -> None:
    """Makes a plugin's reply the reply; headers that are there already stay, as in ngx.header."""
    reply = exchange.reply
    reply.status = left.status
    for name, values in left.headers.items():
        reply.headers.set(name.replace(b"_", b"-"), *values)
    names = {name.lower().replace(b"_", b"-") for name in left.headers}
    if is_table(left.body) or is_list(left.body):
        reply.body = json_bytes(left.body)
        if b"content-type" not in names:
            reply.headers.set(b"Content-Type", JSON)
    else:
        reply.body = left.body or b""
    _set_length(exchange, given=b"content-length" in names)


def _set_length(exchange: Exchange, *, given: bool) -> None:
    """In the response phase upstream's content-length stays unless a plugin sets or clears it, and cuts the body."""
    reply = exchange.reply
    promised = reply.headers.get(b"content-length")
    if given or (exchange.phase == "response" and promised is not None):
        reply.body = reply.body[: int(promised)] if promised and promised.isdigit() else reply.body
    else:
        reply.headers.set(b"Content-Length", b"%d" % len(reply.body))
