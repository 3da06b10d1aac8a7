"""Paths and queries as Kong and nginx normalise, escape and split them."""

import re

from outrider_kong.stand_in.values import Value, is_list

RESERVED = frozenset(b"!*'();:@&=+$,/?%#[]")
ESCAPED = re.compile(rb"[^!#$&'()*+,/:;=?@\[\]A-Za-z0-9\-_.~%]")
ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")
UNRESERVED = re.compile(rb"[^A-Za-z0-9\-_.~!*'()]")


def normalize(path: bytes) -> bytes:
    """Decodes what need not be encoded, merges slashes and removes dot segments (RFC 3986, section 6.2.2)."""
    decoded = ENCODED.sub(_decode, path)
    merged = re.sub(rb"/{2,}", b"/", decoded)
    return _without_dots(merged) if b"." in merged else merged


def escape(path: bytes) -> bytes:
    """Encodes what may not stand in a path."""
    return ESCAPED.sub(lambda match: b"%%%02X" % match[0][0], path)


def arguments(query: bytes, most: int) -> dict[bytes, Value]:
    """A query as ngx.req.get_uri_args has it: true for a name alone, a list where a name came twice."""
    found: dict[bytes, list[Value]] = {}
    for part in [part for part in query.split(b"&") if part][:most]:
        name, equals, value = part.partition(b"=")
        if name := unescape(name):
            found.setdefault(name, []).append(unescape(value) if equals else True)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def query(table: dict[bytes, Value]) -> bytes:
    """A query from a table, its names in order."""
    listed = {name: value if is_list(value) else [value] for name, value in table.items()}
    pairs = [(quote(name), value) for name in sorted(listed) for value in listed[name] if value is not False]
    return b"&".join(name if value is True else name + b"=" + quote(value) for name, value in pairs)


def unescape(part: bytes) -> bytes:
    """ngx.unescape_uri."""
    return ENCODED.sub(lambda match: bytes([int(match[1], 16)]), part.replace(b"+", b" "))


def quote(value: Value) -> bytes:
    """ngx.escape_uri."""
    content = value if isinstance(value, bytes) else str(value).encode()
    return UNRESERVED.sub(lambda match: b"%%%02X" % match[0][0], content)


def _decode(match: re.Match[bytes]) -> bytes:
    byte = int(match[1], 16)
    return match[0].upper() if byte in RESERVED else bytes([byte])


def _without_dots(path: bytes) -> bytes:
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            kept = kept[:-1]
        elif segment != b".":
            kept.append(segment)
    if segments[-1:] in ([b"."], [b".."]):
        kept.append(b"")
    return b"/" + b"/".join(kept)
