"""request-transform: what upstream gets in place of what downstream sent."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from outrider import Consumer, Plugin, Request
from outrider.testing import run
from outrider_plugins.request_transform import RequestTransform


class AsAlice(Plugin):
    """Says who calls, as an auth plugin would."""

    priority = 1000

    def on_request(self, request: Request) -> None:
        request.consumer = Consumer("c-1", username="alice")
        request.claims = {"sub": "a&b\r\nx-admin: true"}


def transform(config: dict[str, Any], request: Request) -> Request:
    plugin = TypeAdapter(RequestTransform).validate_python(config)
    outcome = run([AsAlice(), plugin], request)
    assert outcome.upstream is not None, outcome.body
    return outcome.upstream


def headers(config: dict[str, Any], *sent: tuple[str, str]) -> list[tuple[str, str]]:
    changes = {field: {"headers": change} for field, change in config.items()}
    return sorted(transform(changes, Request(headers=sent)).headers.fields())


def query(config: dict[str, Any], sent: str) -> str:
    changes = {field: {"query": change} for field, change in config.items()}
    return transform(changes, Request(target=f"/?{sent}")).query


def test_remove_takes_out_every_field_of_the_name_in_any_case() -> None:
    assert headers({"remove": ["X-A", "x-absent"]}, ("x-a", "1"), ("x-a", "2"), ("x-b", "3")) == [("x-b", "3")]


def test_rename_keeps_the_values() -> None:
    assert headers({"rename": {"x-a": "x-b"}}, ("x-a", "1"), ("x-a", "2")) == [("x-b", "1"), ("x-b", "2")]


def test_rename_does_not_let_downstream_forge_the_new_name() -> None:
    assert headers({"rename": {"x-a": "x-b"}}, ("x-a", "1"), ("x-b", "forged")) == [("x-b", "1")]


def test_rename_does_nothing_where_the_old_name_is_absent() -> None:
    assert headers({"rename": {"x-a": "x-b"}}, ("x-b", "2")) == [("x-b", "2")]


def test_rename_to_itself_changes_nothing() -> None:
    assert headers({"rename": {"x-a": "X-A"}}, ("x-a", "1")) == [("x-a", "1")]


def test_replace_acts_only_where_the_name_is_present() -> None:
    assert headers({"replace": {"x-a": "new", "x-b": "new"}}, ("x-a", "1"), ("x-a", "2")) == [("x-a", "new")]


def test_add_acts_only_where_the_name_is_absent() -> None:
    assert headers({"add": {"x-a": "new", "x-b": "new"}}, ("x-a", "1")) == [("x-a", "1"), ("x-b", "new")]


def test_append_acts_always() -> None:
    assert headers({"append": {"x-a": "2", "x-b": "3"}}, ("x-a", "1")) == [("x-a", "1"), ("x-a", "2"), ("x-b", "3")]


def test_the_fields_act_in_their_order() -> None:
    config = {
        "append": {"x-c": "appended"},
        "add": {"x-a": "added", "x-b": "not added"},
        "replace": {"x-b": "replaced"},
        "rename": {"x-a": "x-b"},
        "remove": ["x-c"],
    }
    assert headers(config, ("x-a", "1"), ("x-c", "removed")) == [
        ("x-a", "added"),
        ("x-b", "replaced"),
        ("x-c", "appended"),
    ]


def test_references_stand_for_the_request_as_it_was_before() -> None:
    config = {"remove": ["x-a"], "add": {"x-b": "{request.headers.x-a}", "x-who": "{consumer.username}"}}
    assert headers(config, ("x-a", "1")) == [("x-b", "1"), ("x-who", "alice")]


def test_a_header_can_move_into_the_query_and_back() -> None:
    config = {
        "remove": {"headers": ["x-a"], "query": ["b"]},
        "add": {"headers": {"x-b": "{request.query}"}, "query": {"a": "{request.headers.x-a}"}},
    }
    sent = transform(config, Request(target="/?b=2", headers={"x-a": "1 &"}))
    assert (sent.query, sent.headers["x-b"]) == ("a=1%20%26", "b=2")


def test_a_value_cannot_begin_another_header_or_parameter() -> None:
    config = {"add": {"headers": {"x-sub": "{claims.sub}"}, "query": {"sub": "{claims.sub}"}}}
    sent = transform(config, Request())
    assert list(sent.headers.fields()) == [("x-sub", "a&bx-admin: true")]
    assert sent.query == "sub=a%26bx-admin%3A%20true"


@pytest.mark.parametrize(
    ("config", "sent", "expected"),
    [
        ({"remove": ["a"]}, "a=1&b=2&a&%61=3", "b=2"),
        ({"remove": ["a"]}, "a=1", ""),
        ({"remove": ["ü x"]}, "%C3%BC+x=1&b", "b"),
        ({"rename": {"a": "b"}}, "a=1&b=2&a&c=%zz", "b=1&b&c=%zz"),
        ({"rename": {"a": "b"}}, "b=2", "b=2"),
        ({"rename": {"a": "b c"}}, "a=1", "b%20c=1"),
        ({"rename": {"a": "a"}}, "a=1&a=2", "a=1&a=2"),
        ({"replace": {"a": "x y", "b": "1"}}, "c=0&a=1&d&a=2", "c=0&a=x%20y&d"),
        ({"add": {"a": "x", "b": "&"}}, "a=1", "a=1&b=%26"),
        ({"add": {"a": "x"}}, "a", "a"),
        ({"add": {"a b": "x"}}, "", "a%20b=x"),
        ({"append": {"a": "x"}}, "a=1", "a=1&a=x"),
        ({"remove": ["a"]}, "b=%zz&&c==+", "b=%zz&&c==+"),
        (
            {"remove": ["a"], "rename": {"b": "a"}, "replace": {"a": "2"}, "add": {"b": "3"}, "append": {"a": "4"}},
            "a=0&b=1",
            "a=2&b=3&a=4",
        ),
    ],
)
def test_the_query_changes_in_the_same_way_and_what_is_not_touched_stays_as_sent(
    config: dict[str, Any], sent: str, expected: str
) -> None:
    assert query(config, sent) == expected


def test_a_query_that_stays_the_same_is_not_set() -> None:
    assert not transform({"remove": {"query": ["a"]}}, Request(target="/?b=%zz")).line_changed


def test_the_path_stays_as_sent_where_none_is_configured() -> None:
    sent = transform({"remove": {"query": ["a"]}}, Request(target="//x/%2e?a=1"))
    assert (sent.target, sent.upstream_path) == ("//x/%2e", None)


def test_the_method_changes_but_for_one_whose_answer_has_another_form() -> None:
    assert transform({"method": "PUT"}, Request("POST")).upstream_method == "PUT"
    assert transform({"method": "PUT"}, Request("HEAD")).upstream_method is None


@pytest.mark.parametrize(
    ("config", "facts", "reads_body", "rewrites"),
    [
        ({}, "", False, ""),
        ({"add": {"headers": {"x-a": "{consumer.id}"}}}, "headers", False, ""),
        ({"add": {"query": {"a": "{request.client}{request.host}"}}}, "client host path", False, ""),
        ({"method": "PUT"}, "method", False, "method"),
        ({"path": "/a/{request.query.b}"}, "path", False, "path"),
        ({"path": "/a/{claims.sub}"}, "", False, "path"),
        ({"path": {"match": "/(.*)", "to": "/x"}}, "path", False, "path"),
        ({"body": "{request.method}"}, "headers method", True, "body"),
        ({"remove": {"form": ["a"]}}, "headers", True, "body"),
        ({"remove": {"json": ["/a"]}}, "headers", True, "body"),
    ],
)
def test_it_asks_for_no_more_than_it_needs(
    config: dict[str, Any], facts: str, reads_body: bool, rewrites: str
) -> None:
    plugin = TypeAdapter(RequestTransform).validate_python(config)
    needs = plugin.needs()
    assert (" ".join(sorted(needs.facts)), " ".join(needs.rewrites)) == (facts, rewrites)
    assert plugin.hooks() == ({"on_request", "on_request_body"} if reads_body else {"on_request"})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"add": {"headers": {"x-a": "{consumer.name}"}}}, "did you mean {consumer.username}"),
        ({"add": {"query": {"a": "{"}}}, "write it twice"),
        ({"add": {"headers": {"x-a": "{response.status}"}}}, "use response-transform"),
        ({"add": {"headers": {"x-a": "a\nb"}}}, "control character"),
        ({"add": {"headers": {"x a": "b"}}}, "no header name"),
        ({"remove": {"headers": ["host"]}}, "belongs to the gateway"),
        ({"rename": {"headers": {"x-a": "content-length"}}}, "belongs to the gateway"),
        ({"remove": {"body": ["/a"]}}, "Unexpected keyword"),
        ({"remove": {"json": ["a"]}}, "no JSON pointer"),
        ({"rename": {"json": {"/a": "/a/b"}}}, "into itself"),
        ({"add": {"json": {"/a": [{"b": "{consumer.name}"}]}}}, "did you mean {consumer.username}"),
        ({"add": {"json": {"/a": float("inf")}}}, "a number that JSON has not"),
        ({"add": {"form": {"a": "{response.status}"}}}, "use response-transform"),
        ({"body": {"a": "{"}}, "write it twice"),
        ({"body": {}, "add": {"form": {"a": "b"}}}, "keep one of them"),
        ({"body": {}, "remove": {"json": ["/a"]}}, "keep one of them"),
        ({"method": "HEAD"}, "no method that a request can become"),
        ({"method": "get"}, "no method that a request can become"),
        ({"path": "a"}, "is no path"),
        ({"path": "//a"}, "is no path"),
        ({"path": "/a?b"}, "is no path"),
        ({"path": "/a/../{consumer.id}"}, "is no path"),
        ({"path": "/{path.1}"}, "unknown reference"),
        ({"path": {"match": "/(a)", "to": "/{path.2}"}}, "did you mean {path.1}"),
        ({"path": {"match": "(", "to": "/"}}, "no regular expression"),
        ({"path": {"match": "(?:(?:a{1000}){1000}){1000}", "to": "/"}}, "no regular expression"),
        ({"path": {"match": "/(a)"}}, "Field required"),
        ({"max_body": 10_000_001}, "less than or equal to 10000000"),
        ({"add": {"headers": {"x-a": 1}}}, "valid string"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_in_a_sentence(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(RequestTransform).validate_python(config)
    assert words in str(caught.value)
