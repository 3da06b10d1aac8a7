import pytest

from outrider import Headers, Request
from outrider.authority import split_authority
from outrider.errors import ReplyError, UndeclaredError
from outrider.narrow_request import NarrowRequest
from outrider.needs import Needs


@pytest.mark.parametrize(
    ("authority", "host", "port"),
    [
        ("Example.COM", "example.com", None),
        ("example.com:8080", "example.com", 8080),
        ("[::1]:80", "::1", 80),
        ("[::1]", "::1", None),
        ("", "", None),
        ("a:b", "a", None),
        ("a:٣", "a", None),
    ],
)
def test_host_and_port_are_apart(authority: str, host: str, port: int | None) -> None:
    assert split_authority(authority) == (host, port)


def test_path_and_query_are_raw() -> None:
    request = Request("GET", "/a%20b//c?x=1&y=%zz")
    assert (request.path, request.query, request.target) == ("/a%20b//c", "x=1&y=%zz", "/a%20b//c?x=1&y=%zz")
    assert request.normal_path == "/a%20b/c"


def test_a_new_query_changes_the_target() -> None:
    request = Request("GET", "/a?x=1")
    assert not request.line_changed
    request.query = ""
    assert request.line_changed
    assert request.target == "/a"


@pytest.mark.parametrize("query", ["a b", "a#b", "a\r\nb", "ä"])
def test_a_query_that_is_not_encoded_is_refused(query: str) -> None:
    with pytest.raises(ReplyError, match="percent-encoded"):
        Request("GET", "/a").query = query


def test_what_downstream_sent_raw_may_stay_in_the_query() -> None:
    request = Request("GET", "/a?key=1&name=ä")
    request.query = "name=ä"
    assert request.target == "/a?name=ä"


def test_a_well_formed_request_id_is_taken_over() -> None:
    assert Request("GET", "/", headers={"x-request-id": "abc-1"}).id == "abc-1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, '"', "a,b"])
def test_any_other_request_id_is_replaced(given: str) -> None:
    request = Request("GET", "/", headers={"x-request-id": given})
    assert len(request.id) == 36
    assert request.id == request.id


def test_reply_headers_must_be_declared() -> None:
    request = Request("GET", "/")
    request.declare_reply_headers(frozenset({"x-a"}))
    request.reply_headers["X-A"] = "1"
    with pytest.raises(UndeclaredError, match=r"Needs\(reply_headers=\('x-b',\)\)"):
        request.reply_headers["x-b"] = "1"
    with pytest.raises(UndeclaredError, match=r"Needs\(reply_headers=\('x-b',\)\)"):
        request.reply_headers.put(Headers({"x-a": "2", "x-b": "1"}))
    assert request.reply_changes() == [("x-a", ["1"])]


def test_a_narrowed_request_hides_what_was_not_declared() -> None:
    whole = Request("POST", "/a?b=c", headers={"x": "y"}, client="10.0.0.1")
    narrow = NarrowRequest(whole, Needs(facts=frozenset({"headers"})).hidden())
    assert narrow.headers["x"] == "y"
    narrow.headers["z"] = "1"
    narrow.context["k"] = 1
    assert whole.headers["z"] == "1"
    assert whole.context == {"k": 1}
    for name, fact in (
        ("method", "method"),
        ("path", "path"),
        ("query", "path"),
        ("host", "host"),
        ("client", "client"),
    ):
        with pytest.raises(UndeclaredError, match=f"needs the fact '{fact}'"):
            getattr(narrow, name)


def test_a_narrowed_request_sets_on_the_whole_one() -> None:
    whole = Request("POST", "/a")
    NarrowRequest(whole, {}).credential = "c"
    assert whole.credential == "c"


def test_restore_undoes_everything_that_a_hook_can_change() -> None:
    request = Request("GET", "/a?x=1", headers={"a": "1"})
    request.declare_reply_headers(frozenset({"x-a"}))
    request.context["list"] = [1]
    before = request.snapshot()
    request.headers["a"] = "2"
    request.query = "y=2"
    request.reply_headers["x-a"] = "1"
    request.context["list"].append(2)
    request.credential, request.claims, request.id = "c", {"sub": "x"}, "other"
    request.restore(before)
    assert request.headers["a"] == "1"
    assert request.query == "x=1"
    assert not request.line_changed
    assert request.reply_changes() == []
    assert request.context == {"list": [1]}
    assert request.credential is None
    assert not request.claims
    assert request.id != "other"


def test_no_header_value_is_in_its_repr() -> None:
    assert "secret" not in repr(Request("GET", "/a?key=secret", headers={"authorization": "secret"}))
