"""W3C Baggage: values that go along with a trace, in the header `baggage`."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from outrider import Headers

HEADER = "baggage"
_KEY = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_OCTETS = r"[!#-+\--:<-\[\]-~]*+"  # no white space, quote, comma, semicolon and backslash
_PROPERTY = rf"[ \t]*+;[ \t]*+{_KEY}(?:[ \t]*+=[ \t]*+{_OCTETS})?+"
# Possessive: a stranger writes what is matched, and nothing here needs a second try.
_MEMBER = re.compile(rf"({_KEY})[ \t]*+=[ \t]*+({_OCTETS})(?:{_PROPERTY})*+")
MEMBERS, LENGTH = 64, 8192
"""What every platform must pass on ("Limits"); here it is also the most that passes, in bytes."""


def clean(headers: Headers) -> None:
    """Leaves of the baggage what is valid, each key once, up to the limits."""
    values = headers.get_all(HEADER)
    if not values:
        return
    kept = ",".join(text for text, _, _ in _within(values))
    if not kept:
        headers.discard(HEADER)
    elif values != [kept]:
        headers[HEADER] = kept


def entries(headers: Headers) -> dict[str, str]:
    """The values by their keys, percent-decoded."""
    return {key: unquote(value, errors="replace") for _, key, value in _within(headers.get_all(HEADER))}


def _within(values: list[str]) -> Iterator[tuple[str, str, str]]:
    length, seen = 0, set[str]()
    for text, key, value in _members(values):
        length += len(text) + 1
        if len(seen) == MEMBERS or length > LENGTH + 1:
            return
        if key not in seen:
            seen.add(key)
            yield text, key, value


def _members(values: list[str]) -> Iterator[tuple[str, str, str]]:
    for value in values:
        for member in value.split(","):
            text = member.strip(" \t")
            if found := _MEMBER.fullmatch(text):
                yield text, found[1], found[2]
