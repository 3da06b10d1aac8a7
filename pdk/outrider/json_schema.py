"""The JSON Schema of a class with all that can be told in advance."""

from dataclasses import fields
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DataclassSchema, WithDefaultSchema


class AsDeclared(GenerateJsonSchema):
    """Has the fields of a plugin in the order of its class. Pydantic's own puts those first that have a `Field`."""

    def dataclass_schema(self, schema: DataclassSchema) -> JsonSchemaValue:
        found = super().dataclass_schema(schema)
        properties = found.get("properties", {})
        names = [field.name for field in fields(schema["cls"]) if field.name in properties]
        # What has another name in the file comes last.
        found["properties"] = {name: properties[name] for name in dict.fromkeys([*names, *properties])}
        return found


class WithDefaults(AsDeclared):
    """Also has the defaults that are made anew for each instance, and nothing for a type that has no schema."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}

    def get_default_value(self, schema: WithDefaultSchema) -> Any:
        factory: Any = schema.get("default_factory")
        if factory is None or schema.get("default_factory_takes_data"):
            return super().get_default_value(schema)
        # One that is another each time (a time, a random word) must not become the same for everybody.
        first, second = factory(), factory()
        return first if first == second else super().get_default_value(schema)

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:  # noqa: ARG002
        return {}
