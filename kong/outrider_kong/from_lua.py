"""Undoes what Kong's JSON does to a configuration: null for what is absent, {} for an empty list.

Every default is filled in by Kong, so an absent field that has one was switched off.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from pydantic import TypeAdapter

from outrider.errors import OutriderError
from outrider.json_schema import WithDefaults
from outrider.plugin import Plugin

Schema = Mapping[str, Any]


def restored(config: Mapping[str, Any], cls: type[Plugin]) -> dict[str, Any]:
    """The fields of a plugin as somebody wrote them."""
    schema = TypeAdapter(cls).json_schema(schema_generator=WithDefaults)
    return cast("dict[str, Any]", _restored(dict(config), schema, schema.get("$defs", {})))


def without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without what is absent, and without what Kong adds where it resolved references."""
    return {name: item for name, item in value.items() if item is not None and name != "$refs"}


def _restored(value: Any, schema: Schema, definitions: Schema) -> Any:
    choices = _choices(schema, definitions)
    if isinstance(value, dict):
        fields = without_nulls(cast("dict[str, Any]", value))
        if not fields and any(one.get("type") == "array" for one in choices):
            return []
        fields = {name: _restored(item, _of_field(name, choices), definitions) for name, item in fields.items()}
        return {**_switched_off(choices, definitions), **fields}
    if isinstance(value, list):
        items = next((cast("Schema", one["items"]) for one in choices if "items" in one), dict[str, Any]())
        return [_restored(item, items, definitions) for item in cast("Sequence[Any]", value)]
    if value == "" and any(one.get("writeOnly") for one in choices):
        raise OutriderError("a secret is empty: see that Kong finds what its vault reference stands for")
    return value


def _switched_off(choices: Iterable[Schema], definitions: Schema) -> dict[str, None]:
    """The fields that are absent because somebody wrote null: Kong fills in every default."""
    return {
        name: None
        for one in choices
        for name, field in one.get("properties", {}).items()
        if field.get("default") is not None
        and any(kind.get("type") == "null" for kind in _choices(field, definitions))
    }


def _choices(schema: Schema, definitions: Schema) -> list[Schema]:
    """The schema, or those that it leaves the choice between."""
    if "$ref" in schema:
        return _choices(definitions.get(schema["$ref"].rpartition("/")[2], {}), definitions)
    parts = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    return [one for part in parts for one in _choices(part, definitions)] if parts else [schema]


def _of_field(name: str, choices: list[Schema]) -> Schema:
    for one in choices:
        if name in one.get("properties", {}):
            return cast("Schema", one["properties"][name])
        if isinstance(one.get("additionalProperties"), dict):
            return cast("Schema", one["additionalProperties"])
    return {}
