"""What the transforms do to names and values in pairs, as queries and forms have them, percent-encoded.

What is not touched stays as it was sent.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote_plus

from outrider_plugins.header_changes import Filled


class _Pair(NamedTuple):
    name: str
    text: str
    """As it is sent, `name=value` or only `name`."""


def change_pairs(
    text: str, remove: Iterable[str], rename: Mapping[str, str], values: Filled, encoding: str = "utf-8"
) -> str:
    """The text after removing, renaming, replacing, adding and appending, in that order.

    `encoding` is that of the characters beneath the percent-encoding. Values are percent-encoded already, in UTF-8;
    names are not.
    """
    pairs = [_Pair(_name(part, encoding), part) for part in text.split("&")] if text else []
    for name in remove:
        pairs = [pair for pair in pairs if pair.name != name]
    for old, new in rename.items():
        pairs = _renamed(pairs, old, new, encoding)
    for name, value in values.replace:
        pairs = _replaced(pairs, _pair(name, value, encoding))
    for name, value in values.add:
        if all(pair.name != name for pair in pairs):
            pairs.append(_pair(name, value, encoding))
    pairs += [_pair(name, value, encoding) for name, value in values.append]
    return "&".join(pair.text for pair in pairs)


def _renamed(pairs: list[_Pair], old: str, new: str, encoding: str) -> list[_Pair]:
    if old == new or all(pair.name != old for pair in pairs):
        return pairs
    # What stood under the new name goes: it must not pass for the renamed one.
    kept = [pair for pair in pairs if pair.name != new]
    name = _quoted(new, encoding)
    return [
        _Pair(new, name + pair.text[len(pair.text.partition("=")[0]) :]) if pair.name == old else pair
        for pair in kept
    ]


def _replaced(pairs: list[_Pair], new: _Pair) -> list[_Pair]:
    """The first of that name gets the value, where it stands; further ones go."""
    first = next((place for place, pair in enumerate(pairs) if pair.name == new.name), None)
    if first is None:
        return pairs
    return [*pairs[:first], new, *(pair for pair in pairs[first + 1 :] if pair.name != new.name)]


def _pair(name: str, value: str, encoding: str) -> _Pair:
    if encoding != "utf-8":
        value = _quoted(unquote_plus(value, errors="surrogateescape"), encoding)
    return _Pair(name, f"{_quoted(name, encoding)}={value}")


def _name(part: str, encoding: str) -> str:
    name = part.partition("=")[0]
    if "%" not in name and "+" not in name:
        return name
    return unquote_plus(name, encoding=encoding, errors="surrogateescape")


def _quoted(text: str, encoding: str) -> str:
    # Where an encoding lacks a character, browsers send a character reference in its place.
    errors = "surrogateescape" if encoding == "utf-8" else "xmlcharrefreplace"
    return quote(text, safe="", encoding=encoding, errors=errors)
