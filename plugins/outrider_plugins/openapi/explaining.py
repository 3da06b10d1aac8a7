"""Where a value does not fit its schema, in bounded time.

The library that checks can list all errors, but builds the whole list, with those of every alternative within every
alternative: for a megabyte of wrong items that is 700 MB, and for nested alternatives it takes exponential time.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import jsonschema_rs

from outrider_plugins.openapi.document import below
from outrider_plugins.openapi.findings import MOST
from outrider_plugins.openapi.options import OPTIONS
from outrider_plugins.openapi.rules import KEYWORDS, MARKERS, rule
from outrider_plugins.strict_json import is_list, is_object

Misfit = tuple[str, str]
"""A JSON pointer into the value, and what it should be."""

_STEPS = 2000
_UNFIT = "does not fit its schema"


class Lookup(Protocol):
    """The compiled schemas."""

    def node(self, pointer: str) -> Any:
        """The schema that a `$ref` leads to."""
        ...

    def find(self, pointer: str) -> jsonschema_rs.Validator | None:
        """What checks the schema at a place."""
        ...

    def allows(self, node: Any, value: Any) -> bool:
        """Whether a value of this type can fit."""
        ...


class Explainer:
    """Says of one value after the other where it does not fit."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._own: dict[str, jsonschema_rs.Validator] = {}

    def explain(self, pointer: str, value: Any) -> list[Misfit]:
        """At least one misfit, at most `MOST`, of a value that does not fit the schema at `pointer`."""
        return _Explanation(self._lookup, self._own).of(pointer, value)


class _Explanation:
    def __init__(self, lookup: Lookup, own: dict[str, jsonschema_rs.Validator]) -> None:
        self._lookup = lookup
        self._own = own
        self._steps = _STEPS
        self._found: list[Misfit] = []

    def of(self, pointer: str, value: Any) -> list[Misfit]:
        self._look(pointer, self._lookup.node(pointer), value, "")
        return self._found[:MOST]

    def _look(self, pointer: str, node: Any, value: Any, at: str) -> None:
        """Adds a misfit, or several, of a value that does not fit the node."""
        known = len(self._found)
        self._steps -= 1
        if is_object(node) and self._steps > 0:
            schema: Mapping[str, Any] = node
            self._found += self._itself(pointer, schema, value, at)
            for place, inner, part, where in self._parts(pointer, schema, value, at):
                if self._steps <= 0 or len(self._found) >= MOST:
                    break
                self._steps -= 1
                validator = self._lookup.find(place)
                if validator is not None and not validator.is_valid(part):
                    self._look(place, inner, part, where)
            self._found += self._choices(pointer, schema, value, at)
        if len(self._found) == known:
            self._found.append((at, _UNFIT))

    def _itself(self, pointer: str, schema: Mapping[str, Any], value: Any, at: str) -> Iterator[Misfit]:
        """What is wrong with the value, whatever its parts are."""
        unwanted = schema.get("not")
        if is_object(unwanted) and "title" in unwanted:
            yield at, MARKERS[unwanted["title"]]
            return
        if pointer not in self._own:
            self._own[pointer] = jsonschema_rs.Draft202012Validator(_shallow(schema), **OPTIONS)
        for error in self._own[pointer].iter_errors(value):
            kind = error.kind
            if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
                yield below(at, kind.property), "is missing"
            elif isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
                yield from ((below(at, name), "is not declared") for name in kind.unexpected[:MOST])
            else:
                yield at, rule(kind.name, schema.get(kind.name))

    def _parts(
        self, pointer: str, schema: Mapping[str, Any], value: Any, at: str
    ) -> Iterator[tuple[str, Any, Any, str]]:
        """The schemas that all have to fit: each with its place, and with what it is for."""
        if "$ref" in schema:
            yield schema["$ref"], self._lookup.node(schema["$ref"]), value, at
        for index, node in enumerate(schema.get("allOf", ())):
            yield below(pointer, "allOf", index), node, value, at
        if is_object(value):
            yield from _members(pointer, schema, value, at)
        elif is_list(value):
            yield from _items(pointer, schema, value, at)

    def _choices(self, pointer: str, schema: Mapping[str, Any], value: Any, at: str) -> Iterator[Misfit]:
        for choice in ("anyOf", "oneOf"):
            options: Sequence[Any] = schema.get(choice, ())
            validators = [self._lookup.find(below(pointer, choice, index)) for index in range(len(options))]
            fitting = sum(one is not None and one.is_valid(value) for one in validators)
            if not options or fitting == 1 or (fitting and choice == "anyOf"):
                continue
            meant = [index for index, one in enumerate(options) if self._lookup.allows(one, value)]
            if not fitting and len(meant) == 1:
                self._look(below(pointer, choice, meant[0]), options[meant[0]], value, at)
            else:
                yield at, f"fits {'more than one' if fitting else 'none'} of {len(options)} in {choice}"


def _shallow(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without those of the value's parts."""
    own = {keyword: value for keyword, value in schema.items() if keyword in KEYWORDS}
    if schema.get("additionalProperties") is False:
        own["additionalProperties"] = False
        for names in ("properties", "patternProperties"):
            own[names] = dict.fromkeys(schema.get(names, ()), True)
    return own


def _members(
    pointer: str, schema: Mapping[str, Any], value: Mapping[str, Any], at: str
) -> Iterator[tuple[str, Any, Any, str]]:
    declared: Mapping[str, Any] = schema.get("properties", {})
    others: Any = schema.get("additionalProperties")
    is_open = isinstance(others, dict) and "patternProperties" not in schema
    for name, part in value.items():
        if name in declared:
            yield below(pointer, "properties", name), declared[name], part, below(at, name)
        elif is_open:
            yield below(pointer, "additionalProperties"), others, part, below(at, name)


def _items(
    pointer: str, schema: Mapping[str, Any], value: Sequence[Any], at: str
) -> Iterator[tuple[str, Any, Any, str]]:
    first: Sequence[Any] = schema.get("prefixItems", ())
    for index, part in enumerate(value):
        if index < len(first):
            yield below(pointer, "prefixItems", index), first[index], part, below(at, index)
        elif "items" in schema:
            yield below(pointer, "items"), schema["items"], part, below(at, index)
