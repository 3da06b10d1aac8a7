"""How the bytes of a body stand for its characters: what packs them, and their charset."""

import codecs
import json
import re
import zlib
from typing import Final

_PACKED: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Content codings, and what zlib calls their format (RFC 9110, section 8.4.1)."""
UNPACKED: Final = frozenset({"", "identity"})
CODINGS: Final = UNPACKED | _PACKED.keys()
"""The content codings that can be read and written."""

_UTF_16: Final = {"utf-16": "utf-16-be", "utf-16be": "utf-16-be", "utf-16le": "utf-16-le"}
"""What a charset is without a mark of its byte order (RFC 2781, section 4.3)."""
_BY_BYTES: Final = {
    "utf-8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "windows-1252": "cp1252",
}
CHARSETS: Final = frozenset(_UTF_16) | _BY_BYTES.keys()
"""The charsets that can be read and written."""
_MARKS: Final = {codecs.BOM_UTF16_BE: "utf-16-be", codecs.BOM_UTF16_LE: "utf-16-le"}
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def readable_codings(accepted: str) -> str:
    """What is left of an accept-encoding: the content codings that can be read, or that none is acceptable."""
    items = (item.strip() for item in accepted.split(","))
    kept = [item for item in items if item.partition(";")[0].strip().lower() in CODINGS - {""}]
    return ", ".join(kept) or "identity"


class TooLargeError(ValueError):
    """A body that is larger than it may be when it is unpacked."""


def unpack(body: bytes, coding: str, largest: int) -> bytes:
    """The body without its content coding, read no further than `largest` bytes.

    Raises `TooLargeError` for more, and `ValueError` for what is not packed in that way, cut off, or followed by
    more, where one reader would go on and another would not.
    """
    if coding in UNPACKED:
        if len(body) > largest:
            raise TooLargeError
        return body
    reader = zlib.decompressobj(_PACKED[coding])
    try:
        unpacked = reader.decompress(body, largest + 1)
    except zlib.error as error:
        raise ValueError(f"no {coding}") from error
    if len(unpacked) > largest:
        raise TooLargeError
    if not reader.eof or reader.unused_data:
        raise ValueError(f"{coding} with another end")
    return unpacked


def pack(body: bytes, coding: str) -> bytes:
    """The body with its content coding."""
    if coding in UNPACKED:
        return body
    writer = zlib.compressobj(wbits=_PACKED[coding])
    return writer.compress(body) + writer.flush()


def to_utf8(body: bytes, charset: str) -> bytes:
    """JSON text in UTF-8, without a mark in front. Raises `ValueError` for what is not of that charset."""
    if charset == "utf-8":
        return body.removeprefix(codecs.BOM_UTF8)
    mark, encoding = _encoding(body, charset)
    return body[len(mark) :].decode(encoding).encode()


def from_utf8(text: bytes, charset: str, body: bytes) -> bytes:
    """JSON text in the charset of `body`. What that may lack is escaped (RFC 8259, section 7)."""
    if charset == "utf-8":
        return text
    if charset not in _UTF_16:
        return _BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text.decode()).encode()
    mark, encoding = _encoding(body, charset)
    return mark + text.decode().encode(encoding)


def form_encoding(charset: str) -> str:
    """What the bytes beneath the percent-encoding are in. Raises `ValueError` where the form itself is not ASCII."""
    if charset in _UTF_16:
        raise ValueError("a form in UTF-16")
    # A form whose text is ASCII says with its escapes what it likes, which is UTF-8 (URL Standard, section 5.1).
    return "utf-8" if charset == "us-ascii" else _BY_BYTES[charset]


def _encoding(body: bytes, charset: str) -> tuple[bytes, str]:
    mark = body[:2] if charset in _UTF_16 and body[:2] in _MARKS else b""
    return mark, _MARKS.get(mark) or _UTF_16.get(charset) or _BY_BYTES[charset]
