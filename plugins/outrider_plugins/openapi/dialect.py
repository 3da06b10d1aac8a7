"""Schemas of OpenAPI 3.0 and 3.1 as JSON Schema 2020-12, the one dialect that they are checked in."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from outrider_plugins.openapi.document import Document, Found, SpecError, below
from outrider_plugins.strict_json import is_list, is_object

Direction = Literal["request", "response"]
JSONSchema = dict[str, Any] | bool

_SCHEMA = ("not", "items", "additionalProperties", "contains", "propertyNames", "if", "then", "else")
_SCHEMAS = {
    "one": (*_SCHEMA, "unevaluatedItems", "unevaluatedProperties"),
    "list": ("allOf", "anyOf", "oneOf", "prefixItems"),
    "map": ("properties", "patternProperties", "dependentSchemas"),
}
_HOLDS = {keyword: kind for kind, keywords in _SCHEMAS.items() for keyword in keywords}
_PLAIN = frozenset(
    {
        *("type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
        *("maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains"),
        *("minContains", "maxProperties", "minProperties", "required", "dependentRequired", "format"),
    }
)
_ELSEWHERE = ("$id", "$anchor", "$dynamicRef", "$dynamicAnchor")
_DIALECTS = ("https://json-schema.org/draft/2020-12/schema", "https://spec.openapis.org/oas/3.1/dialect/base")
_WIDTHS = {"int32": 2**31, "int64": 2**63}
_KEPT_FROM: Mapping[Direction, str] = {"request": "readOnly", "response": "writeOnly"}


class Dialect:
    """Translates schemas, each part once for each direction; `root` is one JSON Schema that holds them all.

    Names of references in it lead to its own `$defs`, so cycles stay cycles.
    """

    def __init__(self, document: Document) -> None:
        self.root: dict[str, Any] = {"$defs": {}}
        self.places: dict[str, str] = {}
        """Where in the document each of the `$defs` stands."""
        self._document = document
        self._is_old = document.version == "3.0"
        self._names: dict[tuple[str, Direction], str] = {}
        self._waiting: list[Callable[[], None]] = []
        if document.data.get("jsonSchemaDialect", _DIALECTS[0]).rstrip("#") not in _DIALECTS:
            raise SpecError("#/jsonSchemaDialect", "is another dialect than JSON Schema 2020-12")

    def add(self, node: Any, place: str, direction: Direction) -> str:
        """Where in `root` the schema at `place` is found, translated. Raises `SpecError`."""
        pointer = self._define(Found(node, place), direction)
        while self._waiting:
            self._waiting.pop()()
        return pointer

    def _define(self, found: Found, direction: Direction) -> str:
        key = found.place, direction
        if key not in self._names:
            name = self._names[key] = str(len(self._names))
            self.places[name] = found.place

            def translate() -> None:
                self.root["$defs"][name] = self._translated(found.node, found.place, direction)

            self._waiting.append(translate)
        return f"#/$defs/{self._names[key]}"

    def _translated(self, node: Any, place: str, direction: Direction) -> JSONSchema:
        if isinstance(node, bool) and not self._is_old:
            return node
        if not is_object(node):
            raise SpecError(place, "is no schema: write a mapping")
        schema: Mapping[str, Any] = node
        self._check(schema, place)
        made: dict[str, Any] = {}
        if "$ref" in schema:
            made["$ref"] = self._define(self._document.at(schema["$ref"], place), direction)
            if self._is_old:  # OpenAPI 3.0.3, Reference Object: what stands beside it is ignored
                return made
        for keyword, value in schema.items():
            if keyword in _HOLDS:
                made[keyword] = self._inner(_HOLDS[keyword], value, below(place, keyword), direction)
            elif keyword in _PLAIN:
                made[keyword] = value
        if self._is_old:
            _modernise(schema, made)
        _bound(made)
        self._keep_from(_KEPT_FROM[direction], schema, place, made)
        return made

    def _check(self, schema: Mapping[str, Any], place: str) -> None:
        if other := [keyword for keyword in _ELSEWHERE if keyword in schema]:
            raise SpecError(place, f"has {other[0]}: write a $ref with the place in the document")
        if str(schema.get("$schema", _DIALECTS[0])).rstrip("#") not in _DIALECTS:
            raise SpecError(place, "has another $schema than JSON Schema 2020-12")

    def _inner(self, kind: str, value: Any, place: str, direction: Direction) -> Any:
        if kind == "list" and is_list(value):
            return [self._translated(one, below(place, at), direction) for at, one in enumerate(value)]
        if kind == "map" and is_object(value):
            return {name: self._translated(one, below(place, name), direction) for name, one in value.items()}
        if kind == "one" and isinstance(value, bool):
            return value
        return self._translated(value, place, direction)

    def _keep_from(self, marker: str, schema: Mapping[str, Any], place: str, made: dict[str, Any]) -> None:
        """A request has none of what is readOnly, a response none of what is writeOnly, required or not."""
        properties: Mapping[str, Any] = schema.get("properties", {})
        inner = below(place, "properties")
        kept = [name for name, one in properties.items() if self._is_marked(one, below(inner, name), marker)]
        for name in kept:
            made["properties"][name] = {"not": {"title": marker}}
        if kept and "required" in made:
            made["required"] = [name for name in made["required"] if name not in kept]

    def _is_marked(self, node: Any, place: str, marker: str, seen: frozenset[str] = frozenset()) -> bool:
        found = self._document.follow(node, place)
        if found.place in seen or not is_object(found.node):
            return False
        schema: Mapping[str, Any] = found.node
        beside: Mapping[str, Any] = node if is_object(node) and not self._is_old else {}
        if beside.get(marker) is True or schema.get(marker) is True:
            return True
        parts: Iterable[Any] = schema.get("allOf", ())
        return any(self._is_marked(one, below(found.place, "allOf"), marker, seen | {found.place}) for one in parts)


def _modernise(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    """What OpenAPI 3.0 has of its own, and of JSON Schema's draft 5."""
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if made.pop(exclusive, False) is True and bound in made:
            made[exclusive] = made.pop(bound)


def _bound(made: dict[str, Any]) -> None:
    """Formats of numbers, as the bounds that they are (OpenAPI 3.1.1, section 4.3)."""
    if (width := _WIDTHS.get(str(made.get("format")))) is not None:
        made["minimum"] = max(made.get("minimum", -width), -width)
        made["maximum"] = min(made.get("maximum", width - 1), width - 1)
        del made["format"]
