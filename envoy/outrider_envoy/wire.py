"""Protobuf's wire format, by hand: to build an answer out of message objects costs more than to decide it.

The numbers of the fields are those of the proto files in `proto/`.
"""

from functools import lru_cache
from typing import Final

_SMALL: Final = [bytes([value]) for value in range(128)]
_OCTET: Final = 7


def number(value: int) -> bytes:
    """A base-128 varint, as protobuf writes lengths, numbers and truths."""
    if value < len(_SMALL):
        return _SMALL[value]
    out = bytearray()
    while value >= len(_SMALL):
        out.append(value & 0x7F | 0x80)
        value >>= _OCTET
    out.append(value)
    return bytes(out)


def tag(field: int) -> bytes:
    """What stands before the length of a field of bytes, of text or with a message in it."""
    return number(field << 3 | 2)


def number_tag(field: int) -> bytes:
    """What stands before a field that is a number or a truth."""
    return number(field << 3)


def sized(before: bytes, content: bytes) -> bytes:
    """A field: its tag, its length, its content."""
    length = len(content)
    return before + (_SMALL[length] if length < len(_SMALL) else number(length)) + content


_KEY, _VALUE, _RAW_VALUE = tag(1), tag(2), tag(3)
_HEADER, _APPEND = tag(1), sized(tag(2), number_tag(1) + b"\x01")
_SHORT: Final = 128
"""Up to how many characters a header's value is worth remembering: most are the same for many requests."""


def raw_header(name: str, value: str, *, append: bool = False) -> bytes:
    """A HeaderValueOption for ext_proc, which reads only `raw_value` and only the older `append`."""
    header = _known(_RAW_VALUE, name, value) if len(value) <= _SHORT else _header(_RAW_VALUE, name, value)
    return header + _APPEND if append else header


def text_header(name: str, value: str) -> bytes:
    """A HeaderValueOption for ext_authz, which reads only `value`."""
    return _known(_VALUE, name, value) if len(value) <= _SHORT else _header(_VALUE, name, value)


def _header(where: bytes, name: str, value: str) -> bytes:
    raw = value.encode("utf-8", "surrogateescape")
    return sized(_HEADER, sized(_KEY, name.encode()) + sized(where, raw))


_known = lru_cache(maxsize=4096)(_header)
