"""Parameters' texts as the values that they stand for."""

import math
import re
from urllib.parse import unquote_to_bytes

Scalar = str | int | float | bool
Types = frozenset[str] | None
"""Names of JSON types; None where they are open."""

# As JSON writes them (RFC 8259, section 6), and no longer than any program reads them.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,63})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,63})(?:\.[0-9]{1,64})?(?:[eE][+-]?[0-9]{1,3})?")
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")


class BadTextError(ValueError):
    """A text that two readers could read as two; the message says why."""


def decoded(text: str, *, plus: bool = False) -> str:
    """The text without its percent-encoding, once; `plus` stands for a space in queries and forms.

    Raises `BadTextError`.
    """
    if plus and "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return well_formed(text)
    if _BROKEN.search(text):
        raise BadTextError("has a percent sign that begins no escape")
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
    except UnicodeDecodeError:
        raise BadTextError("is not UTF-8") from None


def well_formed(text: str) -> str:
    """The text itself. Raises `BadTextError` if it came as bytes that are not UTF-8."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadTextError("is not UTF-8") from None
    return text


def readings(text: str, types: Types) -> list[Scalar]:
    """The values that a text can stand for: one of these types, or of any where they are open. Never none."""
    found: list[Scalar] = []
    if types is None or not types.isdisjoint(("integer", "number")):
        number = _number(text, whole=types is not None and "number" not in types)
        if number is not None:
            found.append(number)
    if text in ("true", "false") and (types is None or "boolean" in types):
        found.append(text == "true")
    if types is None or "string" in types or not found:
        found.append(text)
    return found


def reading(text: str, types: Types) -> Scalar:
    """The one that says most; text where the types are open."""
    return text if types is None else readings(text, types)[0]


def _number(text: str, *, whole: bool) -> float | None:
    if _INTEGER.fullmatch(text):
        return int(text)
    if whole or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None
