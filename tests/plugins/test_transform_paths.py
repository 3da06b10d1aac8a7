"""The path that request-transform gives upstream: nothing that is put in leads elsewhere."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from outrider import Plugin, Request
from outrider.paths import normal_path
from outrider.testing import Outcome, run
from outrider_plugins.request_transform import RequestTransform
from outrider_plugins.transforms.paths import PathChange, UnfitPathError


class Claim(Plugin):
    """Says what a token would."""

    priority = 1000
    claim: str | None

    def on_request(self, request: Request) -> None:
        request.claims = {"sub": self.claim}


def send(path: Any, target: str = "/", claim: str | None = None) -> Outcome:
    plugin = TypeAdapter(RequestTransform).validate_python({"path": path})
    outcome = run([Claim(claim=claim), plugin], Request(target=target))
    assert outcome.error is None
    return outcome


def upstream_path(path: Any, target: str = "/", claim: str | None = None) -> str | None:
    outcome = send(path, target, claim)
    assert outcome.upstream is not None, outcome.body
    assert outcome.upstream.path == target.partition("?")[0]
    return outcome.upstream.upstream_path


@pytest.mark.parametrize(
    ("claim", "path"),
    [
        ("alice", "/users/alice/orders"),
        ("a b", "/users/a%20b/orders"),
        ("a/b?c#d;e", "/users/a%2Fb%3Fc%23d%3Be/orders"),
        ("%2e%2e", "/users/%252e%252e/orders"),
        ("ü", "/users/%C3%BC/orders"),
        ("...", "/users/.../orders"),
        ("a\r\n", "/users/a/orders"),
    ],
)
def test_what_is_put_in_is_one_segment(claim: str, path: str) -> None:
    assert upstream_path("/users/{claims.sub}/orders", claim=claim) == path


@pytest.mark.parametrize("claim", [None, "", ".", "..", "../admin", "a/../../b", "..\\admin", "..;x", "./", "\n"])
def test_a_value_that_is_absent_or_leads_elsewhere_is_refused(claim: str | None) -> None:
    assert send("/users/{claims.sub}/orders", claim=claim).status == 400


def test_dots_that_only_together_lead_elsewhere_are_refused() -> None:
    assert send("/a/.{claims.sub}/b", claim=".").status == 400
    assert send("/a/{claims.sub}.", claim=".").status == 400


ORDERS = {"match": "/v1/(?P<kind>[^/]+)/(.*)", "to": "/{path.kind}/v2/{path.2}"}


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/v1/orders/a/b?c=d", "/orders/v2/a/b"),
        ("/v1/orders/%2F%20;x", "/orders/v2/%2F%20;x"),
        ("/v1/orders/", "/orders/v2/"),
        ("/v1/orders", None),
        ("/x/v1/orders/a", None),
        ("/v1//a", None),
    ],
)
def test_a_regular_expression_describes_the_whole_path_or_leaves_it(target: str, path: str | None) -> None:
    assert upstream_path(ORDERS, target) == path


@pytest.mark.parametrize("rest", ["..%2fx", "%5c..%5c", "..%5Cx", "a%2f%2e%2e"])
def test_a_piece_of_the_path_does_not_climb(rest: str) -> None:
    assert send(ORDERS, f"/v1/orders/{rest}").status == 400


@pytest.mark.parametrize("target", ["/%761/orders/a", "//v1/orders/a", "/x/../v1/orders/a", "/./v1//orders/a"])
@pytest.mark.parametrize("more", ["", "/b/..", "/%2e"])
def test_no_spelling_of_a_path_gets_past_its_expression(target: str, more: str) -> None:
    path = upstream_path(ORDERS, target + more)
    assert path is not None
    assert path.startswith("/orders/v2/a")


@pytest.mark.parametrize("path", ["/t/a/\udcff", "/t/a/%FF", "/t/a/%c3"])
def test_what_is_no_text_matches_nothing_and_is_refused(path: str) -> None:
    assert send({"match": "/t/[^/]+/(.*)", "to": "/t/mine/{path.1}"}, path).status == 400


def test_a_group_that_took_no_part_is_empty() -> None:
    path = {"match": "/a(/b)?(/c)?", "to": "/x{path.1}{path.2}"}
    assert upstream_path(path, "/a/c") == "/x/c"
    assert upstream_path(path, "/a") == "/x"


def test_a_whole_path_can_go_behind_another() -> None:
    assert upstream_path("/v2{request.path}", "/a/%2Fb") == "/v2/a/%2Fb"
    assert upstream_path({"match": "(.*)", "to": "{path.1}/x"}, "/a") == "/a/x"
    assert upstream_path({"match": "/(.)(.*)", "to": "/x/{path.1}"}, "/ü") == "/x/%C3%BC"


def test_an_expression_that_other_engines_take_for_ever_for_takes_no_time() -> None:
    assert upstream_path({"match": "/(a+)+b", "to": "/x"}, "/" + "a" * 50_000) is None


@settings(deadline=None)
@given(claim=st.text(min_size=1, max_size=8) | st.text("./\\%2eE;a", min_size=1, max_size=8))
def test_no_value_leads_out_of_its_place(claim: str) -> None:
    request = Request()
    request.claims = {"sub": claim}
    try:
        PathChange("/users/{claims.sub}/orders").change(request)
    except UnfitPathError:
        return
    path = request.upstream_path or ""
    assert path.count("/") == 3
    assert normal_path(path).startswith("/users/")
    assert normal_path(path).endswith("/orders")


def test_without_its_extra_a_regular_expression_is_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "re2", None)
    with pytest.raises(ValueError, match=r"install outrider\[regex\]"):
        TypeAdapter(RequestTransform).validate_python({"path": ORDERS})
    TypeAdapter(RequestTransform).validate_python({"path": "/a"})
