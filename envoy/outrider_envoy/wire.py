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


def raw_header(name: str, value: str, *, append: bool = False) -> bytes:
    """A HeaderValueOption for ext_proc, which reads only `raw_value` and only the older `append`."""
    header = _key(name) + sized(_RAW_VALUE, value.encode("utf-8", "surrogateescape"))
    return sized(_HEADER, header) + _APPEND if append else sized(_HEADER, header)


def text_header(name: str, value: str) -> bytes:
    """A HeaderValueOption for ext_authz, which reads only `value`."""
    return sized(_HEADER, _key(name) + sized(_VALUE, value.encode()))


@lru_cache(maxsize=4096)
def _key(name: str) -> bytes:
    return sized(_KEY, name.encode())
