"""JSON that every reader understands alike (RFC 8259), from strangers."""

import json
import re
from collections.abc import Iterable
from typing import Any, NoReturn, TypeGuard, cast

DEEPEST = 50
"""How deep it may be nested: to copy it or to write it takes a call for each level."""
_SURROGATE = re.compile(rb"\\u[dD][89A-Fa-f]")


def json_object(raw: bytes) -> dict[str, Any]:
    """The object that `raw` is. Raises `ValueError` for anything else, and for what two readers could read as two."""
    try:
        value: Any = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
        if _SURROGATE.search(raw):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ValueError("no JSON that can be read in one way only") from error
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    found = cast("dict[str, Any]", value)
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and _depth(found) > DEEPEST:
        raise ValueError("nested too deep")
    return found


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a value from JSON is a list, in a form that type checkers understand."""
    return isinstance(value, list)


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a value from JSON is an object, in a form that type checkers understand."""
    return isinstance(value, dict)


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        depth, level = depth + 1, [inner for one in level for inner in _inner(one)]
    return depth


def _inner(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return value if is_list(value) else ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 7519, section 4: with a name twice, two readers can see two tokens.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name that stands twice")
    return found


def _no_number(constant: str) -> NoReturn:
    # Python reads NaN and Infinity, which RFC 8259, section 6 does not have.
    raise ValueError(f"{constant} is no number")
