"""Operations of a document, compiled; mistakes are collected."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

from outrider_plugins.openapi.bodies import Body, Content
from outrider_plugins.openapi.dialect import Direction
from outrider_plugins.openapi.document import Document, SpecError, below
from outrider_plugins.openapi.media_types import media_type
from outrider_plugins.openapi.operations import Operation, ResponseShape
from outrider_plugins.openapi.parameters import Kind, Parameter, Where, kind_of
from outrider_plugins.openapi.path_templates import template_names
from outrider_plugins.openapi.schemas import Schema, Schemas
from outrider_plugins.openapi.values import BadTextError

_STYLES: Mapping[Where, str] = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
_ELSEWHERE = ("accept", "content-type", "authorization")
"""Headers that a parameter says nothing about (OpenAPI 3.1.1, Parameter Object)."""
_LISTED = ("spaceDelimited", "pipeDelimited")
_ANYTHING: tuple[object, ...] = ({}, True, {"type": "string", "format": "binary"})


class Compiler:
    """Compiles operations one by one, then what all of them share. What is wrong goes to `wrong`."""

    def __init__(self, document: Document, wrong: list[SpecError], *, responses: bool) -> None:
        self._document = document
        self._wrong = wrong
        self._responses = responses
        self._schemas = Schemas(document)
        schemes = document.data.get("components", {}).get("securitySchemes", {}).values()
        keys = (one for one in schemes if one.get("type") == "apiKey" and one.get("in") == "query")
        self._keys = frozenset(str(one["name"]) for one in keys)

    def finish(self) -> list[SpecError]:
        """Compiles the schemas; gives what is wrong with them."""
        return list(self._schemas.compile())

    def operation(self, method: str, template: str, item: Mapping[str, Any], place: str) -> Operation:
        """The operation of a path."""
        inner = below(place, method.lower())
        node = item[method.lower()]
        told = {**self._parameters(item, place, template), **self._parameters(node, inner, template)}
        missing = set(template_names(template)).difference(name for where, name in told if where == "path")
        if missing:
            self._wrong.append(SpecError(inner, f"has no parameter for {', '.join(sorted(missing))} of its path"))
        shapes = self._shapes(node, inner) if self._responses else {}
        body = self._request_body(node, inner) if "requestBody" in node else None
        return Operation(method, template, tuple(told.values()), body, shapes, self._keys)

    def _parameters(self, node: Mapping[str, Any], place: str, template: str) -> dict[tuple[Where, str], Parameter]:
        found: dict[tuple[Where, str], Parameter] = {}
        for index, one in enumerate(node.get("parameters", ())):
            try:
                node, at = self._document.follow(one, below(place, "parameters", index))
                if node["in"] == "header" and node["name"].lower() in _ELSEWHERE:
                    continue
                parameter = self._parameter(node, node["in"], node["name"], at, "request")
                self._add(found, parameter, at, template)
            except SpecError as error:
                self._wrong.append(error)
        return found

    def _add(
        self, found: dict[tuple[Where, str], Parameter], parameter: Parameter, place: str, template: str
    ) -> None:
        key = parameter.where, parameter.name
        if key in found:
            raise SpecError(place, f"is a second parameter {parameter.name} of the {parameter.where}")
        if parameter.where == "path" and parameter.name not in template_names(template):
            raise SpecError(place, f"is of the path, which has no {{{parameter.name}}}")
        found[key] = parameter

    def _parameter(
        self, node: Mapping[str, Any], where: Where, name: str, place: str, direction: Direction
    ) -> Parameter:
        style = str(node.get("style", _STYLES[where]))
        explode = bool(node.get("explode", style == "form"))
        schema, kind = self._read_as(node, place, direction)
        if kind == "json":
            style, explode = _STYLES[where], False
        _check_style(where, style, kind, place, explode=explode)
        return Parameter(
            where=where,
            name=name.lower() if where == "header" else name,
            schema=schema,
            kind=kind,
            style=style,
            explode=explode,
            required=where == "path" or bool(node.get("required", False)),
            may_be_empty=where == "query" and bool(node.get("allowEmptyValue", False)),
        )

    def _read_as(self, node: Mapping[str, Any], place: str, direction: Direction) -> tuple[Schema, Kind]:
        if "schema" in node:
            schema = self._schemas.add(node["schema"], below(place, "schema"), direction)
            return schema, kind_of(schema.types)
        for media, content in node.get("content", {}).items():
            inner = below(place, "content", media)
            schema = self._schemas.add(content.get("schema", {}), below(inner, "schema"), direction)
            try:
                form = media_type(media).form
            except BadTextError as error:
                raise SpecError(inner, str(error)) from None
            if form in ("json", "text"):
                return schema, "json" if form == "json" else "scalar"
            raise SpecError(inner, "is no JSON, and a parameter with other content can't be checked")
        raise SpecError(place, "has neither schema nor content")

    def _request_body(self, node: Mapping[str, Any], place: str) -> Body | None:
        try:
            body, at = self._document.follow(node["requestBody"], below(place, "requestBody"))
            return replace(self._body(body, at, "request"), required=bool(body.get("required", False)))
        except SpecError as error:
            self._wrong.append(error)
            return None

    def _body(self, node: Mapping[str, Any], place: str, direction: Direction) -> Body:
        return Body(tuple(self._contents(node.get("content", {}), below(place, "content"), direction)))

    def _contents(self, contents: Mapping[str, Any], place: str, direction: Direction) -> Iterator[Any]:
        for media, content in contents.items():
            inner = below(place, media)
            try:
                found = media_type(media)
            except BadTextError as error:
                raise SpecError(inner, str(error)) from None
            schema = content.get("schema", True)
            anything = schema in _ANYTHING and (found.form == "other" or schema != _ANYTHING[-1])
            made = None if anything else self._schemas.add(schema, below(inner, "schema"), direction)
            yield found, Content(made, _lists(content))

    def _shapes(self, node: Mapping[str, Any], place: str) -> dict[str, ResponseShape]:
        found: dict[str, ResponseShape] = {}
        for status, one in node.get("responses", {}).items():
            try:
                response, at = self._document.follow(one, below(place, "responses", status))
                body = self._body(response, at, "response") if response.get("content") else None
                found[str(status).upper() if status != "default" else status] = ResponseShape(
                    tuple(self._headers(response.get("headers", {}), below(at, "headers"))), body
                )
            except SpecError as error:
                self._wrong.append(error)
        return found

    def _headers(self, headers: Mapping[str, Any], place: str) -> Iterable[Parameter]:
        for name, one in headers.items():
            if name.lower() != "content-type":
                node, at = self._document.follow(one, below(place, name))
                yield self._parameter(node, "header", name, at, "response")


def _check_style(where: Where, style: str, kind: Kind, place: str, *, explode: bool) -> None:
    """Raises `SpecError` for what OpenAPI defines no text for."""
    if where == "cookie" and explode and kind in ("array", "object"):
        raise SpecError(place, "is exploded, which no cookie can be: write explode as false")
    if style == "deepObject" and kind != "object":
        raise SpecError(place, "has the style deepObject, and its schema is of no type object")


def _lists(content: Mapping[str, Any]) -> dict[str, str]:
    """The properties of a form that are lists in one text."""
    encodings = cast("Mapping[str, Mapping[str, Any]]", content.get("encoding", {}))
    styles = {name: (str(one.get("style", "form")), one) for name, one in encodings.items()}
    return {
        name: style
        for name, (style, one) in styles.items()
        if not one.get("explode", style == "form") and (style in _LISTED or "explode" in one or "style" in one)
    }
