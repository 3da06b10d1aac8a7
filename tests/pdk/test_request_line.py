import pytest

from harness.chains import Acts
from outrider import Request
from outrider.errors import ContractError, ReplyError
from outrider.handover import request_of, state_of
from outrider.needs import Rewrite
from outrider.testing import run


def test_what_downstream_sent_stays_what_it_was() -> None:
    request = Request("GET", "/a?b=1")
    request.upstream_path, request.upstream_method = "/new/%C3%A9;v=1", "POST"
    assert (request.method, request.path, request.target) == ("GET", "/a", "/a?b=1")
    assert (request.upstream_method, request.upstream_path) == ("POST", "/new/%C3%A9;v=1")
    assert request.line_changed


def test_to_set_what_downstream_sent_is_an_error_that_names_the_remedy() -> None:
    with pytest.raises(ContractError, match=r"request\.upstream_method"):
        Request().method = "POST"


BAD = [
    "",
    "x",
    "//x",
    "/a?b",
    "/a#b",
    "/a b",
    "/a\n",
    "/\xe9",
    "/%",
    "/%4g",
    "/..",
    "/a/../b",
    "/.%2e/",
    "/%2E;x",
    "/.",
]


@pytest.mark.parametrize("path", BAD)
def test_what_is_no_path_or_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ReplyError, match="the path for upstream"):
        Request().upstream_path = path


@pytest.mark.parametrize("path", ["/", "/a/", "/a//b", "/.well-known", "/a..b", "/...", "/a/b:c@d!$&'()*+,;="])
def test_other_paths_are_taken(path: str) -> None:
    request = Request()
    request.upstream_path = path
    assert request.upstream_path == path


@pytest.mark.parametrize("method", ["", "get", "HEAD", "CONNECT", "BREW", "GET /"])
def test_what_is_no_method_of_upstreams_is_refused(method: str) -> None:
    with pytest.raises(ReplyError, match="no request can become"):
        Request().upstream_method = method


@pytest.mark.parametrize("method", ["HEAD", "CONNECT"])
def test_an_answer_of_another_form_can_be_no_others(method: str) -> None:
    with pytest.raises(ReplyError, match="its answer has another form"):
        Request(method).upstream_method = "GET"


@pytest.mark.parametrize(("declared", "other"), [("path", "method"), ("method", "path"), ("body", "path")])
def test_what_is_not_declared_is_a_fault(declared: Rewrite, other: Rewrite, caplog: pytest.LogCaptureFixture) -> None:
    def change(request: Request) -> None:
        setattr(request, f"upstream_{other}", "/x" if other == "path" else "PUT")

    plugin = Acts(hook_functions={"on_request": change}, rewrites=frozenset({declared}))
    assert run([plugin], Request()).status == 500
    assert f"request.upstream_{other} was set and not declared: add Needs(rewrites=" in caplog.text


def test_later_phases_in_other_processes_know_what_upstream_got() -> None:
    request = Request()
    request.upstream_path, request.upstream_method = "/new", "POST"
    again = request_of(state_of(request), frozenset())
    assert (again.upstream_path, again.upstream_method) == ("/new", "POST")
