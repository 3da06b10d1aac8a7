"""A plugin's fields as a list for people: those of its own first, those of nested models below their field."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import TypeAdapter

from outrider.json_schema import WithDefaults
from outrider.plugin import Plugin

Schema = Mapping[str, Any]


def field_list(cls: type[Plugin]) -> list[str]:
    """One line for each field of a plugin."""
    schema = TypeAdapter(cls).json_schema(schema_generator=WithDefaults)
    names = sorted(schema["properties"], key=lambda name: _distance(cls, name))
    ordered = {**schema, "properties": {name: schema["properties"][name] for name in names}}
    return list(_lines(ordered, schema.get("$defs", {}), "  "))


def _distance(cls: type[Plugin], name: str) -> int:
    """How far above the class a field was declared."""
    return next((up for up, base in enumerate(cls.__mro__) if name in inspect.get_annotations(base)), 0)


def _lines(schema: Schema, models: Mapping[str, Schema], indent: str) -> Iterator[str]:
    for name, field in schema["properties"].items():
        yield f"{indent}{name} ({_default(name, field, schema)}): {' '.join(field.get('description', '').split())}"
        for model in dict.fromkeys(_models(field)):
            # A model that holds itself is told once.
            rest = {key: value for key, value in models.items() if key != model}
            if "properties" in models.get(model, ()):
                yield from _lines(models[model], rest, indent + "  ")


def _default(name: str, field: Schema, schema: Schema) -> str:
    if name in schema.get("required", ()):
        return "required"
    # As it would stand in the file, on one line.
    text = yaml.safe_dump(field.get("default"), default_flow_style=True, width=float("inf"))
    return f"default {text.strip().removesuffix('...').strip()}"


def _models(field: Schema) -> Iterator[str]:
    """The names of the models that a field, its items or its values may be."""
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2]
    branches = (*field.get("anyOf", ()), *field.get("oneOf", ()))
    for inner in (*branches, field.get("items"), field.get("additionalProperties")):
        if inner and inner is not True:
            yield from _models(inner)
