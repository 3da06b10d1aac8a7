"""Bodies of forms (WHATWG URL, application/x-www-form-urlencoded)."""

from collections.abc import Mapping
from typing import Any

from outrider_plugins.openapi.schemas import Schema
from outrider_plugins.openapi.styles import split
from outrider_plugins.openapi.values import BadTextError, decoded, reading

_MOST = 10_000


def read_form(text: str, schema: Schema, lists: Mapping[str, str]) -> dict[str, Any]:
    """The object that a form stands for. Raises `BadTextError` where two readers could see two.

    A property that is a list is one field for each item, unless it is in `lists` with its style.
    """
    if text.count("&") > _MOST:
        raise BadTextError(f"has more than {_MOST:,} fields")
    fields: dict[str, list[str]] = {}
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            fields.setdefault(decoded(name, plus=True), []).append(value)
    return {name: _value(name, texts, schema, lists) for name, texts in fields.items()}


def _value(name: str, texts: list[str], schema: Schema, lists: Mapping[str, str]) -> Any:
    types = schema.types_of(name)
    if types is None or "array" not in types:
        if len(texts) > 1:
            raise BadTextError("has a field that stands twice")
        return reading(decoded(texts[0], plus=True), types)
    if name in lists:
        if len(texts) > 1:
            raise BadTextError("has a list that stands twice")
        texts = split(texts[0], lists[name])
    inner = schema.types_of(name, None)
    return [reading(decoded(text, plus=True), inner) for text in texts]
