"""Reads the JSON form of Envoy's protobuf messages, in which whatever has its default is absent.

A message that is absent, or that is none, is read as an empty one: so a rule says what Envoy's defaults mean.
"""

import re
from typing import cast

from outrider_envoy.render.plan import Section

_DURATION = re.compile(r"-?(\d+(?:\.\d+)?)s")
_WRAPPED = "TypedStruct"


def part(message: Section, *path: str) -> Section:
    """The message at that path."""
    for name in path:
        found = message.get(name)
        message = cast("Section", found) if isinstance(found, dict) else {}
    return message


def parts(message: Section, name: str) -> list[Section]:
    """The messages of a repeated field."""
    return [cast("Section", one) for one in _rows(message, name) if isinstance(one, dict)]


def texts(message: Section, name: str) -> list[str]:
    """The texts of a repeated field."""
    return [one for one in _rows(message, name) if isinstance(one, str)]


def text(message: Section, name: str) -> str:
    found = message.get(name)
    return found if isinstance(found, str) else ""


def number(message: Section, name: str, default: float) -> float:
    """A number, which JSON has as text where it has 64 bits."""
    found = message.get(name)
    if isinstance(found, str) and found.isdecimal():
        return int(found)
    return found if isinstance(found, int | float) else default


def seconds_of(message: Section, name: str, default: float) -> float:
    """A duration; one of 0 or below, or one that can't be read, counts as it does for Envoy: as 0."""
    if name not in message:
        return default
    found = _DURATION.fullmatch(text(message, name))
    return float(found[1]) if found and not found[0].startswith("-") else 0.0


def kind_of(message: Section) -> str:
    """The last word of the type of a `google.protobuf.Any`: `ExternalProcessor`."""
    return text(message, "@type").rpartition(".")[2]


def unwrapped(message: Section) -> Section:
    """A typed configuration itself, where an `xds.type.v3.TypedStruct` carries it."""
    if kind_of(message) != _WRAPPED:
        return message
    return {"@type": text(message, "type_url"), **part(message, "value")}


def says(message: object, name: str, *, value: object) -> bool:
    """Whether the field has that value anywhere below."""
    if isinstance(message, dict):
        below = cast("Section", message)
        return below.get(name) == value or any(says(one, name, value=value) for one in below.values())
    return isinstance(message, list) and any(says(one, name, value=value) for one in cast("list[object]", message))


def _rows(message: Section, name: str) -> list[object]:
    found = message.get(name)
    return cast("list[object]", found) if isinstance(found, list) else []
