"""Plugins that read and rewrite whole bodies."""

from collections.abc import Callable

from outrider import Plugin, Request, Response
from outrider.plugin import BodyReply


class RequestBody(Plugin):
    """Tells upstream what it read in `x-read`, and does with the body what `x-body` says."""

    def on_request_body(self, request: Request, body: bytes, /) -> BodyReply:
        request.headers["x-read"] = str(len(body))
        return _rewritten(request.headers.get("x-body"), body)


class ResponseBody(Plugin):
    """Tells downstream what it read in `x-read`, and does with the body what `x-response-body` says."""

    def on_response_body(self, request: Request, response: Response, body: bytes, /) -> BodyReply:
        response.headers["x-read"] = str(len(body))
        return _rewritten(request.headers.get("x-response-body"), body)


_REWRITES: dict[str, Callable[[bytes], bytes | Response]] = {
    "longer": lambda body: body + b" and more",
    "shorter": lambda body: body[:3],
    "same length": lambda body: body.upper(),
    "empty": lambda _: b"",
    "huge": lambda _: b"x" * 2_000_000,
    "reply": lambda _: Response(418, body=b"short and stout"),
}


def _rewritten(how: str | None, body: bytes) -> BodyReply:
    if how == "raise":
        raise RuntimeError
    return _REWRITES[how](body) if how else None
