"""request-transform on bodies: what upstream gets in place of the JSON or the form that downstream sent."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from outrider import Consumer, Plugin, Request
from outrider.testing import Outcome, Runner, run
from outrider_plugins.request_transform import RequestTransform


class AsAlice(Plugin):
    """Says who calls, as an auth plugin would."""

    priority = 1000

    def on_request(self, request: Request) -> None:
        request.consumer = Consumer("c-1", username="alice")
        request.claims = {"sub": "a&b\r\nx-admin: true", "realm": {"roles": ["a"]}}


def body(config: dict[str, Any], sent: bytes, *headers: tuple[str, str]) -> bytes:
    kind = [] if dict(headers).get("content-type") else [("content-type", "application/json")]
    plugin = TypeAdapter(RequestTransform).validate_python(config)
    outcome = run([AsAlice(), plugin], Request("POST", headers=[*kind, *headers]), sent)
    assert outcome.upstream is not None, outcome.body
    return outcome.upstream_body


def test_json_keeps_the_types_of_what_is_put_in() -> None:
    values = {
        "/who": "{consumer.username}",
        "/claims": "{claims.realm}",
        "/none": "{context.none}",
        "/text": "{claims.realm}: {context.none}",
        "/raw": "{request.headers.x-raw}",
        "/tree": {"n": 1.5, "l": [True, None, "{{{request.method}}}\n"]},
        "/claims/more": 1,
    }
    sent = body({"add": {"json": values}}, b"{}", ("x-raw", "\udcff"))
    assert json.loads(sent) == {
        "who": "alice",
        "claims": {"roles": ["a"], "more": 1},
        "none": None,
        "text": '{"roles":["a"]}: ',
        "raw": "\ufffd",
        "tree": {"n": 1.5, "l": [True, None, "{POST}\n"]},
    }


def test_the_claims_of_one_request_and_the_values_of_the_next_stay_as_they_are() -> None:
    config: dict[str, Any] = {
        "add": {"json": {"/c": "{claims.realm}", "/t": {}}},
        "append": {"json": {"/c/roles": "x", "/t/l": 1}},
    }
    plugin = TypeAdapter(RequestTransform).validate_python(config)

    async def twice() -> list[Outcome]:
        request = [Request("POST", headers={"content-type": "application/json"}) for _ in "12"]
        async with Runner([AsAlice(), plugin]) as runner:
            return [await runner.send(one, b"{}") for one in request]

    for outcome in asyncio.run(twice()):
        assert outcome.upstream_body == b'{"c":{"roles":["a","x"]},"t":{"l":[1]}}'
        assert outcome.upstream is not None
        assert outcome.upstream.claims["realm"] == {"roles": ["a"]}


def test_the_operations_on_json_act_in_their_order() -> None:
    config = {
        "append": {"json": {"/c": 3}},
        "add": {"json": {"/a": "added", "/b": "not added", "/x/y": 1}},
        "replace": {"json": {"/b": "replaced", "/absent": 1}},
        "rename": {"json": {"/a": "/b"}},
        "remove": {"json": ["/c"]},
    }
    assert json.loads(body(config, b'{"a":1,"c":2}')) == {"a": "added", "b": "replaced", "x": {"y": 1}, "c": [3]}


@pytest.mark.parametrize("sent", ["application/json", "text/plain", None])
def test_a_body_of_its_own_takes_the_place_of_any(sent: str | None) -> None:
    request = Request("POST", headers={"content-type": sent, "content-encoding": "br", "digest": "x"} if sent else {})
    plugin = TypeAdapter(RequestTransform).validate_python({"body": {"who": "{consumer.username}", "all": [1]}})
    outcome = run([AsAlice(), plugin], request, b"not read")
    assert outcome.upstream_body == b'{"who":"alice","all":[1]}'
    assert outcome.upstream is not None
    assert dict(outcome.upstream.headers) == {"content-type": "application/json"}


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("config", "sent", "expected"),
    [
        ({"remove": ["ü"]}, b"%C3%BC=1&\xc3\xbc=2&b=%zz&&c==+", b"b=%zz&&c==+"),
        ({"rename": {"a": "b c"}}, b"a=%20&b+c=1", b"b%20c=%20"),
        ({"replace": {"a": "{consumer.username}&"}}, b"a=1&a=2", b"a=alice%26"),
        ({"add": {"a": "ü"}}, b"", b""),
        ({"add": {"a": "ü"}}, b"b", b"b&a=%C3%BC"),
        ({"append": {"b": "2"}}, b"b=1&x=\xff", b"b=1&x=\xff&b=2"),
        ({"remove": ["a"]}, b"b=%zz&&c==+\xff", b"b=%zz&&c==+\xff"),
    ],
)
def test_a_form_changes_as_a_query_does(config: dict[str, Any], sent: bytes, expected: bytes) -> None:
    changes = {field: {"form": change} for field, change in config.items()}
    assert body(changes, sent, ("content-type", FORM)) == expected


def test_a_form_in_another_charset_keeps_it() -> None:
    config = {"add": {"form": {"b": "ü€"}}, "remove": {"form": ["ö"]}}
    sent = body(config, b"a=%FC&%F6=1", ("content-type", f"{FORM}; charset=iso-8859-1"))
    assert sent == b"a=%FC&b=%FC%26%238364%3B"


@pytest.mark.parametrize(
    ("sent", "charset", "status"), [(b"&" * 10_000, "utf-8", 400), (b"a", "utf-16", 400), (b"a", "koi8-r", 415)]
)
def test_a_form_that_cannot_be_read_is_refused(sent: bytes, charset: str, status: int) -> None:
    plugin = TypeAdapter(RequestTransform).validate_python({"add": {"form": {"a": "1"}}})
    request = Request("POST", headers={"content-type": f"{FORM}; charset={charset}"})
    assert run(plugin, request, sent).status == status


def test_json_and_forms_are_each_changed_by_their_own() -> None:
    config = {"add": {"json": {"/a": 1}, "form": {"a": "2"}}}
    assert body(config, b"{}") == b'{"a":1}'
    assert body(config, b"b", ("content-type", FORM)) == b"b&a=2"


def test_a_request_that_is_refused_by_its_body_is_refused_whole() -> None:
    plugin = TypeAdapter(RequestTransform).validate_python({"add": {"json": {"/a": 1}}, "path": "/x"})
    outcome = run(plugin, Request("POST", headers={"content-type": "application/json"}), b"{")
    assert (outcome.status, outcome.upstream) == (400, None)
    assert b"no JSON that can be read in one way only" in outcome.body
