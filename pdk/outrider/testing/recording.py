r"""Messages in a file, in a form that knows no gateway: one JSON object a line, each with one key.

    {"request": {"method": "POST", "target": "/chat?page=1", "authority": "a.example", "headers": [["te", "gzip"]]}}
    {"request_chunk": "text"}
    {"request_chunk": {"base64": "/w=="}}
    {"request_trailers": [["x-sum", "7"]]}
    {"response": {"status": 200, "headers": [["content-type", "text/event-stream"]]}}
    {"response_chunk": "data: 1\n\n"}
    {"response_trailers": [["grpc-status", "0"]]}

Each `request` begins another exchange; what follows belongs to it, in the order in which it came. Bytes are text, or
`{"base64": ...}` where they are no UTF-8, in the values of headers too. Left out, a method is GET, a target `/`, an
authority `localhost`, headers are none, and upstream's answer is an empty 200. The last chunk of a direction is its
end: an empty one where the end came by itself. No hook sees trailers, so that a replay reads over them.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from outrider.headers import Fields, Headers, header_value
from outrider.request import Request
from outrider.response import Response

_NAME = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"  # RFC 9110, section 5.6.2
_TARGET = r"^[*/][\x21-\x22\x24-\x7e]*$"

Plain = str | dict[str, str]


def plain(data: bytes) -> Plain:
    """Bytes as they stand in a recording: text, else base64."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _bytes(value: object) -> bytes:
    match value:
        case str():
            return value.encode()
        case {"base64": str(encoded)} if len(cast("dict[str, Any]", value)) == 1:
            return base64.b64decode(encoded, validate=True)
        case _:
            raise ValueError('is neither text nor {"base64": "..."}')


def _header(value: object) -> tuple[str, str]:
    pair = cast("list[object]", value) if isinstance(value, list) else []
    if len(pair) != 2 or not isinstance(pair[0], str) or not re.fullmatch(_NAME, pair[0]):
        raise ValueError('is no header: write ["name", "value"]')
    name = pair[0].lower()
    return name, header_value(name, _bytes(pair[1]).decode("utf-8", "surrogateescape"))


Piece = Annotated[bytes, PlainValidator(_bytes)]
Header = Annotated[tuple[str, str], PlainValidator(_header)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class RequestHead(_Strict):
    """How a request begins."""

    method: str = Field(default="GET", pattern=_NAME)
    target: str = Field(default="/", pattern=_TARGET)
    authority: str = "localhost"
    headers: list[Header] = []


class ResponseHead(_Strict):
    """How an answer of upstream's begins."""

    status: int = Field(default=200, ge=200, le=599)
    headers: list[Header] = []


class Line(_Strict):
    """One line of a file: one of these."""

    request: RequestHead | None = None
    request_chunk: Piece | None = None
    request_trailers: list[Header] | None = None
    response: ResponseHead | None = None
    response_chunk: Piece | None = None
    response_trailers: list[Header] | None = None


@dataclass(slots=True)
class Exchange:
    """One request of a recording, and upstream's answer to it."""

    head: RequestHead
    request_chunks: list[bytes] = field(default_factory=list[bytes])
    answer: ResponseHead | None = None
    response_chunks: list[bytes] = field(default_factory=list[bytes])

    @property
    def request(self) -> Request:
        head = self.head
        return Request(head.method, head.target, headers=_headers(head.headers), authority=head.authority)

    @property
    def response(self) -> Response:
        answer = self.answer or ResponseHead()
        return Response.received(answer.status, _headers(answer.headers))


def _headers(pairs: Iterable[tuple[str, str]]) -> Headers:
    fields: Fields = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return Headers.received(fields)
