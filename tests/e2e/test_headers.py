"""What a plugin does to headers and query, as upstream and downstream see it."""

import re

import pytest

from harness.http1 import Message
from harness.outrider import Outrider
from harness.upstream import Answer, Upstream

RESPONSES = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])  # ext_authz sees none
NOT_UTF_8 = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])  # ext_authz sets UTF-8 alone
IDENTITY = [
    "x-consumer-id",
    "x-consumer-custom-id",
    "x-consumer-username",
    "x-consumer-groups",
    "x-authenticated-groups",
    "x-credential-identifier",
    "x-anonymous-consumer",
    "x-user",
    "x-role",
]


def scripted(gateway: Outrider, script: str, *headers: tuple[str, str], path: str = "/script") -> None:
    assert gateway.request(path, ("x-script", script), *headers).status == 200


def values(message: Message, name: str) -> list[str]:
    """Every value of a header, whether on lines of their own or joined (RFC 9110, section 5.3)."""
    return [value for line in message.all(name) for value in re.split(", ?", line)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", ["given"]),
        ("set x-a one", ["one"]),
        ("append x-a one", ["given", "one"]),
        ("append x-a one; append x-a two", ["given", "one", "two"]),
        ("set x-a one; append x-a two", ["one", "two"]),
        ("append x-a one; set x-a two", ["two"]),
        ("remove x-a", []),
        ("remove x-a; set x-a one", ["one"]),
        ("remove x-a; append x-a one; append x-a two", ["one", "two"]),
        ("set x-a one; remove x-a", []),
        ("set X-A One", ["One"]),
        ("set x-a ", [""]),
        ("wait 0.01; set x-a one", ["one"]),
    ],
)
def test_upstream_sees_the_final_state_of_a_header(
    gateway: Outrider, upstream: Upstream, script: str, expected: list[str]
) -> None:
    scripted(gateway, script, ("x-a", "given"))
    assert values(upstream.request, "x-a") == expected


def test_removal_takes_every_field_of_a_name(gateway: Outrider, upstream: Upstream) -> None:
    scripted(gateway, "remove x-a", ("x-a", "one"), ("X-A", "two"))
    assert upstream.request.all("x-a") == []


def test_fields_that_nobody_touched_stay_as_they_were(gateway: Outrider, upstream: Upstream) -> None:
    scripted(gateway, "set x-b new", ("x-a", "one"), ("x-a", "two, three"), ("cookie", "a=1; b=2"))
    assert upstream.request.all("x-a") == ["one", "two, three"]
    assert upstream.request.get("cookie") == "a=1; b=2"


@NOT_UTF_8
def test_bytes_that_are_not_utf_8_reach_upstream_as_they_were(gateway: Outrider, upstream: Upstream) -> None:
    scripted(gateway, "append x-a caf\xe9\xff", ("x-a", "\xfc"), ("x-untouched", "\x80\xfe"))
    assert values(upstream.request, "x-a") == ["\xfc", "caf\xe9\xff"]
    assert upstream.request.get("x-untouched") == "\x80\xfe"


def test_text_beyond_ascii_reaches_upstream_as_utf_8(gateway: Outrider, upstream: Upstream) -> None:
    scripted(gateway, "set x-a " + "grün €".encode().decode("latin-1"))
    assert (upstream.request.get("x-a") or "").encode("latin-1").decode() == "grün €"


@pytest.mark.parametrize(
    ("sent", "query", "seen"),
    [
        ("/script", "a=1", "/script?a=1"),
        ("/script?b=2", "a=1", "/script?a=1"),
        ("/script?b=2", "", "/script"),
        ("/script?b=2", "a=%2F%zz&&c", "/script?a=%2F%zz&&c"),
        ("/script/x%20y?b", "q", "/script/x%20y?q"),
    ],
)
def test_upstream_sees_the_new_query_byte_for_byte(
    gateway: Outrider, upstream: Upstream, sent: str, query: str, seen: str
) -> None:
    scripted(gateway, f"query {query}", path=sent)
    assert upstream.request.path == seen


@pytest.mark.parametrize("path", ["/script?", '/script?a=%zz&&b;c="d"', "/script?a=/../b", "/script?%00"])
def test_a_query_that_nobody_touched_stays_as_it_was(gateway: Outrider, upstream: Upstream, path: str) -> None:
    scripted(gateway, "set x-a one", path=path)
    assert upstream.request.path == path


@RESPONSES
def test_a_cookie_that_a_plugin_sets_stands_beside_upstreams(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(headers=[("set-cookie", "a=1"), ("set-cookie", "b=2, 3")])
    script = "append set-cookie c=3; append set-cookie d=4"
    assert gateway.request("/replies", ("x-response-script", script)).all("set-cookie") == [
        "a=1",
        "b=2, 3",
        "c=3",
        "d=4",
    ]


@RESPONSES
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("set x-a one", ["one"]),
        ("append x-a one", ["up", "one"]),
        ("remove x-a", []),
        ("set x-a one; append x-a two", ["one", "two"]),
        ("set x-a caf\xe9", ["caf\xe9"]),
    ],
)
def test_downstream_sees_the_final_state_of_a_header(
    gateway: Outrider, upstream: Upstream, script: str, expected: list[str]
) -> None:
    upstream.answer = Answer(headers=[("x-a", "up")])
    assert values(gateway.request("/replies", ("x-response-script", script)), "x-a") == expected


@RESPONSES
def test_a_response_hook_can_change_the_status_alone(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(200, chunks=[b"the body"])
    response = gateway.request("/replies", ("x-response-script", "status 404"))
    assert (response.status, response.body) == (404, b"the body")


def test_a_reply_header_is_there_when_upstream_answers_and_replaces_its_own(
    gateway: Outrider, upstream: Upstream
) -> None:
    upstream.answer = Answer(headers=[("x-echoed", "upstream's")])
    assert gateway.request("/script", ("x-echo", "ours")).all("x-echoed") == ["ours"]


def test_a_reply_header_is_there_when_upstream_is_down(gateway: Outrider, upstream: Upstream) -> None:
    upstream.answer = Answer(503)
    assert gateway.request("/script", ("x-echo", "ours")).all("x-echoed") == ["ours"]


@pytest.mark.parametrize("route", ["/open", "/script", "/guests"])
@pytest.mark.parametrize("name", IDENTITY)
def test_identity_headers_from_downstream_never_reach_upstream(
    gateway: Outrider, upstream: Upstream, route: str, name: str
) -> None:
    spoofed = [(name, "spoofed"), (name.title(), "spoofed"), (name.upper(), "spoofed")]
    assert gateway.request(route, *spoofed).status == 200
    assert "spoofed" not in str(upstream.request.headers)


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
@pytest.mark.parametrize("route", ["/open", "/script", "/orders"])
@pytest.mark.parametrize("name", ["X_Consumer_Id", "x-consumer_username", "anything_else"])
def test_header_names_with_an_underscore_are_refused(
    gateway: Outrider, upstream: Upstream, route: str, name: str
) -> None:
    assert gateway.request(route, (name, "spoofed"), ("x-api-key", "alice-key")).status == 400
    assert not upstream.requests


@pytest.mark.parametrize("protocol", ["kong"])
@pytest.mark.parametrize("route", ["/open", "/script", "/orders"])
def test_kong_passes_a_name_with_an_underscore_unless_it_stands_for_an_identity_header(
    gateway: Outrider, upstream: Upstream, route: str
) -> None:
    underscored = [(name.replace("-", "_"), "spoofed") for name in IDENTITY] + [("x-consumer_username", "spoofed")]
    assert gateway.request(route, *underscored, ("any_thing", "else"), ("x-api-key", "alice-key")).status == 200
    assert "spoofed" not in str(upstream.request.headers)
    assert upstream.request.get("any_thing") == "else"


def test_a_request_can_not_name_its_own_route(gateway: Outrider, upstream: Upstream) -> None:
    assert gateway.request("/orders", ("outrider-route", "open")).status == 401
    assert not upstream.requests
