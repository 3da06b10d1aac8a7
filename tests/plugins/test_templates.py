"""Values with references: what they become, and which are refused."""

import pytest

from outrider import Consumer, Request, Response, Route
from outrider_plugins.references import Seen
from outrider_plugins.templates import Place, compile_template


def request(**headers: str) -> Request:
    made = Request(
        "POST",
        "/orders/1?a=b&c",
        headers=headers,
        authority="Shop.example:8443",
        client="203.0.113.9",
        route=Route("orders", service="shop"),
    )
    made.id = "id-1"
    made.consumer = Consumer("c-1", username="alice", custom_id="4711")
    made.credential = "key-1"
    made.claims = {"sub": "alice", "realm": {"roles": ["a", "b"]}, "https://x.example/org": "blue", "admin": True}
    made.context = {"tries": 2, "ratio": 0.5, "nothing": None}
    return made


def text(template: str, place: Place = "header", message: Request | None = None) -> str:
    compiled = compile_template(template, place)
    return compiled if isinstance(compiled, str) else compiled(Seen(message or request()))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{request.method}", "POST"),
        ("{request.path}", "/orders/1"),
        ("{request.query}", "a=b&c"),
        ("{request.host}", "shop.example"),
        ("{request.id}", "id-1"),
        ("{request.client}", "203.0.113.9"),
        ("{consumer.username}", "alice"),
        ("{consumer.id}", "c-1"),
        ("{consumer.custom_id}", "4711"),
        ("{credential}", "key-1"),
        ("{claims.sub}", "alice"),
        ("{claims.realm.roles}", '["a","b"]'),
        ("{claims.https://x.example/org}", "blue"),
        ("{claims.admin}", "true"),
        ("{route.name}", "orders"),
        ("{service.name}", "shop"),
        ("{context.tries}", "2"),
        ("{context.ratio}", "0.5"),
    ],
)
def test_each_reference_stands_for_its_fact(template: str, expected: str) -> None:
    assert text(template) == expected


def test_a_header_is_named_in_any_case() -> None:
    assert text("{request.headers.X-Team}", message=Request(headers={"x-team": "blue"})) == "blue"


def test_text_and_references_mix() -> None:
    assert text("{consumer.username}@{service.name}, please") == "alice@shop, please"


def test_a_constant_stays_a_constant() -> None:
    assert compile_template("blue", "header") == "blue"
    assert compile_template("", "header") == ""


def test_doubled_braces_are_literal() -> None:
    assert text("{{{request.method}}} {{}}") == "{POST} {}"


@pytest.mark.parametrize(
    "reference",
    [
        "request.headers.x-absent",
        "consumer.username",
        "consumer.id",
        "consumer.custom_id",
        "credential",
        "claims.sub",
        "claims.a.b.c",
        "context.a",
        "service.name",
    ],
)
def test_what_is_absent_is_empty(reference: str) -> None:
    assert text(f"<{{{reference}}}>", message=Request()) == "<>"


def test_a_null_is_absent() -> None:
    assert text("{context.nothing}") == ""


def test_a_step_through_something_that_has_no_members_is_absent() -> None:
    assert text("{claims.sub.name}") == ""


@pytest.mark.parametrize("evil", ["\r\nx-admin: true", "\x00", "\x1b[2J", "\x7f", "\ud800"])
def test_nothing_that_ends_a_header_gets_into_one(evil: str) -> None:
    message = request()
    message.claims = {"sub": f"a{evil}b"}
    value = text("{claims.sub}", message=message)
    message.headers["x-sub"] = value
    assert value.startswith("a")
    assert not set(value) & {"\r", "\n", "\x00", "\x1b", "\x7f"}


def test_white_space_at_the_ends_does_not_go_into_a_header() -> None:
    message = request()
    message.claims = {"sub": " alice "}
    assert text(" {claims.sub}{claims.none} ", message=message) == "alice"


def test_raw_bytes_stay_as_they_are_in_a_header() -> None:
    message = Request(headers={"x-raw": "\udcff\udc80 grüße"})
    assert text("{request.headers.x-raw}", message=message) == "\udcff\udc80 grüße"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a b&c=d#e", "a%20b%26c%3Dd%23e"),
        ("\r\n\x00", ""),
        ("ü", "%C3%BC"),
        ("\udcff", "%FF"),
        ("../%2e", "..%2F%252e"),
    ],
)
def test_what_goes_into_a_query_is_percent_encoded(value: str, expected: str) -> None:
    message = request()
    message.claims = {"sub": value}
    assert text("{claims.sub}", "query", message) == expected


def test_a_constant_is_encoded_for_a_query_too() -> None:
    assert text("a b", "query") == "a%20b"


def test_a_reference_is_not_resolved_twice() -> None:
    message = request()
    message.claims = {"sub": "{credential}"}
    assert text("{claims.sub}", message=message) == "{credential}"


@pytest.mark.parametrize(
    ("template", "remedy"),
    [
        ("{consumer.name}", "{consumer.username}"),
        ("{requst.method}", "{request.method}"),
        ("{request.header.x-a}", "{request.headers.NAME}"),
        ("{request.headers.}", "{request.headers.NAME}"),
        ("{claim.sub}", "{claims."),
        ("{ credential }", "{credential}"),
    ],
)
def test_an_unknown_reference_names_the_nearest(template: str, remedy: str) -> None:
    with pytest.raises(ValueError, match="has an unknown reference: did you mean") as caught:
        compile_template(template, "header")
    assert remedy in str(caught.value)


@pytest.mark.parametrize("template", ["{", "}", "a{b", "a}b", "{request.method", "request.method}", "{a{b}"])
def test_a_stray_brace_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="write it twice"):
        compile_template(template, "header")


@pytest.mark.parametrize("template", ["a\nb", "a\x00", "{claims.a\rb}"])
def test_a_control_character_in_the_file_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        compile_template(template, "header")


def test_the_response_has_references_of_its_own() -> None:
    response = Response(503, headers={"x-served-by": "a"})
    template = compile_template("{response.status} {response.headers.x-served-by}", "header", on_response=True)
    assert not isinstance(template, str)
    assert template(Seen(request(), response)) == "503 a"


def test_there_is_no_response_in_the_request_phase() -> None:
    with pytest.raises(ValueError, match="which is not there yet"):
        compile_template("{response.status}", "header")


@pytest.mark.parametrize("text", ["$(headers.x)", "a $(query_params['b']) c", "$(uri_captures[1])"])
def test_a_template_of_kongs_is_a_mistake_that_names_ours(text: str) -> None:
    with pytest.raises(ValueError, match="has a template of Kong's"):
        compile_template(text, "header")


@pytest.mark.parametrize("text", ["{}", "{nope}"])
def test_what_is_near_to_no_reference_lists_them(text: str) -> None:
    with pytest.raises(ValueError, match=r"write \{\{ and \}\} for braces, or one of \{request\.method\}"):
        compile_template(text, "header")
