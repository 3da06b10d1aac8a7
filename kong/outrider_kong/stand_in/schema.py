"""Checks a plugin's config against its schema and fills in the defaults, as Kong's schema language says."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

Field = Mapping[str, Any]
Say = Callable[[str, str], None]

KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "string": ("a string", lambda value: isinstance(value, str)),
    "number": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    "integer": ("an integer", lambda value: isinstance(value, int | float) and value == int(value)),
    "boolean": ("a boolean", lambda value: isinstance(value, bool)),
    "array": ("an array", lambda value: isinstance(value, list)),
    "set": ("a set", lambda value: isinstance(value, list)),
    "map": ("a map", lambda value: isinstance(value, dict)),
    "record": ("a record", lambda value: isinstance(value, dict)),
}


def check(where: str, config: Mapping[str, Any], fields: Sequence[Field]) -> tuple[dict[str, Any], list[str]]:
    """The config with its defaults, every absent field as None; and what is wrong with it, a sentence each."""
    mistakes: list[str] = []
    filled = _record(config, fields, where, lambda place, what: mistakes.append(f"{place}: {what}."))
    return filled, mistakes


def config_fields(schema: Mapping[str, Any]) -> Sequence[Field]:
    """The fields of `config` in the schema that a query command printed."""
    fields: Sequence[Field] = schema.get("fields") or []
    for field in fields:
        if "config" in field:
            return list(field["config"].get("fields") or [])
    return []


def _record(value: Mapping[str, Any], fields: Sequence[Field], where: str, say: Say) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for entry in fields:
        [(name, field)] = entry.items()
        filled[name] = _field(value.get(name), field, f"{where}.{name}", say)
    for name in value:
        if name not in filled:
            say(f"{where}.{name}", "unknown field")
    return filled


def _field(value: Any, field: Field, where: str, say: Say) -> Any:
    if value is None:
        value = _absent(field)
    if value is None:
        if field.get("required"):
            say(where, "required field missing")
        return None
    kind, fits = KINDS.get(field.get("type", "any"), ("", lambda _: True))
    if not fits(value) or (kind == "an integer" and isinstance(value, bool)):
        say(where, f"expected {kind}, not {value!r}")
        return value
    _attributes(value, field, where, say)
    return _nested(value, field, where, say)


def _absent(field: Field) -> Any:
    default = field.get("default")
    if default is None and field.get("type") == "record" and field.get("required"):
        return {}
    return default


def _nested(value: Any, field: Field, where: str, say: Say) -> Any:
    match field.get("type"):
        case "record":
            return _record(value, field.get("fields") or [], where, say)
        case "array" | "set":
            elements: Field = field.get("elements") or {}
            return [_field(item, elements, f"{where}[{index}]", say) for index, item in enumerate(value, 1)]
        case "map":
            keys: Field = field.get("keys") or {}
            values: Field = field.get("values") or {}
            for key in value:
                _field(key, keys, f"{where}.{key}", say)
            return {key: _field(item, values, f"{where}.{key}", say) for key, item in value.items()}
        case _:
            return value


def _attributes(value: Any, field: Field, where: str, say: Say) -> None:
    if value == "" and field.get("len_min") != 0:
        say(where, "length must be at least 1")
    for name, (holds, sentence) in ATTRIBUTES.items():
        if field.get(name) is not None and not holds(value, field[name]):
            say(where, sentence.format(wanted=field[name], value=value))


def _is_uuid(value: Any, wanted: Any) -> bool:
    try:
        return not wanted or bool(UUID(value))
    except ValueError:
        return False


ATTRIBUTES: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "one_of": (lambda value, wanted: value in wanted, "expected one of {wanted}, not {value!r}"),
    "between": (lambda value, wanted: wanted[0] <= value <= wanted[1], "should be between {wanted}, not {value}"),
    "gt": (lambda value, wanted: value > wanted, "value must be greater than {wanted}, not {value}"),
    "eq": (lambda value, wanted: value == wanted, "value must be {wanted}, not {value!r}"),
    "len_eq": (lambda value, wanted: len(value) == wanted, "length must be {wanted}"),
    "len_min": (lambda value, wanted: len(value) >= wanted, "length must be at least {wanted}"),
    "len_max": (lambda value, wanted: len(value) <= wanted, "length must be at most {wanted}"),
    "starts_with": (lambda value, wanted: value.startswith(wanted), "should start with {wanted}"),
    "contains": (lambda value, wanted: wanted in value, "expected to contain {wanted}"),
    "uuid": (_is_uuid, "expected a valid UUID, not {value!r}"),
    "is_regex": (lambda value, wanted: not wanted or _compiles(value), "not a regular expression: {value!r}"),
}


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
