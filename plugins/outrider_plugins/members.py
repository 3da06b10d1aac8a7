"""One value out of nested JSON data, as `claims_to_headers`, `claim:NAME` and `{claims.NAME}` name it."""

from collections.abc import Mapping
from typing import cast

from outrider.consumer import JSON


def member(data: Mapping[str, JSON], path: str) -> JSON:
    """The member of that very name (claims are often URLs), or else what the dotted path leads to; None if absent."""
    if path in data:
        return data[path]
    value: JSON = cast("JSON", data)
    for name in path.split("."):
        value = cast("Mapping[str, JSON]", value).get(name) if isinstance(value, dict) else None
    return value
