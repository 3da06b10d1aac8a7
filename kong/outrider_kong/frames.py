"""The frames of ProtoBuf:1: four bytes of length, little-endian, then so many bytes (kong.md, "ProtoBuf:1")."""

import struct

from outrider_kong.errors import ProtocolError

_LENGTH = struct.Struct("<I")
_HEAD = _LENGTH.size


def frame(payload: bytes) -> bytes:
    """The payload with its length before it."""
    return _LENGTH.pack(len(payload)) + payload


EMPTY = frame(b"")


class Frames:
    """Cuts what a connection brings into frames, however it was cut on the way. `limit` is the longest, in bytes."""

    __slots__ = ("_limit", "_rest")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._rest)

    def only(self, data: bytes) -> bytes | None:
        """The payload, if the data is one whole frame, as it mostly is: quicker than `feed`, which takes the rest."""
        if not self._rest and len(data) >= _HEAD and len(data) - _HEAD <= self._limit:
            (length,) = _LENGTH.unpack_from(data)
            if length == len(data) - _HEAD:
                return data[_HEAD:]
        return None

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are whole now. Raises `ProtocolError` for one that is longer than the limit."""
        rest = self._rest
        rest += data
        found: list[bytes] = []
        at, end = 0, len(rest)
        while end - at >= _HEAD:
            (length,) = _LENGTH.unpack_from(rest, at)
            if length > self._limit:
                rest.clear()
                raise ProtocolError(f"a frame of {length} bytes: the limit is {self._limit}")
            after = at + _HEAD + length
            if after > end:
                break
            found.append(bytes(rest[at + _HEAD : after]))
            at = after
        del rest[:at]
        return found
