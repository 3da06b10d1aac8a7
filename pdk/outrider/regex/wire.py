"""Classes of characters as they match a path on the wire, where many characters are escaped."""

import re
from functools import lru_cache
from itertools import groupby

from outrider.plain_path import ON_THE_WIRE
from outrider.regex.nodes import Choice, Node, One, Row, Wide

_HEX = "[0-9A-Fa-f]"
_MORE = ("%", "[89ABab]", _HEX)  # a byte that goes on with a character of UTF-8 (RFC 3629, section 3)
_BEYOND_ASCII = tuple(
    Row(tuple(One(text) for text in (*first, *_MORE * more)))
    for first, more in (
        (("%", "[Cc]", "[2-9A-Fa-f]"), 1),
        (("%", "[Dd]", _HEX), 1),
        (("%", "[Ee]", _HEX), 2),
        (("%", "[Ff]", "[0-4]"), 3),
    )
)
_ESCAPED = [char for char in map(chr, range(128)) if char not in ON_THE_WIRE]


@lru_cache(maxsize=1024)
def wide(one: One) -> Node:
    """The class with the escapes of what it matches; the class itself where it matches nothing that is escaped."""
    matches = re.compile(one.text, re.DOTALL if one.text != "." else 0).fullmatch
    codes = [f"{ord(char):02X}" for char in _ESCAPED if matches(char)]
    found = [_row(first, [code[1] for code in some]) for first, some in groupby(codes, lambda code: code[0])]
    if matches("\u00e9"):
        found += _BEYOND_ASCII
    return Wide(one, Choice(tuple(found))) if found else one


def takes_escapes(one: One) -> bool:
    """Whether the class matches each character of any escape by itself."""
    return all(re.fullmatch(one.text, char) for char in "%0123456789ABCDEFabcdef")


def _row(first: str, last: list[str]) -> Node:
    return Row((One("%"), _digits([first]), _digits(last)))


def _digits(digits: list[str]) -> One:
    either = dict.fromkeys(case for digit in digits for case in (digit, digit.lower()))
    return One(f"[{''.join(either)}]")
