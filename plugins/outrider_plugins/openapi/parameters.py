"""Parameters of the path, the query, headers and cookies, read as their style says and checked by their schema."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from outrider_plugins.json_body import BadJSONError, read_json
from outrider_plugins.openapi.findings import Finding
from outrider_plugins.openapi.parts import Parts
from outrider_plugins.openapi.schemas import Schema
from outrider_plugins.openapi.styles import of_path, pairs, split
from outrider_plugins.openapi.values import BadTextError, Types, decoded, reading, readings, well_formed
from outrider_plugins.strict_json import is_object

Where = Literal["path", "query", "header", "cookie"]
Kind = Literal["scalar", "array", "object", "json"]

_SCALARS = ("null", "boolean", "integer", "number", "string")
_OWS = " \t"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation, or one header of a response.

    `kind` is how its text is read; `json` is a text that holds JSON (`content` in place of `schema`).
    """

    where: Where
    name: str
    schema: Schema
    kind: Kind
    style: str
    explode: bool
    required: bool
    may_be_empty: bool = False

    def findings(self, parts: Parts) -> list[Finding]:
        """What is wrong with it in a request."""
        try:
            values = self._values(parts)
        except (BadTextError, BadJSONError) as error:
            return [Finding(self.where, self.name, "", str(error))]
        if values is None:
            return [Finding(self.where, self.name, "", "is missing")] if self.required else []
        # Where a type is given, one reading of the text has to fit; where none is, whatever upstream takes it for.
        enough = any if self.schema.types is not None else all
        if not values or enough(map(self.schema.fits, values)):
            return []
        unfit = next(value for value in values if not self.schema.fits(value))
        return [Finding(self.where, self.name, pointer, what) for pointer, what in self.schema.misfits(unfit)]

    def knows(self, name: str) -> bool:
        """Whether a name in the query is one of this parameter's."""
        if self.kind == "object" and self.style == "deepObject":
            return name.startswith(f"{self.name}[") and name.endswith("]")
        if self.kind == "object" and self.explode:
            return name in self.schema.properties or self._takes_all
        return name == self.name

    def _values(self, parts: Parts) -> Sequence[Any] | None:
        """What its text can stand for; None if it is absent."""
        if self.kind == "object" and self.where == "query" and (self.explode or self.style == "deepObject"):
            return self._spread(parts)
        texts = parts.texts(self.where, self.name)
        if not texts:
            return None
        if self.kind == "array":
            return [self._list(texts), *self._alone(texts)]
        if self.where == "header" and self.kind == "object":
            texts = [",".join(texts)]
        if len(texts) > 1:
            raise BadTextError("stands more than once")
        return [self._object(texts[0])] if self.kind == "object" else self._one(texts[0])

    def _one(self, raw: str) -> Sequence[Any]:
        """What a single value stands for; nothing where it may be empty."""
        text = self._decoded(self._itself(raw))
        if self.kind == "json":
            return [read_json(text.encode())]
        return () if not text and self.may_be_empty else readings(text, self.schema.types)

    def _itself(self, text: str) -> str:
        if self.where == "path":
            return str(of_path(text, self.name, self.style, explode=self.explode, kind="scalar"))
        return text.strip(_OWS) if self.where == "header" else text

    def _list(self, texts: Sequence[str]) -> list[Any]:
        types = self.schema.types_of(None)
        return [reading(self._decoded(item), types) for item in self._items(texts)]

    def _items(self, texts: Sequence[str]) -> Sequence[str]:
        if self.where == "path":
            return of_path(texts[0], self.name, self.style, explode=self.explode, kind=self.kind)
        if self.where == "header":
            return [item.strip(_OWS) for item in ",".join(texts).split(",")]
        if self.explode and self.where == "query":
            return texts
        if len(texts) > 1:
            raise BadTextError("stands more than once")
        return split(texts[0], self.style)

    def _alone(self, texts: Sequence[str]) -> list[Any]:
        """What a single text also stands for, where the schema has lists and scalars."""
        types = self.schema.types or frozenset()
        scalars = types.intersection(_SCALARS)
        if len(texts) > 1 or not scalars:
            return []
        return list(readings(self._decoded(self._itself(texts[0])), scalars))

    def _object(self, text: str) -> dict[str, Any]:
        exploded = self.explode and self.where in ("path", "header")
        found = pairs(self._items([text]), explode=exploded)
        return self._typed({self._decoded(name): self._decoded(value) for name, value in found.items()})

    def _spread(self, parts: Parts) -> Sequence[Any] | None:
        """An object whose properties are parameters of their own: `R=100&G=200`, or `color[R]=100`."""
        named = [(name, texts) for name, texts in parts.query.items() if self.knows(name)]
        found: dict[str, Any] = {}
        for name, texts in named:
            inner = name[len(self.name) + 1 : -1] if self.style == "deepObject" else name
            found[inner] = self._property(inner, texts)
        return [found] if named else None

    def _property(self, name: str, texts: Sequence[str]) -> Any:
        types = self.schema.types_of(name)
        decoded_ = [self._decoded(text) for text in texts]
        if types is not None and "array" in types:
            inner = self.schema.types_of(name, None)
            return [reading(text, inner) for text in decoded_]
        if len(decoded_) > 1:
            raise BadTextError("has a property that stands twice")
        return reading(decoded_[0], types)

    def _typed(self, found: Mapping[str, str]) -> dict[str, Any]:
        return {name: reading(text, self.schema.types_of(name)) for name, text in found.items()}

    def _decoded(self, text: str) -> str:
        return _DECODERS[self.where](text)

    @property
    def _takes_all(self) -> bool:
        node = self.schema.node
        return is_object(node) and node.get("additionalProperties", False) is not False


def _of_query(text: str) -> str:
    return decoded(text, plus=True)


_DECODERS: Mapping[str, Callable[[str], str]] = {
    "path": decoded,
    "query": _of_query,
    "header": well_formed,
    "cookie": decoded,
}


def kind_of(types: Types) -> Kind:
    """How a text is read whose schema has these types."""
    if types is not None and "array" in types:
        return "array"
    if types is not None and "object" in types:
        return "object"
    return "scalar"


def unknown(parameters: Sequence[Parameter], names: Mapping[str, object]) -> Iterator[str]:
    """The names in a query that no parameter has."""
    declared = [one for one in parameters if one.where == "query"]
    return (name for name in names if not any(one.knows(name) for one in declared))
