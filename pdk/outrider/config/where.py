"""Names a place in the file as people know it: services[orders].routes[list].paths[0]."""

import re
from collections.abc import Sequence
from typing import Any, cast

Place = tuple[str | int, ...]
"""Keys and indexes from the top of the file to one value."""

_PLAIN_NAME = re.compile(r"[\w.~@+-]{1,60}")


def where(data: Any, place: Place) -> str:
    """The place in words; items of a list by their name where they have one, else by their index."""
    words = ""
    for step in place:
        data = inside(data, step)
        if isinstance(step, int):
            words += f"[{_name(data) or step}]"
        else:
            words += f".{_key(step)}" if words else _key(step)
    return words or "file"


def inside(data: Any, step: str | int) -> Any:
    """What lies under one key or index; None if nothing does."""
    if isinstance(data, dict):
        return cast("dict[str | int, Any]", data).get(step)
    if isinstance(data, list) and isinstance(step, int):
        items = cast("Sequence[Any]", data)
        return items[step] if 0 <= step < len(items) else None
    return None


def at(data: Any, place: Place) -> Any:
    """What lies at a place; None if nothing does."""
    for step in place:
        data = inside(data, step)
    return data


def _name(item: Any) -> str | None:
    for field in ("name", "username"):
        name = inside(item, field)
        if isinstance(name, str) and _PLAIN_NAME.fullmatch(name):
            return name
    return None


def _key(step: str) -> str:
    return step if _PLAIN_NAME.fullmatch(step) else repr(step)
