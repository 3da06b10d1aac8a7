"""How lists and objects are written into one parameter (OpenAPI 3.1.1, Style Values; RFC 6570)."""

import re
from collections.abc import Sequence

from outrider_plugins.openapi.values import BadTextError

_SPACE, _PIPE = re.compile(r"%20|\+| "), re.compile(r"%7[cC]|\|")
_DELIMITERS = {"spaceDelimited": _SPACE, "pipeDelimited": _PIPE}


def split(text: str, style: str) -> list[str]:
    """The items of a list in one text. What is escaped separates nothing, but where the style has it so."""
    if (delimiter := _DELIMITERS.get(style)) is not None:
        return delimiter.split(text)
    return text.split(",")


def pairs(items: Sequence[str], *, explode: bool) -> dict[str, str]:
    """An object: `R=100` each if exploded, else names and values in turn. Raises `BadTextError`."""
    if explode:
        parts = [item.partition("=") for item in items]
        if not all(equals for _, equals, _ in parts):
            raise BadTextError("has a property without =")
        named = [(name, value) for name, _, value in parts]
    else:
        if len(items) % 2:
            raise BadTextError("has a property without a value")
        named = list(zip(items[::2], items[1::2], strict=True))
    found = dict(named)
    if len(found) != len(named):
        raise BadTextError("has a property that stands twice")
    return found


def of_path(text: str, name: str, style: str, *, explode: bool, kind: str) -> str | list[str]:
    """What a path's segment holds in its style: one text, or the items of a list or object. Raises `BadTextError`."""
    if style == "simple":
        return text if kind == "scalar" else text.split(",")
    if style == "label":
        return _labels(text, explode=explode, kind=kind)
    return _matrix(text, name, explode=explode, kind=kind)


def _labels(text: str, *, explode: bool, kind: str) -> str | list[str]:
    if not text.startswith("."):
        raise BadTextError("does not begin with a dot, as style label does")
    inner = text[1:]
    return inner if kind == "scalar" else inner.split("." if explode else ",")


def _matrix(text: str, name: str, *, explode: bool, kind: str) -> str | list[str]:
    if not text.startswith(";"):
        raise BadTextError("does not begin with a semicolon, as style matrix does")
    if explode and kind == "object":
        return text[1:].split(";")
    parts = [part.partition("=") for part in text[1:].split(";")]
    if any(key != name for key, _, _ in parts) or (len(parts) > 1 and not (explode and kind == "array")):
        raise BadTextError(f"is not written as ;{name}=, as style matrix is")
    values = [value for _, _, value in parts]
    if kind == "scalar":
        return values[0]
    return values if explode else values[0].split(",")
