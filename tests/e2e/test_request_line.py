"""The method and the path that a plugin gives a request, as upstream sees them."""

import pytest

from harness.outrider import Outrider
from harness.upstream import Upstream

SERVICES = [("below", "/base"), ("below-slash", "/base"), ("below-nothing", "")]
OURS = "/new/x%20y"


def scripted(gateway: Outrider, path: str, script: str, method: str = "GET", body: bytes = b"") -> int:
    return gateway.request(path, ("x-script", script), method=method, body=body).status


@pytest.mark.parametrize(("name", "base"), SERVICES)
@pytest.mark.parametrize("route", ["{}", "{}/given", "{}-12/given", "kept-{}", "kept-{}/given"])
@pytest.mark.parametrize(("query", "seen"), [("", ""), ("?a=1", "?a=1")])
def test_a_path_stands_below_the_services_own_whatever_the_route_takes_off(
    gateway: Outrider, upstream: Upstream, name: str, base: str, route: str, query: str, seen: str
) -> None:
    sent = f"/{route.format(name)}"
    assert scripted(gateway, sent + query, f"path {OURS}") == 200
    assert upstream.request.path == base + OURS + seen
    assert upstream.request.get("x-forwarded-path") == sent


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("/below/given", "/base/given"),
        ("/below-slash/given?a", "/base/given?a"),
        ("/below-nothing/given", "/given"),
        ("/below-nothing-12/given", "/given"),
        ("/kept-below/given", "/base/kept-below/given"),
        ("/kept-below-nothing/given", "/kept-below-nothing/given"),
    ],
)
def test_a_path_that_no_plugin_gave_is_the_gateways_own(
    gateway: Outrider, upstream: Upstream, sent: str, seen: str
) -> None:
    assert scripted(gateway, sent, "set x-a one") == 200
    assert upstream.request.path == seen


def test_path_and_query_change_together(gateway: Outrider, upstream: Upstream) -> None:
    assert scripted(gateway, "/below/given?a=1", "query b=2; path /new") == 200
    assert upstream.request.path == "/base/new?b=2"


def test_a_slash_more_from_downstream_is_no_word_of_a_plugin(gateway: Outrider, upstream: Upstream) -> None:
    assert scripted(gateway, "//below-nothing//given", "set x-a one") == 200
    assert upstream.request.path.replace("//", "/") == "/given"


@pytest.mark.parametrize(("given", "new"), [("GET", "POST"), ("POST", "PUT"), ("POST", "GET"), ("DELETE", "PATCH")])
def test_upstream_gets_the_method_that_a_plugin_gave(
    gateway: Outrider, upstream: Upstream, given: str, new: str
) -> None:
    body = b"a body" if given == "POST" else b""
    assert scripted(gateway, "/script", f"method {new}", given, body) == 200
    assert (upstream.request.method, upstream.request.body) == (new, body)


@pytest.mark.parametrize(
    "script",
    ["path new", "path //new", "path /a/../b", "path /%2e%2E", "path /a?b", "path /a%", "path /a b", "method HEAD"],
)
def test_what_is_no_path_or_method_is_a_fault(gateway: Outrider, upstream: Upstream, script: str) -> None:
    assert scripted(gateway, "/script", script) == 500
    assert not upstream.requests


def test_the_answer_to_head_can_be_no_others(gateway: Outrider, upstream: Upstream) -> None:
    assert scripted(gateway, "/script", "method GET", "HEAD") == 500
    assert not upstream.requests


def test_what_a_failed_plugin_gave_is_taken_back(gateway: Outrider, upstream: Upstream) -> None:
    headers = [("x-script", "path /new; method PUT; raise"), ("x-api-key", "alice-key")]
    assert gateway.request("/tolerant", *headers).status == 200
    assert (upstream.request.method, upstream.request.path) == ("GET", "/tolerant")
