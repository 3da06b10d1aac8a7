"""Configured values with references in braces, such as `{consumer.username}`, compiled once.

A reference stands for a fact of the request or, where there is one, of the response. `{{` and `}}` are literal
braces. What is absent is empty, and what is no text is written as JSON. The whole is encoded for its place:
control characters never reach a header, and in a query everything but letters, digits and `_.-~` is
percent-encoded (RFC 3986, section 2.3).
"""

import difflib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from outrider import Request, Response
from outrider_plugins.members import member

Place = Literal["header", "query"]
Reading = Callable[[Request, Response | None], str]

_PIECE = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<reference>[^{}]*)\}|(?P<stray>[{}])|(?P<text>[^{}]+)")
# Controls (RFC 9110, section 5.5), and half surrogates other than those that stand for raw bytes (PEP 383).
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")


def _whole(read: Callable[[Request], object]) -> Reading:
    return lambda request, _: _text(read(request))


_REQUEST: dict[str, Reading] = {
    "request.method": _whole(lambda request: request.method),
    "request.path": _whole(lambda request: request.path),
    "request.query": _whole(lambda request: request.query),
    "request.host": _whole(lambda request: request.host),
    "request.id": _whole(lambda request: request.id),
    "request.client": _whole(lambda request: request.client),
    "consumer.username": _whole(lambda request: request.consumer and request.consumer.username),
    "consumer.id": _whole(lambda request: request.consumer and request.consumer.id),
    "consumer.custom_id": _whole(lambda request: request.consumer and request.consumer.custom_id),
    "credential": _whole(lambda request: request.credential),
    "route.name": _whole(lambda request: request.route.name),
    "service.name": _whole(lambda request: request.route.service),
}
_REQUEST_NAMED: dict[str, Callable[[str], Reading]] = {
    "request.headers.": lambda name: _whole(lambda request: request.headers.get(name)),
    "claims.": lambda name: _whole(lambda request: member(request.claims, name)),
    "context.": lambda name: _whole(lambda request: member(request.context, name)),
}
_RESPONSE: dict[str, Reading] = {
    "response.status": lambda _, response: _text(response and response.status),
}
_RESPONSE_NAMED: dict[str, Callable[[str], Reading]] = {
    "response.headers.": lambda name: lambda _, response: _text(response and response.headers.get(name)),
}


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled value. Calling it gives the text for one request, and its response where there is one."""

    pieces: tuple[str | Reading, ...]
    encode: Callable[[str], str]

    def __call__(self, request: Request, response: Response | None = None) -> str:
        texts = [piece if isinstance(piece, str) else piece(request, response) for piece in self.pieces]
        return self.encode("".join(texts))


def compile_template(text: str, place: Place, *, on_response: bool = False) -> str | Template:
    """`text` ready for use at its place; one without references stays a `str`.

    Raises `ValueError` for a reference that does not exist (there), a stray brace, and a control character. The
    error shows nothing of the text, which may be a secret.
    """
    if _UNSENDABLE.search(text):
        raise ValueError("has a control character: remove it")
    encode = _for_header if place == "header" else _for_query
    pieces = tuple(_piece(match, on_response=on_response) for match in _PIECE.finditer(text))
    constants = [piece for piece in pieces if isinstance(piece, str)]
    return encode("".join(constants)) if len(constants) == len(pieces) else Template(pieces, encode)


def _piece(match: re.Match[str], *, on_response: bool) -> str | Reading:
    if match["stray"]:
        raise ValueError(f"has a single {match['stray']}: write it twice for a literal brace")
    if match["reference"] is not None:
        return _reading(match["reference"], on_response=on_response)
    return match["text"] or match["brace"][0]


def _reading(reference: str, *, on_response: bool) -> Reading:
    if reference.startswith("response.") and not on_response:
        raise ValueError("refers to the response, which is not there yet: use response-transform")
    single = _REQUEST | _RESPONSE if on_response else _REQUEST
    if reference in single:
        return single[reference]
    named = _REQUEST_NAMED | _RESPONSE_NAMED if on_response else _REQUEST_NAMED
    for prefix, reading in named.items():
        if reference.startswith(prefix) and reference != prefix:
            return reading(reference.removeprefix(prefix))
    known = [*single, *(f"{prefix}NAME" for prefix in named)]
    nearest = difflib.get_close_matches(reference, known, 1, 0.0)[0]
    raise ValueError(f"has an unknown reference: did you mean {{{nearest}}}?")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"))


def _for_header(text: str) -> str:
    # RFC 9113, section 8.2.1: a value must not begin or end with white space.
    return text.strip(" ") if text.isascii() and text.isprintable() else _UNSENDABLE.sub("", text).strip(" ")


def _for_query(text: str) -> str:
    return quote(_UNSENDABLE.sub("", text), safe="", errors="surrogateescape")
