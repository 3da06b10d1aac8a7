"""One field's type, from JSON Schema (as pydantic writes it) to Kong's schema language."""

from collections.abc import Mapping, Sequence
from typing import Any

Field = dict[str, Any]
"""A field in Kong's schema language: its type and its attributes."""
Fields = list[dict[str, Field]]
"""A record's fields, each a mapping of its name to its type."""
Schema = Mapping[str, Any]

_BIGGEST = 1.7976931348623157e308
_SCALARS = {"string": "string", "integer": "integer", "number": "number", "boolean": "boolean"}
_BYTES = 4  # of one character in UTF-8; Kong counts bytes


def record_of(schema: Schema, models: Mapping[str, Schema]) -> Field | None:
    """An object as Kong's record; None if one of its required fields can't be said."""
    fields: Fields = []
    required = frozenset(schema.get("required", ()))
    for name, one in schema["properties"].items():
        kind = field_of(one, models)
        if kind is None and name in required:
            return None
        if kind is not None:
            fields.append({name: _described(_presence(kind, one, models, required=name in required), one)})
    return {"type": "record", "fields": fields} if fields else None


def field_of(schema: Schema, models: Mapping[str, Schema]) -> Field | None:
    """A value's type; None if Kong has no word for it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        # Without itself: a model that holds itself has no end in Kong's language.
        rest = {key: value for key, value in models.items() if key != name}
        return field_of(models[name], rest) if name in models else None
    if branches := _branches(schema):
        kinds = [field_of(branch, models) for branch in branches if branch.get("type") != "null"]
        return _united([kind for kind in kinds if kind is not None]) if all(kinds) else None
    if "enum" in schema or "const" in schema:
        return _choice(schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind in _SCALARS:
        return _scalar(kind, schema)
    return (_array if kind == "array" else _object)(schema, models) if kind in ("array", "object") else None


def _branches(schema: Schema) -> Sequence[Schema]:
    return schema.get("anyOf") or schema.get("oneOf") or ()


def _nullable(schema: Schema, models: Mapping[str, Schema]) -> bool:
    if "$ref" in schema:
        return _nullable(models.get(schema["$ref"].rpartition("/")[2], {}), {})
    nulls = (branch.get("type") == "null" for branch in _branches(schema))
    return any(nulls) or schema.get("type") == "null" or None in schema.get("enum", ())


def _scalar(kind: str, schema: Schema) -> Field:
    if kind == "string":
        return _string(schema)
    return {"type": kind, **_bounds(kind, schema)} if kind != "boolean" else {"type": kind}


def _string(schema: Schema) -> Field:
    # Kong refuses empty strings that nobody allows, and takes them away again where it reads its database.
    field: Field = {"type": "string", "len_min": schema.get("minLength", 0)}
    if "maxLength" in schema:
        field["len_max"] = schema["maxLength"] * _BYTES
    if schema.get("writeOnly"):
        field |= {"encrypted": True, "referenceable": True}
    return field


def _bounds(kind: str, schema: Schema) -> Field:
    step = 1 if kind == "integer" else 0
    least, most = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if below is not None:
        most = below - step  # of other numbers, Kong can't say that the bound itself is out
    if above is not None and most is None:
        return {"gt": above}
    if above is not None:
        return {"gt": above, "between": [above, most]}
    if least is None and most is None:
        return {}
    return {"between": [-_BIGGEST if least is None else least, _BIGGEST if most is None else most]}


def _choice(values: Sequence[Any]) -> Field | None:
    values = [value for value in values if value is not None]
    kinds: set[type] = {type(value) for value in values}
    if kinds == {bool}:
        return {"type": "boolean"} if len(values) > 1 else {"type": "boolean", "eq": values[0]}
    names: Mapping[type, str] = {str: "string", int: "integer", float: "number"}
    if len(kinds) != 1 or not kinds <= names.keys():
        return None
    return {"type": names[kinds.pop()], "one_of": list(values)}


def _array(schema: Schema, models: Mapping[str, Schema]) -> Field | None:
    elements = field_of(schema.get("items", {}), models)
    if elements is None or "prefixItems" in schema:
        return None
    unique = schema.get("uniqueItems") and elements["type"] in _SCALARS
    field: Field = {"type": "set" if unique else "array", "elements": elements}
    return field | _length(schema, "minItems", "maxItems")


def _object(schema: Schema, models: Mapping[str, Schema]) -> Field | None:
    if "properties" in schema:
        return None if schema.get("additionalProperties") else record_of(schema, models)
    keys, values = schema.get("propertyNames", {"type": "string"}), schema.get("additionalProperties")
    if patterns := schema.get("patternProperties"):
        values = next(iter(patterns.values()))
    if not isinstance(values, Mapping):
        return None
    found, kind = field_of(values, models), field_of({"type": "string", **keys}, models)  # pyright: ignore[reportUnknownArgumentType]
    if found is None or kind is None or found["type"] == "map":
        return None
    return {"type": "map", "keys": kind, "values": found} | _length(schema, "minProperties", "maxProperties")


def _length(schema: Schema, least: str, most: str) -> Field:
    names = {"len_min": least, "len_max": most}
    return {kong: schema[ours] for kong, ours in names.items() if ours in schema}


def _united(kinds: Sequence[Field]) -> Field | None:
    """The one type that takes all that any of these takes."""
    names = {kind["type"] for kind in kinds}
    if len(kinds) == 1:
        return kinds[0]
    if names == {"integer", "number"} or (len(names) == 1 and names <= _SCALARS.keys()):
        return _widest(kinds, "number" if "number" in names else names.pop())
    lists = [kind for kind in kinds if kind["type"] in ("array", "set")]
    if len(lists) != 1:
        return None
    elements = _united([lists[0]["elements"], *(kind for kind in kinds if kind is not lists[0])])
    return {"type": "array", "elements": elements} if elements else None


def _widest(kinds: Sequence[Field], name: str) -> Field:
    same = {key: value for key, value in kinds[0].items() if all(one.get(key) == value for one in kinds)}
    if all("one_of" in kind for kind in kinds):
        same["one_of"] = list(dict.fromkeys(value for kind in kinds for value in kind["one_of"]))
    if name == "string" and "one_of" not in same:
        same["len_min"] = min(kind.get("len_min", 0) for kind in kinds)
    secrets = {"encrypted": True, "referenceable": True}
    return same | {"type": name} | (secrets if any(kind.get("encrypted") for kind in kinds) else {})


def _presence(kind: Field, schema: Schema, models: Mapping[str, Schema], *, required: bool) -> Field:
    """The same with whether it must be there, and what it is where it is not."""
    may_be_null = _nullable(schema, models)
    if required or schema.get("default") is None:
        return kind | {"required": required and not may_be_null}
    default = _fitted(kind, schema["default"])
    if kind["type"] == "record" and default == _filled(kind):
        # Kong makes one of its fields' defaults.
        return kind | {"required": not may_be_null}
    return kind | {"required": not may_be_null, "default": default}


def _fitted(kind: Field, default: Any) -> Any:
    """A default as Kong's type holds it."""
    if kind["type"] in ("array", "set"):
        # A type that takes one value or a list may have one value for its default.
        items = [default] if isinstance(default, str | int | float) else default
        return [_fitted(kind["elements"], item) for item in items]
    if kind["type"] == "map":
        return {key: _fitted(kind["values"], value) for key, value in default.items()}
    if kind["type"] == "record":
        known = {name: inner for field in kind["fields"] for name, inner in field.items()}
        return {n: _fitted(known[n], value) for n, value in default.items() if n in known and value is not None}
    return default


def _filled(record: Field) -> Field:
    """What Kong makes of a record that is absent."""
    found: Field = {}
    for field in record["fields"]:
        for name, kind in field.items():
            if "default" in kind:
                found[name] = kind["default"]
            elif kind["type"] == "record" and kind.get("required"):
                found[name] = _filled(kind)
    return found


def _described(kind: Field, schema: Schema) -> Field:
    text = " ".join(schema.get("description", "").split())
    # Kong refuses shorter and longer ones, counted in bytes.
    shortened = text.encode()[:500].decode(errors="ignore")
    return kind | {"description": shortened} if len(shortened.encode()) >= 10 else kind
