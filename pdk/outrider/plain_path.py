"""Paths with and without escapes: Kong's configuration has them plain, on the wire most characters are escaped."""

import re
import string

from outrider.paths import normal_path

_UNRESERVED = string.ascii_letters + string.digits + "-._~"
RESERVED = "!*'();:@&=+$,/?%#[]"
"""The characters that mean another thing when they are escaped (RFC 3986, section 2.2)."""
ON_THE_WIRE = frozenset(_UNRESERVED + RESERVED)
"""The characters that a normal path has without an escape (RFC 3986, section 2)."""

_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_OTHERS = re.compile(f"[^{re.escape(''.join(sorted(ON_THE_WIRE)))}]")


def plain_path(path: str) -> str:
    """A path as Kong's router compares it: only reserved characters stay escaped.

    Raises `ValueError` where the escapes are no UTF-8.
    """
    return _ESCAPES.sub(lambda found: _plain(bytes.fromhex(found[0].replace("%", ""))), path)


def wire_path(path: str) -> str:
    """A path as requests have it, with everything escaped that a URL can't hold."""
    return normal_path(_OTHERS.sub(lambda found: escaped(found[0]), path))


def escaped(text: str) -> str:
    """Every byte of the text's UTF-8 as %XX."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


def pattern_of(path: str) -> str:
    """A path as a regular expression that takes its escapes in either case."""
    return _ESCAPE.sub(lambda found: "%" + "".join(map(_digit, found[1])), re.escape(path))


def _digit(digit: str) -> str:
    return digit if digit.isdigit() else f"[{digit.upper()}{digit.lower()}]"


def _plain(octets: bytes) -> str:
    text = octets.decode()
    return "".join(escaped(char) if char in RESERVED else char for char in text)
