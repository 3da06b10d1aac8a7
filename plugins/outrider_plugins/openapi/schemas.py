"""Schemas, compiled once: whether values fit them, and where they do not."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs

from outrider_plugins.openapi.dialect import Dialect, Direction
from outrider_plugins.openapi.document import Document, SpecError
from outrider_plugins.openapi.endless import endless
from outrider_plugins.openapi.explaining import Explainer, Misfit
from outrider_plugins.openapi.options import DIALECT, OPTIONS
from outrider_plugins.openapi.values import Types
from outrider_plugins.strict_json import is_object

_ALL = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
_NAMES: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_DEEPEST = 50


class Schema:
    """One schema of the document. It can be asked once all of them are compiled."""

    def __init__(self, schemas: "Schemas", pointer: str) -> None:
        self.pointer = pointer
        self._schemas = schemas
        self._validator: jsonschema_rs.Validator | None = None

    def fits(self, value: Any) -> bool:
        """Whether a value from JSON is as described. Takes time in proportion to the value."""
        if self._validator is None:
            self._validator = self._schemas.validator(self.pointer)
        try:
            return self._validator.is_valid(value)
        except ValueError:  # text that has no UTF-8
            return False

    def misfits(self, value: Any) -> list[Misfit]:
        """Where a value that does not fit is not as described."""
        return self._schemas.explainer.explain(self.pointer, value)

    @property
    def types(self) -> Types:
        """The types that a value may have; None if the schema leaves that open."""
        return self._schemas.types(self.pointer)

    def types_of(self, *names: str | None) -> Types:
        """The types of the property of that name, or of any item (None)."""
        return self._schemas.types_below(self.pointer, names)

    @property
    def properties(self) -> frozenset[str]:
        """The names that it declares."""
        return self._schemas.names(self.pointer)

    @property
    def node(self) -> Any:
        """The schema itself, as JSON Schema 2020-12."""
        return self._schemas.node(self.pointer)


class Schemas:
    """All schemas of a document that something is checked by."""

    def __init__(self, document: Document) -> None:
        self._dialect = Dialect(document)
        self._compiled: jsonschema_rs.ValidatorMap | None = None
        self.explainer = Explainer(self)
        # Names may be downstream's: not all are kept.
        self.types = lru_cache(maxsize=None)(self._types_at)
        self.names = lru_cache(maxsize=None)(self._names_at)
        self.types_below = lru_cache(maxsize=1024)(self._types_below)

    def add(self, node: Any, place: str, direction: Direction) -> Schema:
        """The schema at that place of the document. Raises `SpecError`."""
        return Schema(self, self._dialect.add(node, place, direction))

    def compile(self) -> Iterator[SpecError]:
        """Compiles all of them; gives what is wrong with those that can't be."""
        root = {"$schema": DIALECT, **self._dialect.root}
        try:
            self._compiled = jsonschema_rs.validator_map_for(root, **OPTIONS)
        except jsonschema_rs.ValidationError as error:
            yield self._mistake(error)
            return
        reasons = [self._reason(name) for name in self._dialect.places if f"#/$defs/{name}" not in self._compiled]
        yield from {str(reason): reason for reason in reasons}.values()
        yield from (
            SpecError(self._dialect.places[name], "consists of itself") for name in endless(self._dialect.root)
        )

    def validator(self, pointer: str) -> jsonschema_rs.Validator:
        """What checks the schema at that place of the root."""
        if self._compiled is None:
            raise RuntimeError("the schemas are not compiled yet")
        return self._compiled[pointer]

    def find(self, pointer: str) -> jsonschema_rs.Validator | None:
        """The same; None for a place that has none of its own."""
        return None if self._compiled is None else self._compiled.get(pointer)

    def node(self, pointer: str) -> Any:
        """The translated schema at one of the `$defs`."""
        return self._dialect.root["$defs"][pointer.rpartition("/")[2]]

    def parts(self, pointer: str) -> Iterator[Mapping[str, Any]]:
        """The schema, and what its `$ref`s and its `allOf` add to it."""
        return self._parts(self.node(pointer), 0)

    def allows(self, node: Any, value: Any) -> bool:
        """Whether the schema has values of this one's type."""
        types, own = self._types(node, 0), _type_of(value)
        return types is None or own in types or (own == "integer" and "number" in types)

    def _names_at(self, pointer: str) -> frozenset[str]:
        """The properties that a schema declares."""
        return frozenset(name for node in self.parts(pointer) for name in node.get("properties", ()))

    def _types_at(self, pointer: str) -> Types:
        """The types that a value may have; None if it is left open."""
        return self._types(self.node(pointer), 0)

    def _types_below(self, pointer: str, names: tuple[str | None, ...]) -> Types:
        """The types of a part: of a property, or of an item where the name is None."""
        nodes: list[Any] = [self.node(pointer)]
        for name in names:
            parts = [part for node in nodes for part in self._parts(node, 0)]
            nodes = [_child(part, name) for part in parts if _child(part, name) is not None]
        return _common([self._types(node, 0) for node in nodes])

    def _parts(self, node: Any, depth: int) -> Iterator[Mapping[str, Any]]:
        if not is_object(node) or depth > _DEEPEST:
            return
        schema: Mapping[str, Any] = node
        yield schema
        if "$ref" in schema:
            yield from self._parts(self.node(schema["$ref"]), depth + 1)
        for one in schema.get("allOf", ()):
            yield from self._parts(one, depth + 1)

    def _types(self, node: Any, depth: int) -> Types:
        if not is_object(node) or depth > _DEEPEST:
            return None
        schema: Mapping[str, Any] = node
        known = [_own_types(schema)]
        if "$ref" in schema:
            known.append(self._types(self.node(schema["$ref"]), depth + 1))
        known += [self._types(one, depth + 1) for one in schema.get("allOf", ())]
        for choice in ("anyOf", "oneOf"):
            options = [self._types(one, depth + 1) for one in schema.get(choice, ())]
            closed = [option for option in options if option is not None]
            if closed and len(closed) == len(options):
                known.append(frozenset[str]().union(*closed))
        return _common(known)

    def _reason(self, name: str) -> SpecError:
        """Why one of the `$defs` was left out without a word."""
        schema = {"$schema": DIALECT, "$ref": f"#/$defs/{name}", **self._dialect.root}
        try:
            jsonschema_rs.Draft202012Validator(schema, **OPTIONS)
        except jsonschema_rs.ValidationError as error:
            return self._mistake(error)
        return SpecError(self._dialect.places[name], "is no JSON Schema")

    def _mistake(self, error: jsonschema_rs.ValidationError) -> SpecError:
        path = [str(step) for step in error.instance_path or error.schema_path]
        name, steps = (path[1], path[2:]) if path[:1] == ["$defs"] else ("", path)
        what = "is no regular expression that takes linear time" if "regex" in error.message else "is no JSON Schema"
        return SpecError("/".join([self._dialect.places.get(name, "#"), *steps]), what)


def _own_types(schema: Mapping[str, Any]) -> Types:
    if "type" in schema:
        types = schema["type"]
        return frozenset({types} if isinstance(types, str) else types)
    if "enum" in schema or "const" in schema:
        values: list[Any] = schema.get("enum", [schema.get("const")])
        return frozenset(map(_type_of, values))
    return None


def _type_of(value: object) -> str:
    return _NAMES.get(type(value), "null")


def _common(known: list[Types]) -> Types:
    closed = [one for one in known if one is not None]
    return frozenset(_ALL).intersection(*closed) if closed else None


def _child(schema: Mapping[str, Any], name: str | None) -> Any:
    if name is None:
        return schema.get("items")
    return schema.get("properties", {}).get(name, schema.get("additionalProperties"))
