"""JSON bodies from strangers: read fast, and only where every reader reads them alike (RFC 8259)."""

import gc
import re
from collections.abc import Generator
from itertools import accumulate
from typing import Any

import msgspec

DEEPEST = 100
"""How deep a body may be nested: each level takes of the stack of whoever walks through it."""

_AT_ONCE = 64
_OPENS = bytes.maketrans(b"{}", b"[]")
_STEPS = {ord("["): 1, ord("]"): -1}
_ELSE = bytes(set(range(256)) - set(b'[{]}"'))
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_COLON = re.compile(rb"\\u003[aA]")


class BadJSONError(ValueError):
    """A body that is no JSON, or that two readers could read as two; the text says which."""


def read_json(raw: bytes) -> Any:
    """The value of a body. Raises `BadJSONError`."""
    steps = read_in_steps(raw)
    try:
        while True:
            next(steps)
    except StopIteration as read:
        return read.value


def read_in_steps(raw: bytes) -> Generator[None, None, Any]:
    """The same, with a pause between what takes long with a large body."""
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and _is_too_deep(raw):
        raise BadJSONError("is nested too deep")
    try:
        value = _decoded(raw)
    except RecursionError:
        raise BadJSONError("is nested too deep") from None
    except (msgspec.MsgspecError, ValueError):
        raise BadJSONError("is no JSON") from None
    yield
    encoded = msgspec.json.encode(value)
    # A member that another of its name has replaced took its colon with it; all others are still there.
    if _colons(raw) != encoded.count(b":"):
        raise BadJSONError("has a name that stands twice in one object")
    return value


def _decoded(raw: bytes) -> Any:
    # Every so many new lists the collector would look through all that the worker has: four times as long in all.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return msgspec.json.decode(raw)
    finally:
        if was_enabled:
            gc.enable()


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
