"""The msgpack package with types: bytes in strings both ways, so that nothing must be UTF-8."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from outrider_kong.stand_in.values import Value, is_list, is_table, number, text

# It has neither types nor stubs.
msgpack: Any = import_module("msgpack")


class Binary(bytes):
    """Bytes that go out as MessagePack's bin instead of its str."""


def pack(value: Value) -> bytes:
    """Packs as Lua does: strings as str, whole numbers as integers."""
    return bytes(msgpack.packb(_prepared(value), use_bin_type=True, unicode_errors="surrogateescape"))


class Stream:
    """Takes bytes as they come and gives the objects that are complete."""

    def __init__(self) -> None:
        self._unpacker: Any = msgpack.Unpacker(raw=True, strict_map_key=False, max_buffer_size=2**28)

    def feed(self, data: bytes) -> Iterator[Value]:
        """Every object that these bytes complete; ValueError where they are no MessagePack."""
        self._unpacker.feed(data)
        yield from self._unpacker


def _prepared(value: Value) -> Value:
    if isinstance(value, Binary):
        return bytes(value)
    if isinstance(value, bytes):
        return text(value)
    if is_table(value):
        return {_prepared(key): _prepared(item) for key, item in value.items()}
    if is_list(value):
        return [_prepared(item) for item in value]
    return number(value) if isinstance(value, float) else value
