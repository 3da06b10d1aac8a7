"""Reads Envoy's HeaderMap: most fields came before, and a dictionary knows them faster than protobuf parses."""

from typing import Final

from google.protobuf.message import DecodeError

from outrider.headers import Fields
from outrider_envoy.errors import ProtocolError
from outrider_envoy.proto.core_pb2 import HeaderMap, HeaderValue

_MOST: Final = 4096
_LONGEST: Final = 256
_TWO_BYTES: Final = 1 << 14
"""What a length of two bytes stays below: a third byte would make it as much or more."""
_FIELD: Final = 0x0A
"""The tag of `headers`, the only field there is."""

_known: dict[bytes, tuple[str, str]] = {}
"""What short fields said, by their bytes; with too many it begins anew. Some are secrets: nobody logs it."""


def fields_of(header_map: bytes) -> Fields:
    """All fields, with pseudo-headers, bytes kept as surrogate escapes. Raises `ProtocolError`."""
    fields: Fields = {}
    at, end, known = 0, len(header_map), _known
    try:
        while at < end:
            size = header_map[at + 1]
            start = at + 2
            if size > 0x7F:
                size = size & 0x7F | header_map[start] << 7
                start += 1
            if header_map[at] != _FIELD or size >= _TWO_BYTES:
                return _fields_of_any(header_map)
            at = start + size
            field = header_map[start:at]
            name, value = known.get(field) or _read(field)
            if name in fields:
                fields[name].append(value)
            else:
                fields[name] = [value]
    except IndexError:
        raise _cut_off() from None
    if at != end:
        raise _cut_off()
    return fields


def _cut_off() -> ProtocolError:
    return ProtocolError("headers that are cut off")


def _read(field: bytes) -> tuple[str, str]:
    try:
        pair = _pair(HeaderValue.FromString(field))
    except DecodeError:
        raise ProtocolError("headers that are no protobuf") from None
    if len(field) <= _LONGEST:
        if len(_known) >= _MOST:
            _known.clear()
        _known[field] = pair
    return pair


def _pair(header: HeaderValue) -> tuple[str, str]:
    # Envoy fills raw_value; value is for one that is told not to.
    return header.key, header.raw_value.decode("utf-8", "surrogateescape") or header.value


def _fields_of_any(header_map: bytes) -> Fields:
    """The same for fields of more than 16 KiB, and for what this file does not know."""
    fields: Fields = {}
    try:
        headers = HeaderMap.FromString(header_map).headers
    except DecodeError:
        raise ProtocolError("headers that are no protobuf") from None
    for name, value in map(_pair, headers):
        fields.setdefault(name, []).append(value)
    return fields
