"""Configured values with references in braces, such as `{consumer.username}`, compiled once.

A reference stands for a fact of the request or, where there is one, of the response. `{{` and `}}` are literal
braces. What is absent is empty, and what is no text is written as JSON. The whole is encoded for its place:
control characters never reach a header, and in a query everything but letters, digits and `_.-~` is
percent-encoded (RFC 3986, section 2.3).
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from outrider.consumer import JSON
from outrider.needs import Fact
from outrider_plugins.references import Reference, Seen, reference

Place = Literal["header", "query", "json"]

_KONGS = re.compile(r"\$\((?:headers|query_params|uri_captures|shared|consumer|template)\b")
_PIECE = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<reference>[^{}]*)\}|(?P<stray>[{}])|(?P<text>[^{}]+)")
# Controls (RFC 9110, section 5.5), and half surrogates other than those that stand for raw bytes (PEP 383).
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")

Piece = str | Reference


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled value. Calling it gives the text for one request, and its response where there is one."""

    pieces: tuple[Piece, ...]
    encode: Callable[[str], str]

    def __call__(self, seen: Seen) -> str:
        texts = [piece if isinstance(piece, str) else as_text(piece.read(seen)) for piece in self.pieces]
        return self.encode("".join(texts))

    @property
    def facts(self) -> frozenset[Fact]:
        """The facts of the request that it needs."""
        return facts_of(self.pieces)


def compile_template(text: str, place: Place, *, on_response: bool = False) -> str | Template:
    """`text` ready for use at its place; one without references stays a `str`.

    Raises `ValueError` for a reference that does not exist (there), a stray brace, and a control character. The
    error shows nothing of the text, which may be a secret.
    """
    if place != "json" and _UNSENDABLE.search(text):
        raise ValueError("has a control character: remove it")
    pieces = pieces_of(text, on_response=on_response)
    encode = _ENCODE[place]
    constants = [piece for piece in pieces if isinstance(piece, str)]
    return encode("".join(constants)) if len(constants) == len(pieces) else Template(pieces, encode)


def pieces_of(text: str, *, on_response: bool = False, captures: frozenset[str] = frozenset()) -> tuple[Piece, ...]:
    """The constants and the references of a text. Raises `ValueError` as `compile_template` does."""
    if _KONGS.search(text):
        raise ValueError("has a template of Kong's: write {request.headers.NAME} for $(headers.NAME)")
    return tuple(_piece(match, on_response, captures) for match in _PIECE.finditer(text))


def facts_of(pieces: Iterable[Piece]) -> frozenset[Fact]:
    """The facts of the request that references need."""
    return frozenset(piece.fact for piece in pieces if isinstance(piece, Reference) and piece.fact is not None)


def as_text(value: JSON) -> str:
    """What a reference stands for as text: what is absent is empty, what is no text is JSON."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"))


def quoted(text: str) -> str:
    """Text percent-encoded for a query or a segment of a path, with its raw bytes and without controls."""
    return quote(_UNSENDABLE.sub("", text), safe="", errors="surrogateescape")


def whole_characters(text: str) -> str:
    """Text as JSON can have it: what stands for a raw byte, or for half a character, becomes U+FFFD."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _piece(match: re.Match[str], on_response: bool, captures: frozenset[str]) -> Piece:
    if match["stray"]:
        raise ValueError(f"has a single {match['stray']}: write it twice for a literal brace")
    if match["reference"] is not None:
        return reference(match["reference"], on_response=on_response, captures=captures)
    return match["text"] or match["brace"][0]


def _for_header(text: str) -> str:
    # RFC 9113, section 8.2.1: a value must not begin or end with white space.
    return text.strip(" ") if text.isascii() and text.isprintable() else _UNSENDABLE.sub("", text).strip(" ")


_ENCODE: dict[Place, Callable[[str], str]] = {"header": _for_header, "query": quoted, "json": whole_characters}
