"""cors: what browsers are told, and what upstream does not get to say."""

from typing import Any

import pytest
from pydantic import ValidationError

from outrider import Plugin, Refusal, Request, Response
from outrider.testing import Outcome, run
from outrider_plugins.cors import Cors, canonical

APP = "https://app.example"
CORS_OF_UPSTREAM = {
    "access-control-allow-origin": "https://evil.example",
    "access-control-allow-credentials": "true",
    "access-control-expose-headers": "x-secret",
    "access-control-allow-methods": "DELETE",
}


class Refuse(Plugin):
    """Refuses everything, as an auth plugin would."""

    def on_request(self, _: Request) -> Response:
        return Refusal(401, "Unauthorized", headers={"vary": "authorization", "access-control-allow-origin": "*"})


def preflight(origin: str | None = APP, method: str | None = "PUT", asked: str | None = None) -> Request:
    headers = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": asked,
    }
    return Request("OPTIONS", headers={name: value for name, value in headers.items() if value is not None})


def ask(request: Request, upstream: dict[str, str] | None = None, **config: Any) -> Outcome:
    """What becomes of a request behind whose cors plugin everything that goes on reaches upstream."""
    config = {"origins": [APP], **config}
    return run(Cors(**config), request, response=Response(headers=upstream or {}))


def allowed(outcome: Outcome) -> str | None:
    return outcome.headers.get("access-control-allow-origin")


def of(origin: str) -> Request:
    return Request(headers={"origin": origin})


def test_a_preflight_is_answered_before_any_other_plugin_asks_for_a_credential() -> None:
    outcome = run([Cors(origins=[APP], max_age=600, credentials=True), Refuse()], preflight(asked="X-A"))
    assert (outcome.status, outcome.body, outcome.upstream) == (204, b"", None)
    assert outcome.headers == {
        "access-control-allow-origin": APP,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, HEAD, PUT, PATCH, POST, DELETE",
        "access-control-allow-headers": "x-a",
        "access-control-max-age": "600",
        "vary": "origin, access-control-request-headers",
    }


def test_a_preflight_says_what_is_allowed_whatever_it_asks_for() -> None:
    outcome = ask(preflight(method="DELETE", asked="x-b, x-c"), methods=["GET", "M-SEARCH"], headers=["X-A", "x-b"])
    assert outcome.headers["access-control-allow-methods"] == "GET, M-SEARCH"
    assert outcome.headers["access-control-allow-headers"] == "x-a, x-b"
    assert outcome.headers["vary"] == "origin"
    assert "access-control-max-age" not in outcome.headers
    assert "access-control-expose-headers" not in outcome.headers


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("Authorization,x-a ,\tx-b", "authorization, x-a, x-b"),
        ("x-a, b c, é, \udcff, x;b, ,", "x-a"),
        ("", None),
        (None, None),
    ],
)
def test_with_a_star_a_preflight_allows_the_names_that_it_asks_for(asked: str | None, told: str | None) -> None:
    request = preflight()
    if asked is not None:
        request.headers._fields["access-control-request-headers"] = [asked]  # pyright: ignore[reportPrivateUsage]
    assert ask(request).headers.get("access-control-allow-headers") == told


def test_an_empty_list_allows_no_header_and_no_method_of_its_own() -> None:
    outcome = ask(preflight(asked="x-a"), headers=[], methods=[])
    assert allowed(outcome) == APP
    assert "access-control-allow-headers" not in outcome.headers
    assert "access-control-allow-methods" not in outcome.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "*", f"{APP}, {APP}"])
def test_a_preflight_of_another_origin_is_answered_without_cors_headers(origin: str) -> None:
    outcome = ask(preflight(origin))
    assert (outcome.status, outcome.upstream) == (204, None)
    assert set(outcome.headers) == {"vary"}


@pytest.mark.parametrize(
    "request_", [preflight(origin=None), preflight(method=None), Request("OPTIONS"), Request("GET", headers=[])]
)
def test_an_options_request_that_is_no_preflight_goes_on(request_: Request) -> None:
    assert ask(request_).upstream is request_
    assert run([Cors(origins=[APP]), Refuse()], request_).status == 401


def test_a_request_that_only_carries_the_headers_of_a_preflight_goes_on() -> None:
    request = Request("POST", headers=dict(preflight().headers))
    assert ask(request).upstream is request


@pytest.mark.parametrize("upstream", [{}, CORS_OF_UPSTREAM])
def test_an_allowed_origin_may_read_the_response(upstream: dict[str, str]) -> None:
    outcome = ask(of(APP), upstream, credentials=True, exposed_headers=["X-Total", "x-page"])
    assert outcome.headers == {
        "access-control-allow-origin": APP,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-total, x-page",
        "vary": "origin",
    }


@pytest.mark.parametrize("request_", [of("https://evil.example"), of("null"), of(""), Request()])
def test_any_other_request_goes_on_and_its_response_has_no_cors_headers(request_: Request) -> None:
    outcome = ask(request_, CORS_OF_UPSTREAM, credentials=True)
    assert outcome.upstream is request_
    assert outcome.headers == {"vary": "origin"}


def test_a_refusal_of_a_later_plugin_can_be_read_too() -> None:
    outcome = run([Cors(origins=[APP], exposed_headers=["x-a"]), Refuse()], of(APP))
    assert outcome.status == 401
    assert allowed(outcome) == APP
    assert outcome.headers["vary"] == "authorization, origin"
    refused = run([Cors(origins=[APP]), Refuse()], of("https://evil.example"))
    assert allowed(refused) is None


@pytest.mark.parametrize(
    ("vary", "merged"),
    [
        ("accept-encoding", "accept-encoding, origin"),
        ("Accept-Encoding , Origin", "Accept-Encoding , Origin"),
        ("x-origin", "x-origin, origin"),
        ("*", "*"),
        ("", "origin"),
    ],
)
def test_vary_of_upstream_is_kept(vary: str, merged: str) -> None:
    assert ask(of(APP), {"vary": vary}).headers["vary"] == merged


def test_two_lines_of_vary_are_kept() -> None:
    response = Response(headers=[("vary", "accept"), ("vary", "cookie")])
    assert run(Cors(origins=[APP]), of(APP), response=response).headers["vary"] == "accept, cookie, origin"


@pytest.mark.parametrize("request_", [of(APP), of("null"), Request()])
def test_a_star_lets_everybody_read_with_one_answer_for_all(request_: Request) -> None:
    outcome = ask(request_, {"vary": "accept", "access-control-allow-origin": APP}, origins=["*"])
    assert (allowed(outcome), outcome.headers["vary"]) == ("*", "accept")
    answer = ask(preflight("https://any.example"), origins=["*"], headers=["x-a"])
    assert (allowed(answer), answer.headers.get("vary")) == ("*", None)


def test_only_a_plain_star_does_without_the_response() -> None:
    assert Cors(origins=["*"], exposed_headers=["*"]).hooks() == {"on_request"}
    assert Cors(origins=[APP]).hooks() == {"on_request", "on_response"}


def test_reply_headers_are_declared_as_far_as_they_are_used() -> None:
    assert Cors(origins=["*"]).needs().reply_headers == ("access-control-allow-origin",)
    assert len(Cors(origins=[APP], credentials=True, exposed_headers=["x-a"]).needs().reply_headers) == 3


@pytest.mark.parametrize(
    ("listed", "origin", "expected"),
    [
        (APP, "HTTPS://App.Example", True),
        ("HTTPS://App.Example:443", APP, True),
        (APP, f"{APP}:443", True),
        ("http://app.example", "http://app.example:80", True),
        ("http://app.example:443", "http://app.example", False),
        (APP, "http://app.example", False),
        (APP, f"{APP}:8443", False),
        (f"{APP}:8443", APP, False),
        (APP, f"{APP}/", False),
        (APP, f"{APP}.evil.example", False),
        (APP, "https://evil-app.example", False),
        (APP, "https://appxexample", False),
        (APP, "https://user@app.example", False),
        (APP, "https://app.example@evil.example", False),
        (APP, " https://app.example", False),
        (APP, f"{APP}\n", False),
        (APP, f"{APP}.", False),
        ("https://kite.example", "https://\u212aite.example", False),
        (APP, "https://" + "a" * 100_000, False),
        ("http://[::1]:3000", "http://[::1]:3000", True),
        ("capacitor://localhost", "capacitor://localhost", True),
        ("null", "null", True),
        ("null", "NULL", False),
        ("null", "https://null", False),
        ("https://*.app.example", "https://a.app.example", True),
        ("https://*.app.example", "https://A.b.App.Example:443", True),
        ("https://*.app.example", APP, False),
        ("https://*.app.example", "https://evilapp.example", False),
        ("https://*.app.example", "https://.app.example", False),
        ("https://*.app.example", "https://a.app.example.evil.example", False),
        ("https://*.app.example", "https://evil.example/.app.example", False),
        ("https://*.app.example", "http://a.app.example", False),
        ("https://*.app.example", "https://a.app.example:8443", False),
        ("https://*.app.example:8443", "https://a.app.example:8443", True),
        ("https://*.app.example", "https://*.app.example", False),
    ],
)
def test_an_origin_is_its_scheme_host_and_port(listed: str, origin: str, *, expected: bool) -> None:
    request = Request()
    request.headers._fields["origin"] = [origin]  # pyright: ignore[reportPrivateUsage]
    # What downstream is told is what it sent, since browsers compare it letter by letter.
    assert allowed(ask(request, origins=[listed, "https://other.example"])) == (origin if expected else None)


def test_two_origins_in_one_request_are_none() -> None:
    request = Request(headers=[("origin", APP), ("origin", APP)])
    assert allowed(ask(request)) is None


def test_the_canonical_form_is_its_own_canonical_form() -> None:
    for origin in ("HTTP://A.example:80", "https://[::1]:443", "app://x"):
        found = canonical(origin)
        assert found is not None
        assert canonical(found) == found


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "Field required"),
        ({"origins": []}, "at least 1 item"),
        ({"origins": ["*", APP]}, "has * beside others: keep * alone, or list the origins"),
        ({"origins": ["*"], "credentials": True}, "every page, with credentials: list the origins"),
        ({"origins": [APP, "null"], "credentials": True}, "every page, with credentials"),
        ({"origins": [APP], "credentials": True, "exposed_headers": ["*"]}, "means nothing with credentials"),
        ({"origins": [f"{APP}/"]}, "is no origin: write scheme, host and port alone"),
        ({"origins": [f"{APP}/path"]}, "is no origin"),
        ({"origins": ["app.example"]}, "is no origin"),
        ({"origins": ["https://"]}, "is no origin"),
        ({"origins": ["https://*"]}, "is no origin"),
        ({"origins": ["https://*.*.example"]}, "is no origin"),
        ({"origins": ["https://a*.example"]}, "is no origin"),
        ({"origins": ["https://*.[::1]"]}, "is no origin"),
        ({"origins": ["https://a..example"]}, "is no origin"),
        ({"origins": ["https://user@app.example"]}, "is no origin"),
        ({"origins": ["https://münchen.example"]}, "is no origin"),
        ({"origins": ["NULL"]}, "is no origin"),
        ({"origins": ["https://app\\.example"]}, "is no origin"),
        ({"origins": [APP], "methods": ["get"]}, "'get' is no method: write it in capitals"),
        ({"origins": [APP], "methods": ["*"]}, "is no method"),
        ({"origins": [APP], "headers": ["a b"]}, "is no header name"),
        ({"origins": [APP], "max_age": -1}, "greater than or equal to 0"),
        ({"origins": [APP], "max_age": 86_401}, "less than or equal to 86400"),
    ],
)
def test_a_mistake_in_the_configuration_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Cors(**config)
    assert words in str(refused.value)
