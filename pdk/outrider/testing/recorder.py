"""The plugins that record what passes a test's gateway: one runs first on requests, the other first on responses."""

import json
import logging
import re
from pathlib import Path
from typing import ClassVar, cast
from urllib.parse import unquote

from outrider.consumer import JSON
from outrider.headers import Headers
from outrider.log_record import LogRecord
from outrider.needs import Hook, Needs
from outrider.plugin import Plugin
from outrider.request import Request
from outrider.response import Response
from outrider.testing.recording import plain

_log = logging.getLogger("outrider.testing.recorder")

_KEY, _SIZE = "outrider.testing.messages", "outrider.testing.size"
_FIRST = 1_000_000_000
_LIMIT = 16 << 20  # bytes of bodies that one exchange may have
_SECRET = re.compile(
    r"auth|cert|code|cookie|credential|jwt|key|passw|pwd|secret|session|sid|signature|token", re.IGNORECASE
)
_PARAMETER = re.compile(r"([^?&=]+)=([^&]*)")
_MASK = "***"


class RecordRequest(Plugin):
    """Notes each request before another plugin sees it, and writes the exchange to `path` when it has ended."""

    priority: ClassVar[int] = _FIRST

    path: Path
    buffered: bool = False
    """Whether another plugin needs the whole body, and so makes one piece of it."""

    def needs(self) -> Needs:
        body: Hook = "on_request_body" if self.buffered else "on_request_chunk"
        return Needs(hooks=frozenset({"on_request", body, "on_log"}))

    def on_request(self, request: Request, /) -> None:
        head = {
            "method": request.method,
            "target": _PARAMETER.sub(_masked_parameter, request.target),
            "authority": request.authority,
            "headers": _headers(request.headers),
        }
        request.context[_KEY] = [{"request": head}]
        request.context[_SIZE] = 0

    def on_request_body(self, request: Request, body: bytes, /) -> None:
        _note(request, "request_chunk", body)

    def on_request_chunk(self, request: Request, chunk: bytes, _: bool, /) -> bytes:
        _note(request, "request_chunk", chunk)
        return chunk

    def on_log(self, request: Request, _: LogRecord, /) -> None:
        if cast("int", request.context[_SIZE]) > _LIMIT:
            _log.warning("not recorded: the bodies of the request and its response are over %d bytes", _LIMIT)
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(message, ensure_ascii=False)}\n" for message in _noted(request))


class RecordResponse(Plugin):
    """Notes upstream's answer before another plugin sees it."""

    priority: ClassVar[int] = -_FIRST

    buffered: bool = False
    """Whether another plugin needs the whole body, and so makes one piece of it."""

    def needs(self) -> Needs:
        body: Hook = "on_response_body" if self.buffered else "on_response_chunk"
        return Needs(hooks=frozenset({"on_response", body}))

    def on_response(self, request: Request, response: Response, /) -> None:
        head = {"status": response.status, "headers": _headers(response.headers)}
        _noted(request).append({"response": head})

    def on_response_body(self, request: Request, _: Response, body: bytes, /) -> None:
        _note(request, "response_chunk", body)

    def on_response_chunk(self, request: Request, _: Response, chunk: bytes, _last: bool, /) -> bytes:
        _note(request, "response_chunk", chunk)
        return chunk


def _noted(request: Request) -> list[JSON]:
    return cast("list[JSON]", request.context[_KEY])


def _note(request: Request, key: str, piece: bytes) -> None:
    size = cast("int", request.context[_SIZE]) + len(piece)
    request.context[_SIZE] = size
    if size <= _LIMIT:
        _noted(request).append({key: plain(piece)})


def _headers(headers: Headers) -> list[JSON]:
    return [
        [name, _MASK if _SECRET.search(name) else plain(_address(name, value).encode("utf-8", "surrogateescape"))]
        for name, value in headers.fields()
    ]


def _address(name: str, value: str) -> str:
    """A value, without the secrets of an address that stands in it."""
    return _PARAMETER.sub(_masked_parameter, value) if name in ("location", "referer") else value


def _masked_parameter(found: re.Match[str]) -> str:
    return f"{found[1]}={_MASK}" if _SECRET.search(unquote(found[1])) else found[0]
