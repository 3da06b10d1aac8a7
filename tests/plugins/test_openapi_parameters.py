"""Parameters as the tables of the OpenAPI specification write them, and as attackers do."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.described import Json, ask, document, errors, operation, plugin
from outrider_plugins.openapi.path_templates import PathTemplates
from outrider_plugins.openapi.values import BadTextError, decoded, readings

COLORS: Json = {"type": "array", "items": {"enum": ["blue", "black", "brown"]}, "minItems": 3, "maxItems": 3}
RGB: Json = {
    "type": "object",
    "properties": {name: {"const": value} for name, value in (("R", 100), ("G", 200), ("B", 150))},
    "required": ["R", "G", "B"],
    "additionalProperties": False,
}
BLUE: Json = {"const": "blue"}


def passes(folder: Path, where: str, sent: str, **parameter: Any) -> bool:
    described = {"name": "color", "in": where, "required": True, **parameter}
    path = "/p/{color}" if where == "path" else "/p"
    validation = plugin(folder, document({path: {"get": operation(parameters=[described])}}))
    target = {"path": f"/p/{sent}", "query": f"/p?{sent}"}.get(where, "/p")
    headers: Json = {"header": {"color": sent}, "cookie": {"cookie": sent}}.get(where, {})
    return ask(validation, "GET", target, **headers).status == 200


@pytest.mark.parametrize(
    ("where", "style", "explode", "schema", "sent"),
    [
        ("path", "matrix", False, BLUE, ";color=blue"),
        ("path", "matrix", False, COLORS, ";color=blue,black,brown"),
        ("path", "matrix", False, RGB, ";color=R,100,G,200,B,150"),
        ("path", "matrix", True, COLORS, ";color=blue;color=black;color=brown"),
        ("path", "matrix", True, RGB, ";R=100;G=200;B=150"),
        ("path", "label", False, BLUE, ".blue"),
        ("path", "label", False, COLORS, ".blue,black,brown"),
        ("path", "label", False, RGB, ".R,100,G,200,B,150"),
        ("path", "label", True, COLORS, ".blue.black.brown"),
        ("path", "label", True, RGB, ".R=100.G=200.B=150"),
        ("path", "simple", False, BLUE, "blue"),
        ("path", "simple", False, COLORS, "blue,black,brown"),
        ("path", "simple", False, RGB, "R,100,G,200,B,150"),
        ("path", "simple", True, RGB, "R=100,G=200,B=150"),
        ("header", "simple", False, COLORS, "blue, black ,brown"),
        ("header", "simple", False, RGB, "R,100,G,200,B,150"),
        ("header", "simple", True, RGB, "R=100,G=200,B=150"),
        ("query", "form", True, BLUE, "color=blue"),
        ("query", "form", False, COLORS, "color=blue,black,brown"),
        ("query", "form", True, COLORS, "color=blue&color=black&color=brown"),
        ("query", "form", False, RGB, "color=R,100,G,200,B,150"),
        ("query", "form", True, RGB, "R=100&G=200&B=150"),
        ("query", "spaceDelimited", False, COLORS, "color=blue%20black%20brown"),
        ("query", "pipeDelimited", False, COLORS, "color=blue%7Cblack%7Cbrown"),
        ("query", "deepObject", True, RGB, "color%5BR%5D=100&color[G]=200&color%5bB]=150"),
        ("cookie", "form", True, BLUE, "a=b; color=blue"),
        ("cookie", "form", False, COLORS, "color=blue,black,brown"),
    ],
)
def test_what_the_tables_of_the_specification_have_is_read(
    tmp_path: Path, where: str, style: str, explode: bool, schema: Json, sent: str
) -> None:
    told = {"style": style, "explode": explode, "schema": schema}
    assert passes(tmp_path, where, sent, **told)
    assert not passes(tmp_path, where, sent.replace("blue", "red").replace("100", "101"), **told)


INTEGER: Json = {"type": "integer"}


@pytest.mark.parametrize("text", ["0", "-1", "9223372036854775808", "1" * 64])
def test_an_integer_is_digits(tmp_path: Path, text: str) -> None:
    assert passes(tmp_path, "query", f"color={text}", schema=INTEGER)


@pytest.mark.parametrize(
    "text",
    ["", "1e3", "+1", "%201", "1%20", "0x1", "01", "1.0", "%D9%A1", "1_0", "true", "null", "1%00", "1" * 65, "NaN"],
)
def test_what_only_some_readers_take_for_an_integer_is_none(tmp_path: Path, text: str) -> None:
    assert not passes(tmp_path, "query", f"color={text}", schema=INTEGER)


@pytest.mark.parametrize(
    ("text", "good"), [("1e3", True), ("1.5", True), ("1e999", False), (".5", False), ("1.", False)]
)
def test_a_number_is_what_json_has(tmp_path: Path, text: str, good: bool) -> None:
    assert passes(tmp_path, "query", f"color={text}", schema={"type": "number"}) is good


@pytest.mark.parametrize(
    ("text", "good"), [("true", True), ("false", True), ("1", False), ("True", False), ("", False)]
)
def test_a_boolean_is_true_or_false(tmp_path: Path, text: str, good: bool) -> None:
    assert passes(tmp_path, "query", f"color={text}", schema={"type": "boolean"}) is good


@pytest.mark.parametrize("sent", ["color=1&color=2", "color=1&%63olor=1", "color=1&color"])
def test_a_scalar_that_stands_twice_is_refused(tmp_path: Path, sent: str) -> None:
    assert not passes(tmp_path, "query", sent, schema={})
    assert not passes(tmp_path, "cookie", sent.replace("&", "; ").replace("%63", "c"), schema=INTEGER)


def test_a_header_that_stands_twice_is_refused_unless_it_is_a_list(tmp_path: Path) -> None:
    told = [
        {"name": "X-One", "in": "header", "schema": INTEGER},
        {"name": "x-many", "in": "header", "schema": COLORS},
    ]
    validation = plugin(tmp_path, document({"/p": {"get": operation(parameters=told)}}))
    assert ask(validation, "GET", "/p", x_one="1", x_many=["blue, black", "brown"]).status == 200
    assert errors(ask(validation, "GET", "/p", x_one=["1", "1"])) == ["header x-one: stands more than once"]


@pytest.mark.parametrize(
    ("sent", "good"),
    [("a%2Bb", "a+b"), ("a+b", "a b"), ("a%20b", "a b"), ("a%252Bb", "a%2Bb"), ("%C3%A9", "é")],
)
def test_the_query_is_decoded_once(tmp_path: Path, sent: str, good: str) -> None:
    assert passes(tmp_path, "query", f"color={sent}", schema={"const": good})


@pytest.mark.parametrize("sent", ["a%2", "%zz", "%ff", "%ed%a0%80", "%c0%af"])
def test_what_is_not_well_encoded_is_refused(tmp_path: Path, sent: str) -> None:
    for where, written in (("path", sent), ("query", f"color={sent}"), ("cookie", f"color={sent}")):
        assert not passes(tmp_path, where, written, schema={"type": "string"})


def test_a_header_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    assert passes(tmp_path, "header", "é", schema={"type": "string"})
    assert not passes(tmp_path, "header", "\udcff", schema={"type": "string"})


def test_an_escaped_comma_separates_nothing(tmp_path: Path) -> None:
    told = {"schema": {"type": "array", "items": {"type": "string"}, "maxItems": 1}, "explode": False}
    assert passes(tmp_path, "query", "color=a%2Cb", **told)
    assert not passes(tmp_path, "query", "color=a,b", **told)


def test_an_empty_value_passes_only_where_it_is_allowed(tmp_path: Path) -> None:
    for sent in ("color=", "color"):
        assert not passes(tmp_path, "query", sent, schema=INTEGER)
        assert passes(tmp_path, "query", sent, schema=INTEGER, allowEmptyValue=True)
    assert not passes(tmp_path, "query", "other=1", schema=INTEGER, allowEmptyValue=True)


@pytest.mark.parametrize(
    ("schema", "sent", "good"),
    [
        ({"oneOf": [{"type": "integer", "maximum": 5}, {"type": "string", "pattern": "^[a-z]+$"}]}, "5", True),
        ({"oneOf": [{"type": "integer", "maximum": 5}, {"type": "string", "pattern": "^[a-z]+$"}]}, "6", False),
        ({"type": ["integer", "null"]}, "null", False),
        ({"type": "string", "maxLength": 3}, "1234", False),
        ({"enum": [1, 2]}, "2", True),
        ({"enum": [1, 2]}, "3", False),
        # Without a type every reading of the text has to fit.
        ({"maxLength": 3}, "1234", False),
        ({"minimum": 5}, "4", False),
        ({"allOf": [{"type": "integer"}, {"minimum": 5}]}, "7", True),
    ],
)
def test_a_text_is_read_as_what_its_schema_has(tmp_path: Path, schema: Json, sent: str, good: bool) -> None:
    assert passes(tmp_path, "query", f"color={sent}", schema=schema) is good


def test_a_parameter_with_content_holds_json(tmp_path: Path) -> None:
    told = {"content": {"application/json": {"schema": RGB}}}
    assert passes(tmp_path, "query", "color=%7B%22R%22:100,%22G%22:200,%22B%22:150%7D", **told)
    assert not passes(tmp_path, "query", "color=%7B%22R%22:100,%22G%22:200,%22B%22:150,%22B%22:150%7D", **told)
    assert not passes(tmp_path, "query", "color=blue", **told)


def test_unknown_parameters_of_the_query_are_refused_where_that_is_asked_for(tmp_path: Path) -> None:
    told = [
        {"name": "a", "in": "query", "schema": INTEGER},
        {"name": "deep", "in": "query", "style": "deepObject", "schema": RGB},
        {"name": "spread", "in": "query", "schema": {"type": "object", "properties": {"x": INTEGER}}},
    ]
    schemes = {"securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "api_key"}}}
    described = document({"/p": {"get": operation(parameters=told)}}, components=schemes)
    assert ask(plugin(tmp_path, described), "GET", "/p?b=1").status == 200
    closed = plugin(tmp_path, described, unknown_query="refuse")
    assert ask(closed, "GET", "/p?a=1&api_key=s&x=1&deep[R]=100&deep[G]=200&deep[B]=150").status == 200
    assert errors(ask(closed, "GET", "/p?b=1")) == ["query b: is not declared"]
    assert ask(closed, "GET", "/p?%zz=1").status == 400


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/a/b", "concrete"),
        ("/a/c", "templated"),
        ("/a/c/d", "deep"),
        ("/a/b/d", "deep"),
        ("/files/x.tar.gz", "file"),
        ("/caf%C3%A9", "unicode"),
        ("/a", None),
        ("/a/", None),
        ("/a/b/", None),
        ("/a/c/d/e", None),
        ("/files/x", None),
    ],
)
def test_concrete_paths_are_found_before_templated_ones(path: str, leads_to: str | None) -> None:
    paths: PathTemplates[str] = PathTemplates()
    for template, name in (
        ("/a/{id}", "templated"),
        ("/a/b", "concrete"),
        ("/a/{id}/d", "deep"),
        ("/files/{name}.{type}", "file"),
        ("/café", "unicode"),
    ):
        paths.add(template, name)
    found = paths.find(path)
    assert (found and found.target) == leads_to
    if leads_to == "file" and found:
        assert found.values == {"name": "x", "type": "tar.gz"}


@pytest.mark.parametrize("template", ["/a/{x", "/a/{x}{y}", "/a/{x}/{x}", "/a/../b", "/a//b", "a", "/a/{y}"])
def test_a_template_that_can_not_be_told_from_another_is_a_mistake(template: str) -> None:
    paths: PathTemplates[int] = PathTemplates()
    paths.add("/a/{x}", 1)
    with pytest.raises(ValueError, match=r"^(has|is|does)"):
        paths.add(template, 2)


@given(st.text(max_size=20))
def test_reading_a_text_never_fails_nor_invents(text: str) -> None:
    for types in (None, frozenset({"integer"}), frozenset({"number", "boolean"}), frozenset({"string"})):
        found = readings(text, types)
        assert found
        assert all(str(one).lower().lstrip("-") in text.lower() or isinstance(one, float | int) for one in found)


@given(st.text(alphabet="%0123456789abcdefAF+é ", max_size=12))
def test_decoding_gives_text_or_refuses(text: str) -> None:
    try:
        found = decoded(text, plus=True)
    except BadTextError:
        found = None
    assert (found is not None and found.isprintable()) or "%" in text


def test_more_names_than_a_query_may_have_are_refused(tmp_path: Path) -> None:
    described = {"name": "color", "in": "query", "schema": {"type": "string"}}
    validation = plugin(tmp_path, document({"/p": {"get": operation(parameters=[described])}}))
    query = "&".join(f"n{number}" for number in range(1001))
    assert ask(validation, "GET", f"/p?{query}").status == 400
