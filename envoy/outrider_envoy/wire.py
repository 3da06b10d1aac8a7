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
    return before + (_SMALL[length] if length < 128 else number(length)) + content


def pair(field: bytes, name: str, value: str) -> bytes:
    """A field with a HeaderValue that stands alone, read by its `value`."""
    return sized(field, sized(_KEY, name.encode()) + sized(_VALUE, value.encode()))


_KEY, _VALUE, _RAW_VALUE = tag(1), tag(2), tag(3)
_HEADER, _APPEND = tag(1), sized(tag(2), number_tag(1) + b"\x01")
_SHORT: Final = 128
"""Up to how many characters a header's value is worth remembering: most are the same for many requests."""


def raw_header(field: bytes, name: str, value: str, *, append: bool = False) -> bytes:
    """A field with a HeaderValueOption for ext_proc, which reads only `raw_value` and only the older `append`."""
    write = _remembered if len(value) <= _SHORT else _header
    return write(field, _RAW_VALUE, name, value, _APPEND if append else b"")


def text_header(field: bytes, name: str, value: str, rest: bytes = b"") -> bytes:
    """The same for ext_authz, which reads only `value`; `rest` is what else the option says."""
    write = _remembered if len(value) <= _SHORT else _header
    return write(field, _VALUE, name, value, rest)


def _header(field: bytes, where: bytes, name: str, value: str, rest: bytes) -> bytes:
    raw = value.encode("utf-8", "surrogateescape")
    return sized(field, sized(_HEADER, sized(_KEY, name.encode()) + sized(where, raw)) + rest)


_remembered = lru_cache(maxsize=4096)(_header)
