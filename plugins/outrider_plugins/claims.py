"""What a token says of its bearer, as text that can be compared and sent."""

import json
from collections.abc import Mapping
from typing import Any

from outrider_plugins.strict_json import is_list

Claims = Mapping[str, Any]

LONGEST = 8 * 1024
"""The longest claim that goes into a header, in characters."""


def scopes(claims: Claims) -> frozenset[str]:
    """The scopes in `scope` (RFC 8693, section 4.2), or in `scp`, as text with spaces or as a list."""
    found = claims.get("scope", claims.get("scp", ""))
    if is_list(found):
        return frozenset(item for item in found if isinstance(item, str))
    return frozenset(found.split(" ")) if isinstance(found, str) else frozenset()


def as_header(value: Any) -> str:
    """A claim as a header has it: text as it is, a list by commas, anything else as JSON.

    Raises `ValueError` for what upstream would read as something else: text that begins or ends with a space, which
    HTTP drops, a text with a comma in a list, and a number that is too large to be one; and for more than 8 KiB.
    """
    if len(text := _as_header(value)) > LONGEST:
        raise ValueError("too long for a header")
    return text


def _as_header(value: Any) -> str:
    if isinstance(value, str):
        if value.strip() != value:
            raise ValueError("a space at its beginning or end")
        return value
    if is_list(value):
        if not all(fits_into_list(one) for one in value if isinstance(one, str)):
            raise ValueError("a text that is no item of a list")
        if not any(isinstance(one, list | dict) for one in value):
            return ",".join(map(_as_header, value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def fits_into_list(text: str) -> bool:
    """Whether upstream reads a text as one item where it stands between commas (RFC 9110, section 5.6.1)."""
    return text.isprintable() and text.strip() == text != "" and "," not in text and '"' not in text


def as_texts(value: Any) -> list[Any]:
    """One value or a list of them, numbers and truth as JSON has them; anything else stays, and equals no text."""
    return [_text(one) for one in (value if is_list(value) else [value])]


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, bool | int | float) else value
