"""OpenAPI documents that nothing can be checked by: each is a mistake with its place when it is read."""

import builtins
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.described import Json, ask, document, operation, plugin, taking
from outrider_plugins.openapi import contract
from outrider_plugins.openapi_validation import OpenapiValidation


def mistake(folder: Path, described: object, **config: Any) -> str:
    text = described if isinstance(described, str) else json.dumps(described)
    (folder / "openapi.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"openapi\.yaml|checks neither|slash") as mistaken:
        OpenapiValidation(spec=folder / "openapi.yaml", **config)
    return str(mistaken.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no OpenAPI document"),
        ("[]", "is no OpenAPI document"),
        ("swagger: '2.0'", "of version 3.0 or 3.1"),
        ("openapi: 3.2.0", "of version 3.0 or 3.1"),
        ("openapi: 3.1.0\nopenapi: 3.1.0", "neither JSON nor YAML in line 2"),
        ("openapi: [", "neither JSON nor YAML"),
        ('{"openapi": "3.1.0",}', "neither JSON nor YAML"),
        ("openapi: !!python/object:os.system {}", "neither JSON nor YAML"),
        ("openapi: 3.1.0\npaths: {}", "at # has no info"),
        ("openapi: 3.0.3\ninfo: {title: t, version: 1}\npaths: {}", "at #/info/version must be of type string"),
    ],
)
def test_what_is_no_document_is_a_mistake(tmp_path: Path, text: str, words: str) -> None:
    assert words in mistake(tmp_path, text)


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        OpenapiValidation(spec=tmp_path / "none.yaml")


def with_schema(schema: Any, **components: Any) -> Json:
    return document({"/p": {"post": taking(schema)}}, components={"schemas": components})


def get(*parameters: Json, path: str = "/p") -> Json:
    return document({path: {"get": operation(parameters=list(parameters))}})


AT = "#/paths/~1p/post/requestBody/content/application~1json/schema"
TEXT: Json = {"type": "string"}


@pytest.mark.parametrize(
    ("described", "words"),
    [
        (with_schema({"$ref": "https://127.0.0.1:1/x.json"}), f"{AT} has a $ref that leaves the document"),
        (with_schema({"$ref": "other.yaml#/x"}), f"{AT} has a $ref that leaves the document"),
        (with_schema({"$ref": "file:///etc/passwd"}), f"{AT} has a $ref that leaves the document"),
        (
            with_schema({"items": {"$ref": "#/components/schemas/X"}}),
            f"{AT}/items has the $ref #/components/schemas/X",
        ),
        (with_schema({"$ref": "#anchor"}), "leaves the document"),
        (with_schema({"$id": "https://x/y", "type": "string"}), f"{AT} has $id"),
        (with_schema({"$schema": "http://json-schema.org/draft-07/schema#"}), "another $schema"),
        (
            with_schema({"properties": {"a": {"pattern": "(?=a)"}}}),
            f"{AT}/properties/a/pattern is no regular expression",
        ),
        (with_schema({"pattern": "(a{1000}){1000}"}), "is no regular expression that takes linear time"),
        (with_schema({"type": "text"}), f"{AT}/type is no JSON Schema"),
        (with_schema({"minLength": -1}), f"{AT}/minLength is no JSON Schema"),
        (
            with_schema({"$ref": "#/components/schemas/A"}, A={"anyOf": [{"$ref": "#/components/schemas/A"}, TEXT]}),
            "#/components/schemas/A consists of itself",
        ),
        (get({"name": "id", "in": "path", "required": True, "schema": TEXT}), "is of the path, which has no {id}"),
        (get(path="/p/{id}"), "has no parameter for id of its path"),
        (get({"name": "a", "in": "query"}), "parameters/0"),
        (
            get({"name": "a", "in": "query", "schema": TEXT}, {"name": "a", "in": "query", "schema": {}}),
            "is a second parameter a of the query",
        ),
        (
            get({"name": "a", "in": "cookie", "schema": {"type": "array", "items": {}}}),
            "is exploded, which no cookie can be",
        ),
        (get({"name": "a", "in": "query", "style": "deepObject", "schema": TEXT}), "style deepObject"),
        (
            get({"name": "a", "in": "query", "content": {"application/xml": {"schema": {}}}}),
            "is no JSON, and a parameter with other content can't be checked",
        ),
        (document({"/a/{x}": {"get": operation()}, "/a/{y}": {"get": operation()}}), "has no parameter for x"),
        (document({"/a//b": {"get": operation()}}), "#/paths/~1a~1~1b has dots or slashes"),
        (document({"/p": {"post": taking({}, "json")}}), "is no media type"),
    ],
)
def test_what_nothing_can_be_checked_by_is_a_mistake_with_its_place(
    tmp_path: Path, described: Json, words: str
) -> None:
    assert words in mistake(tmp_path, described)


def test_several_mistakes_are_told_at_once_and_not_all(tmp_path: Path) -> None:
    parameters: list[Json] = [
        {"name": f"p{n}", "in": "cookie", "schema": {"type": "array", "items": {}}} for n in range(9)
    ]
    told = mistake(tmp_path, get(*parameters))
    assert told.count("is exploded") == 5
    assert "(and 4 more)" in told


def test_responses_are_read_only_where_they_are_checked(tmp_path: Path) -> None:
    remote = {
        "200": {"description": "x", "content": {"application/json": {"schema": {"$ref": "http://127.0.0.1:1/"}}}}
    }
    described = document({"/p": {"get": {"responses": remote}}})
    assert ask(plugin(tmp_path, described), "GET", "/p").status == 200
    assert "leaves the document" in mistake(tmp_path, described, responses=True)


def test_configuration_that_checks_nothing_is_a_mistake(tmp_path: Path) -> None:
    assert "checks neither" in mistake(tmp_path, get(), requests=False)
    assert "slash" in mistake(tmp_path, get(), base_path="v1")


def test_nothing_is_ever_asked_of_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("somebody connects")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    example = {"example": {"$ref": "http://127.0.0.1:1/x"}, "externalDocs": {"url": "http://127.0.0.1:1/"}}
    described = with_schema({"type": "object", **example})
    assert ask(plugin(tmp_path, described), "POST", "/p", b"{}", content_type="application/json").status == 200
    mistake(tmp_path, with_schema({"properties": {"a": {"$ref": "http://127.0.0.1:1/x"}}}))


YAML = """
openapi: 3.0.3
info: {title: t, version: "1"}
paths:
  /p:
    get:
      parameters:
        - {name: a, in: query, required: true, schema: {type: string, enum: [on, no, 2020-01-01, "1"]}}
      responses:
        200: {description: done}
"""


@pytest.mark.parametrize("value", ["on", "no", "2020-01-01", "1"])
def test_yaml_is_read_as_openapi_wants_it(tmp_path: Path, value: str) -> None:
    (tmp_path / "openapi.yaml").write_text(YAML)
    validation = OpenapiValidation(spec=tmp_path / "openapi.yaml")
    assert ask(validation, "GET", f"/p?a={value}").status == 200
    assert ask(validation, "GET", "/p?a=true").status == 400


def test_a_document_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = document({"/once": {"get": operation()}})
    plugin(tmp_path, described)
    compiled: list[object] = []
    monkeypatch.setattr(contract, "mistakes", compiled.append)
    assert ask(plugin(tmp_path, described), "GET", "/once").status == 200
    assert not compiled


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: Callable[..., Any] = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("outrider_plugins.openapi.checks"):
            raise ImportError(name)
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r"install outrider\[openapi\]"):
        plugin(tmp_path, get())
