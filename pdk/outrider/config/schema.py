"""The JSON Schema of the file, for editors."""

from collections.abc import Mapping
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from outrider.config.file_model import File
from outrider.config.kongs_own import kongs_plugins
from outrider.json_schema import AsDeclared
from outrider.plugin import Plugin

Schema = dict[str, Any]


def schema(plugins: Mapping[str, type[Plugin]]) -> Schema:
    """The JSON Schema of the file, in which each plugin's `config` has that plugin's fields."""
    root = File.model_json_schema()
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    definitions: Schema = root["$defs"]
    entry: Schema = definitions["PluginEntry"]
    entry["properties"]["name"]["enum"] = sorted({*plugins, *kongs_plugins(())})
    entry["allOf"] = [_when(name) for name in sorted(plugins)]
    for name, cls in plugins.items():
        definitions.update(_config(name, cls))
    return root


def _when(name: str) -> Schema:
    config = {"$ref": f"#/$defs/{name}"}
    return {"if": {"properties": {"name": {"const": name}}}, "then": {"properties": {"config": config}}}


def _config(name: str, cls: type[Plugin]) -> Schema:
    try:
        found: Schema = TypeAdapter(cls).json_schema(
            ref_template=f"#/$defs/{name}.{{model}}", schema_generator=AsDeclared
        )
    except PydanticInvalidForJsonSchema:
        found = {"type": "object"}  # a field type of the author's own: the editor can't know it
    inner = cast("Schema", found.pop("$defs", {}))
    return {name: found} | {f"{name}.{model}": part for model, part in inner.items()}
