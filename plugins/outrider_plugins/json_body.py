"""JSON bodies from strangers: read fast, and only where every reader reads them alike (RFC 8259)."""

import gc
import re
from collections.abc import Callable, Generator
from itertools import accumulate
from math import isinf
from typing import Any

import msgspec

from outrider.consumer import JSON

DEEPEST = 100
"""How deep a body may be nested: each level takes of the stack of whoever walks through it."""

_LONGEST = 1000  # characters of a number with a fraction or a power
_AT_ONCE = 64
_OPENS = bytes.maketrans(b"{}", b"[]")
_STEPS = {ord("["): 1, ord("]"): -1}
_ELSE = bytes(set(range(256)) - set(b'[{]}"'))
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_COLON = re.compile(rb"\\u003[aA]")
_Decode = Callable[[bytes], Any]


class BadJSONError(ValueError):
    """A body that is no JSON, or that two readers could read as two; the text says which."""


def read_json(raw: bytes) -> Any:
    """The value of a body. Raises `BadJSONError`."""
    return _whole(raw, _values)[0]


def read_exactly(raw: bytes) -> tuple[JSON, bytes]:
    """The value of a body that `write_json` writes with every number as it came, and that text.

    Raises `BadJSONError`, also for a fraction or a power that no double holds.
    """
    if b"\\" not in raw and (found := _as_it_came(raw)):
        return found
    return _whole(raw, _as_written)


def _as_it_came(raw: bytes) -> tuple[JSON, bytes] | None:
    """The same, where what was read is written again as it came but for white space: as most servers write it."""
    try:
        value: JSON = _decoded(raw, _values)
        text = _encode(value)
        # Equal texts have equally many names and the same numbers; and what was read has each name once.
        is_same = text == raw or text == msgspec.json.format(raw, indent=-1)
    except (RecursionError, ValueError):
        return None
    return (value, text) if is_same and not _may_be_too_deep(raw) else None


def _may_be_too_deep(raw: bytes) -> bool:
    return raw.count(b"[") + raw.count(b"{") > DEEPEST and _is_too_deep(raw)


def write_json(value: JSON) -> bytes:
    """The text of a value in UTF-8, without white space."""
    return _encode(value)


def read_in_steps(raw: bytes) -> Generator[None, None, Any]:
    """As `read_json`, with a pause between what takes long with a large body."""
    return (yield from _read(raw, _values))[0]


def _whole(raw: bytes, decode: _Decode) -> tuple[Any, bytes]:
    steps = _read(raw, decode)
    try:
        while True:
            next(steps)
    except StopIteration as read:
        found: tuple[Any, bytes] = read.value
        return found


def _read(raw: bytes, decode: _Decode) -> Generator[None, None, tuple[Any, bytes]]:
    if _may_be_too_deep(raw):
        raise BadJSONError("is nested too deep")
    try:
        value = _decoded(raw, decode)
    except RecursionError:
        raise BadJSONError("is nested too deep") from None
    except (msgspec.MsgspecError, ValueError):
        raise BadJSONError("is no JSON") from None
    yield
    encoded = _encode(value)
    # A member that another of its name has replaced took its colon with it; all others are still there.
    if _colons(raw) != encoded.count(b":"):
        raise BadJSONError("has a name that stands twice in one object")
    return value, encoded


def _decoded(raw: bytes, decode: _Decode) -> Any:
    # Every so many new lists the collector would look through all that the worker has: four times as long in all.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return decode(raw)
    finally:
        if was_enabled:
            gc.enable()


def _number(text: str) -> msgspec.Raw:
    if len(text) > _LONGEST or isinf(float(text)):
        raise ValueError("a number that some read and some do not")
    return msgspec.Raw(text)


_values = msgspec.json.Decoder().decode
# Whole numbers keep their digits anyway.
_as_written = msgspec.json.Decoder(float_hook=_number).decode
_encode = msgspec.json.Encoder().encode


def _colons(raw: bytes) -> int:
    found = raw.count(b":")
    if b"\\u003" not in raw:
        return found
    # Escaped ones, but not what follows an escaped backslash.
    return found + len(_COLON.findall(raw.replace(b"\\\\", b"")))


def _is_too_deep(raw: bytes) -> bool:
    """Whether JSON text is nested deeper than it may be; of what is no JSON it says anything."""
    plain = _STRING.sub(b"", raw) if b"\\" in raw else raw
    marks = plain.translate(_OPENS, _ELSE).replace(b'""', b"")
    brackets = b"".join(marks.split(b'"')[::2])
    depth = 0
    for at in range(0, len(brackets), _AT_ONCE):
        piece = brackets[at : at + _AT_ONCE]
        opening = piece.count(b"[")
        if depth + opening > DEEPEST and depth + _deepest(piece) > DEEPEST:
            return True
        depth += 2 * opening - len(piece)
    return False


def _deepest(brackets: bytes) -> int:
    return max(accumulate(_STEPS[bracket] for bracket in brackets))
