"""Bodies by their schemas: of both versions, hostile ones, forms, and where they do not fit."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.described import Json, ask, document, errors, operation, plugin, taking
from outrider.testing import Outcome
from outrider_plugins.json_body import DEEPEST, BadJSONError, read_json
from outrider_plugins.openapi.media_types import best, media_type
from outrider_plugins.openapi.values import BadTextError
from outrider_plugins.openapi_validation import OpenapiValidation

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def takes(folder: Path, schema: Any, *, version: str = "3.1.0", **more: Any) -> OpenapiValidation:
    return plugin(folder, document({"/p": {"post": taking(schema)}}, version=version, **more))


def post(validation: OpenapiValidation, body: object, media: str = JSON, **headers: Any) -> Outcome:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(validation, "POST", "/p", raw, content_type=media, **headers)


def fits(folder: Path, schema: Any, body: object, version: str = "3.1.0", **more: Any) -> bool:
    return post(takes(folder, schema, version=version, **more), body).status == 200


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer", "nullable": True}, [1, None], ["1"]),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, [2], [1]),
        ({"type": "integer", "maximum": 1, "exclusiveMaximum": False}, [1], [2]),
        ({"type": "integer", "format": "int32"}, [2**31 - 1, -(2**31)], [2**31, -(2**31) - 1]),
        ({"type": "integer", "format": "int64", "maximum": 5}, [5], [6, -(2**63) - 1]),
        ({"type": "string", "format": "byte"}, ["YQ=="], ["YQ", "é"]),
        ({"type": "string", "format": "date"}, ["2024-02-29"], ["2023-02-29"]),
        ({"type": "string", "format": "uuid"}, ["9f2d6a7e-8d9c-4f0e-9a53-0c7f8a1b2c3d"], ["9f2d"]),
        ({"$ref": "#/components/schemas/Text", "type": "integer"}, ["a"], [1]),
        ({"allOf": [{"$ref": "#/components/schemas/Text"}], "nullable": True}, ["a"], [None]),
    ],
)
def test_what_openapi_3_0_has_of_its_own_is_understood(
    tmp_path: Path, schema: Json, good: list[object], bad: list[object]
) -> None:
    components = {"schemas": {"Text": {"type": "string"}}}
    validation = takes(tmp_path, schema, version="3.0.3", components=components)
    assert all(post(validation, one).status == 200 for one in good)
    assert all(post(validation, one).status == 400 for one in bad)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": ["integer", "null"]}, [1, None], ["1"]),
        ({"exclusiveMinimum": 1}, [2], [1]),
        ({"const": {"a": 1}}, [{"a": 1}], [{"a": 2}]),
        ({"prefixItems": [{"type": "string"}], "items": False}, [["a"]], [["a", 1], [1]]),
        ({"$ref": "#/components/schemas/Text", "maxLength": 2}, ["ab"], ["abc", 1]),
        ({"if": {"type": "string"}, "then": {"minLength": 2}}, ["ab", 1], ["a"]),
        ({"properties": {"a": {}}, "unevaluatedProperties": False}, [{"a": 1}], [{"b": 1}]),
        (False, [], [1, None]),
    ],
)
def test_what_json_schema_2020_12_has_is_understood(
    tmp_path: Path, schema: Any, good: list[object], bad: list[object]
) -> None:
    components = {"schemas": {"Text": {"type": "string"}}}
    validation = takes(tmp_path, schema, components=components)
    assert all(post(validation, one).status == 200 for one in good)
    assert all(post(validation, one).status == 400 for one in bad)


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_a_request_has_nothing_that_is_read_only_though_it_is_required(tmp_path: Path, version: str) -> None:
    read_only: Json = {"type": "integer", "readOnly": True}
    for one in (read_only, {"$ref": "#/components/schemas/Id"}, {"allOf": [{"$ref": "#/components/schemas/Id"}]}):
        schema = {"type": "object", "properties": {"id": one, "name": {}}, "required": ["id", "name"]}
        validation = takes(tmp_path, schema, version=version, components={"schemas": {"Id": read_only}})
        assert post(validation, {"name": "a"}).status == 200
        assert errors(post(validation, {"id": 1, "name": "a"})) == ["body /id: must not be sent: it is readOnly"]


TREE: Json = {
    "oneOf": [
        *(
            {
                "type": "object",
                "properties": {"op": {"const": op}, "l": {"$ref": "#/components/schemas/T"}},
                "required": ["op"],
            }
            for op in ("and", "or")
        ),
        {"type": "integer"},
    ]
}


def test_a_schema_that_leads_back_to_itself_in_a_part_is_checked_without_blowing_up(tmp_path: Path) -> None:
    validation = takes(tmp_path, {"$ref": "#/components/schemas/T"}, components={"schemas": {"T": TREE}})
    good: Any = 1
    bad: Any = "x"
    for _ in range(40):
        good, bad = {"op": "and", "l": good}, {"op": "and", "l": bad}
    assert post(validation, good).status == 200
    began = time.process_time()
    assert post(validation, bad).status == 400
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("schema", "body", "told"),
    [
        ({"type": "integer"}, "a", ["body : must be of type integer"]),
        (
            {"properties": {"a/b": {"items": {"minimum": 3}}}},
            {"a/b": [3, 2]},
            ["body /a~1b/1: must be at least 3"],
        ),
        ({"required": ["a", "b"]}, {}, ["body /a: is missing", "body /b: is missing"]),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"b": 1}, ["body /b: is not declared"]),
        ({"additionalProperties": {"enum": [1, "x"]}}, {"b": 2}, ["body /b: must be one of 1, x"]),
        ({"anyOf": [{"type": "integer", "minimum": 5}, {"type": "null"}]}, 1, ["body : must be at least 5"]),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3, ["body : fits more than one of 2 in oneOf"]),
        ({"not": {"type": "integer"}}, 3, ["body : does not fit its schema"]),
        ({"allOf": [{"maxLength": 1}, {"pattern": "^b"}]}, "aa", None),
        ({"type": "string", "format": "email"}, "secret", ["body : must have the format email"]),
    ],
)
def test_downstream_is_told_places_and_rules_and_never_values(
    tmp_path: Path, schema: Json, body: object, told: list[str] | None
) -> None:
    found = [
        one.replace("body :", "body:")
        for one in told or ["body: must have at most 1 characters", "body: must match ^b"]
    ]
    assert errors(post(takes(tmp_path, schema), body)) == found


def test_at_most_twenty_things_are_told(tmp_path: Path) -> None:
    assert len(errors(post(takes(tmp_path, {"items": {"type": "string"}}), list(range(1000))))) == 20


HOSTILE = {
    "depth": b"[" * 500_000 + b"]" * 500_000,
    "open depth": b"[" * 1_000_000,
    "many depths": b"[" + b",".join([b"[" * 900 + b"]" * 900] * 500) + b"]",
    "numbers": b"[" + b"1," * 500_000 + b"1]",
    "one number": b"9" * 1_000_000,
    "huge exponent": b"[1e999999999]",
    "names": b"{" + b",".join(b'"%d":1' % number for number in range(80_000)) + b"}",
    "one name": b"{" + b'"a":1,' * 150_000 + b'"a":1}',
    "no utf-8": b'["' + b"\xff" * 1_000_000 + b'"]',
    "half a character": b'["\\ud800"]',
    "backtracking": b'["' + b"a" * 1_000_000 + b'b"]',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused_in_bounded_time(tmp_path: Path, name: str) -> None:
    validation = takes(tmp_path, {"type": "array", "items": {"type": "string", "pattern": "^(a+)+$"}})
    began = time.process_time()
    assert post(validation, HOSTILE[name]).status == 400
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'[{"b":{"a:":1,"a:":"\\u003a:"}}]',
        b'{"a":"\\u003A","a":1}',
        b'{"\\\\u003a":1,"\\\\u003a":2}',
        b"[NaN]",
        b"[1,]",
        b'{"a":1}{"a":1}',
        b"\xef\xbb\xbf{}",
        b"",
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
    ],
)
def test_json_that_two_readers_could_read_as_two_is_none(raw: bytes) -> None:
    with pytest.raises(BadJSONError):
        read_json(raw)


@pytest.mark.parametrize(
    "raw",
    [b'{"a":":","b":"\\u003a"}', b'{"\\\\u003a":1}', b'["[[[[", "\\"[[["]', b"[" * DEEPEST + b"]" * DEEPEST],
)
def test_json_with_colons_and_brackets_in_its_texts_is_read(raw: bytes) -> None:
    assert read_json(raw) == json.loads(raw)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_VALUES, st.booleans())
def test_all_json_of_python_is_read_as_it_was_written(value: Any, escaped: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(_VALUES)
def test_a_member_that_stands_twice_is_found_wherever_it_is(value: Any) -> None:
    one = msgspec.json.encode(value)
    with pytest.raises(BadJSONError):
        read_json(b'[{"twice":%s,"x":[%s],"twice":1}]' % (one, one))


@pytest.mark.parametrize("coding", ["gzip", "GZIP"])
def test_a_packed_body_is_unpacked_no_further_than_it_may_be(tmp_path: Path, coding: str) -> None:
    validation = takes(tmp_path, {"type": "array", "maxItems": 1})
    assert post(validation, gzip.compress(b"[1]"), content_encoding=coding).status == 200
    assert post(validation, gzip.compress(b"[1,2]"), content_encoding=coding).status == 400
    assert post(validation, gzip.compress(b"[1]") + b"more", content_encoding=coding).status == 400
    assert post(validation, gzip.compress(b" " * 2_000_000), content_encoding=coding).status == 413
    assert post(validation, b"[1]", content_encoding="br").status == 415


FIELDS: Json = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "many": {"type": "array", "items": {"type": "integer"}}},
    "required": ["n"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"n=1", 200),
        (b"%6E=1&many=1&many=2", 200),
        (b"n=a", 400),
        (b"n=1&n=1", 400),
        (b"n=1&x=1", 400),
        (b"many=1", 400),
        (b"n=1&many=a", 400),
        (b"n=%zz", 400),
        (b"n=\xff", 400),
        (b"&" * 20_000, 400),
    ],
)
def test_a_form_is_read_by_its_schema(tmp_path: Path, body: bytes, status: int) -> None:
    validation = plugin(tmp_path, document({"/p": {"post": taking(FIELDS, FORM)}}))
    assert post(validation, body, FORM).status == status


def test_a_list_in_one_field_of_a_form_is_split_as_its_encoding_says(tmp_path: Path) -> None:
    described = taking(FIELDS, FORM)
    described["requestBody"]["content"][FORM]["encoding"] = {"many": {"style": "pipeDelimited", "explode": False}}
    validation = plugin(tmp_path, document({"/p": {"post": described}}))
    assert post(validation, b"n=1&many=1|2", FORM).status == 200
    assert post(validation, b"n=1&many=1,2", FORM).status == 400


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ("application/merge-patch+json", 200),
        ("application/json; charset=utf-16", 400),
        ("text/plain", 415),
        ("application/json, text/plain", 415),
        ("application/json; a=1; a=2", 415),
        ("json", 415),
        ("", 415),
    ],
)
def test_a_body_is_read_by_its_media_type(tmp_path: Path, sent: str, status: int) -> None:
    content: Json = {"application/json": {"schema": {}}, "application/*": {"schema": {"type": "array"}}}
    content["application/json"]["schema"] = {"type": "array"}
    validation = plugin(tmp_path, document({"/p": {"post": operation(requestBody={"content": content})}}))
    assert post(validation, [1], sent).status == status
    assert ask(validation, "POST", "/p", b"[1]").status == 415


def test_the_narrowest_range_has_a_media_type() -> None:
    ranges = [(media_type(one), one) for one in ("*/*", "text/*", "text/plain", "text/plain; v=2")]
    assert best(ranges, media_type("text/plain;v=2;charset=x")) == "text/plain; v=2"
    assert best(ranges, media_type('text/plain; v="3"')) == "text/plain"
    assert best(ranges, media_type("text/html")) == "text/*"
    assert best(ranges, media_type("image/png")) == "*/*"


def test_what_can_not_be_checked_is_refused_unless_it_has_no_schema_or_may_pass(tmp_path: Path) -> None:
    for media in ("application/xml", "multipart/form-data; boundary=x"):
        name = media.partition(";")[0]
        described = document({"/p": {"post": taking({"type": "object"}, name)}})
        assert post(plugin(tmp_path, described), b"<a/>", media).status == 415
        assert post(plugin(tmp_path, described, unchecked_bodies="pass"), b"<a/>", media).status == 200
        assert post(plugin(tmp_path, document({"/p": {"post": taking({}, name)}})), b"<a/>", media).status == 200


def test_text_is_checked_as_a_text_or_a_number(tmp_path: Path) -> None:
    validation = plugin(tmp_path, document({"/p": {"post": taking({"type": "integer"}, "text/plain")}}))
    assert post(validation, b"12", "text/plain").status == 200
    assert post(validation, b"a", "text/plain").status == 400
    assert post(validation, b"\xff", "text/plain").status == 400


def test_a_media_type_that_is_too_long_is_none() -> None:
    with pytest.raises(BadTextError):
        media_type("application/json" + ";" * 2000)
