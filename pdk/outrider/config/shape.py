"""What a model expects at a place inside it, read from its JSON Schema."""

from collections.abc import Hashable, Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from outrider.config.where import Place

Schema = Mapping[str, Any]


class Shape:
    """The fields, descriptions and secrets of a model."""

    def __init__(self, model: type) -> None:
        try:
            self._root: Schema = TypeAdapter(model).json_schema()
        except (PydanticInvalidForJsonSchema, PydanticUserError):
            self._root = {}  # a type of the author's own: its mistakes are told with fewer words

    def fields(self, place: Place) -> list[str]:
        """The names of the fields at a place."""
        return [name for schema in self._at(place) for name in schema.get("properties", {})]

    def description(self, place: Place) -> str:
        """What a field's author says of it; empty if nothing."""
        return next((str(schema["description"]) for schema in self._at(place) if "description" in schema), "")

    def is_secret(self, place: Place) -> bool:
        """Whether anything on the way to a place, at it or in it is marked as secret."""
        above = (schema for length in range(1, len(place)) for schema in self._at(place[:length]))
        return any(schema.get("writeOnly") for schema in above) or any(map(self._holds_secret, self._at(place)))

    def _holds_secret(self, schema: Schema) -> bool:
        return bool(schema.get("writeOnly")) or any(
            self._holds_secret(part)
            for key in ("items", "additionalProperties")
            if isinstance(schema.get(key), dict)
            for part in self._expanded(schema[key])
        )

    def _at(self, place: Place) -> list[Schema]:
        schemas = list(self._expanded(self._root))
        for step in place:
            schemas = [inner for schema in schemas for inner in self._step(schema, step)]
        return schemas

    def _step(self, schema: Schema, step: str | int) -> Iterator[Schema]:
        inner = schema.get("items") if isinstance(step, int) else schema.get("properties", {}).get(step)
        if inner is None and isinstance(step, str):
            inner = schema.get("additionalProperties")
        if isinstance(inner, dict):
            yield from self._expanded(cast("Schema", inner))

    def _expanded(self, schema: Schema) -> Iterator[Schema]:
        yield schema
        if "$ref" in schema:
            yield from self._expanded(self._root["$defs"][schema["$ref"].rpartition("/")[2]])
        for key in ("anyOf", "oneOf", "allOf"):
            for branch in schema.get(key, ()):
                yield from self._expanded(branch)


@lru_cache(maxsize=64)
def _made(model: Hashable) -> Shape:
    return Shape(cast("type", model))


def shape_of(model: type) -> Shape:
    """The shape of a model, made once."""
    return _made(model)
