"""What a token says of its bearer, as text that can be compared and sent."""

import json
from collections.abc import Mapping
from typing import Any

from outrider_plugins.jwks import is_list

Claims = Mapping[str, Any]


def scopes(claims: Claims) -> frozenset[str]:
    """The scopes in `scope` (RFC 8693, section 4.2), or in `scp`, as text with spaces or as a list."""
    found = claims.get("scope", claims.get("scp", ""))
    if is_list(found):
        return frozenset(item for item in found if isinstance(item, str))
    return frozenset(found.split(" ")) if isinstance(found, str) else frozenset()


def as_header(value: Any) -> str:
    """A claim as a header has it: text as it is, a list by commas, anything else as JSON.

    Raises `ValueError` for a number that is too large to be one.
    """
    if isinstance(value, str):
        return value
    if is_list(value):
        return ",".join(map(as_header, value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def as_texts(value: Any) -> list[Any]:
    """One value or a list of them, numbers and truth as JSON has them; anything else stays, and equals no text."""
    return [_text(one) for one in (value if is_list(value) else [value])]


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, bool | int | float) else value
