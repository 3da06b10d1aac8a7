"""Header blocks, written instruction by instruction (RFC 7541, section 6), and messages of gRPC."""

import struct
from collections.abc import Iterable

Field = tuple[str, str]

ECHO = "/test.Service/Echo"
STATIC = 61
"""The last index of the static table; the newest entry of the dynamic one comes behind it."""


def integer(value: int, bits: int, first: int = 0) -> bytes:
    """Section 5.1; `first` are the bits above the prefix."""
    top = (1 << bits) - 1
    if value < top:
        return bytes([first | value])
    octets, value = [first | top], value - top
    while value >= 128:
        octets.append(value % 128 + 128)
        value //= 128
    return bytes([*octets, value])


def text(raw: bytes | str, *, huffman: bool = False) -> bytes:
    """Section 5.2; with `huffman` the bytes are given as they are coded."""
    raw = raw if isinstance(raw, bytes) else raw.encode("latin-1")
    return integer(len(raw), 7, 0x80 if huffman else 0) + raw


def indexed(index: int) -> bytes:
    """Section 6.1."""
    return integer(index, 7, 0x80)


def added(name: str | int, value: str | bytes) -> bytes:
    """A literal that goes into the dynamic table (section 6.2.1); a number is the index of a name."""
    return _literal(name, value, 6, 0x40)


def plain(name: str | bytes | int, value: str | bytes) -> bytes:
    """A literal that changes nothing in the table (section 6.2.2)."""
    return _literal(name, value, 4, 0)


def never(name: str | int, value: str | bytes) -> bytes:
    """A literal that nobody may index (section 6.2.3)."""
    return _literal(name, value, 4, 0x10)


def size_update(size: int) -> bytes:
    """Section 6.3."""
    return integer(size, 5, 0x20)


def fields(pairs: Iterable[Field]) -> bytes:
    return b"".join(plain(name, value) for name, value in pairs)


def call_fields(path: str = ECHO, *more: Field) -> list[Field]:
    """The header fields of a gRPC request."""
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        *more,
    ]


def call(path: str = ECHO, *more: Field) -> bytes:
    """A gRPC request's block, which leaves the dynamic table alone."""
    return fields(call_fields(path, *more))


def without(name: str, *more: Field) -> bytes:
    """A gRPC request that lacks one field; `more` stands where the request ends."""
    return fields([pair for pair in call_fields() if pair[0] != name] + list(more))


def instead(name: str, value: str) -> bytes:
    """A gRPC request with another value for one field."""
    return fields([(key, value if key == name else before) for key, before in call_fields()])


def message(content: bytes = b"", *, flag: int = 0, length: int | None = None) -> bytes:
    """A length-prefixed message; `length` is what it says of itself, where that is to be a lie."""
    return struct.pack("!BI", flag, len(content) if length is None else length) + content


def _literal(name: str | bytes | int, value: str | bytes, bits: int, first: int) -> bytes:
    if isinstance(name, int):
        return integer(name, bits, first) + text(value)
    return bytes([first]) + text(name) + text(value)
