"""What a keyword of JSON Schema asks for, in words: of the rule, never of the value."""

import json
from collections.abc import Mapping

from outrider_plugins.strict_json import is_list

_LONGEST = 200
_RULES: Mapping[str, str] = {
    "enum": "must be one of {}",
    "const": "must be {}",
    "multipleOf": "must be a multiple of {}",
    "maximum": "must be at most {}",
    "exclusiveMaximum": "must be less than {}",
    "minimum": "must be at least {}",
    "exclusiveMinimum": "must be more than {}",
    "maxLength": "must have at most {} characters",
    "minLength": "must have at least {} characters",
    "pattern": "must match {}",
    "maxItems": "must have at most {} items",
    "minItems": "must have at least {} items",
    "uniqueItems": "must not have an item twice",
    "maxProperties": "must have at most {} properties",
    "minProperties": "must have at least {} properties",
    "format": "must have the format {}",
}
KEYWORDS = frozenset({*_RULES, "type", "required", "dependentRequired"})
"""Those that look at nothing but the value itself."""
MARKERS: Mapping[str, str] = {
    "readOnly": "must not be sent: it is readOnly",
    "writeOnly": "must not be answered: it is writeOnly",
}


def rule(keyword: str, asked: object) -> str:
    """What the keyword asks for."""
    choices = [_text(one) for one in asked] if is_list(asked) else [_text(asked)]
    if keyword == "type":
        return f"must be of type {' or '.join(choices)}"
    if keyword not in _RULES:
        return f"does not fit {keyword}"
    told = ", ".join(choices)
    return _RULES[keyword].format(told if len(told) <= _LONGEST else "what the description has")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
