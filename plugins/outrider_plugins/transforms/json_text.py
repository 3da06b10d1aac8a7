"""JSON text that is to be changed: read so that nothing is lost, and every reader would read the same."""

import json
from typing import Any

import msgspec

from outrider.consumer import JSON
from outrider_plugins.strict_json import depth_of, no_number, unique

DEEPEST = 500
"""How deep it may be nested: below what Python and the readers of most upstreams can follow."""
_LONGEST = 1000
"""The longest number that is kept as it is written, in characters."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read_json(raw: bytes) -> tuple[JSON, bytes]:
    """What UTF-8 text says, and the text that it would be written as if nothing changed.

    Raises `ValueError` for what two readers could read as two: names that stand twice, halves of characters, what
    is not UTF-8, fractions and powers that no double holds; and for what is nested deeper than `DEEPEST`.
    """
    try:
        return _read(raw)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def write_json(value: JSON) -> bytes:
    """The text of a value in UTF-8, without white space."""
    return _encode(value)


def _read(raw: bytes) -> tuple[JSON, bytes]:
    value: JSON = _decode(raw)
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and depth_of(value, DEEPEST) > DEEPEST:
        raise ValueError("nested too deep")
    text = _encode(value)
    # Equal texts have equally many names, and what was read has each name once.
    if text == raw or text == msgspec.json.format(raw, indent=-1):
        return value, text
    value = _read_exactly(raw)
    return value, _encode(value)


def _read_exactly(raw: bytes) -> JSON:
    """The same with every number as it is written, and a `ValueError` for a name that stands twice."""
    value: Any = json.loads(
        raw, object_pairs_hook=unique, parse_constant=no_number, parse_int=_number, parse_float=_number
    )
    return value


def _number(text: str) -> msgspec.Raw:
    if len(text) > _LONGEST:
        raise ValueError("a number that nobody means")
    return msgspec.Raw(text.encode())
