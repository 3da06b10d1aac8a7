"""The functions that Kong runs for us, as real Lua with nothing around them but what Kong's sandbox has."""

from importlib import import_module
from typing import Any

import pytest

from outrider import Route
from outrider.auth import IDENTITY_HEADERS
from outrider_kong.reading import Facts
from outrider_kong.render.functions import post_function, pre_function

# No checker knows its types.
lupa: Any = import_module("lupa.luajit21")

Fields = dict[str, str | list[str]]

_SANDBOX = """
local code, kong, ngx, exit = ...
local names = { "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring", "type",
                "unpack", "xpcall", "math", "os", "string", "table", "coroutine" }
local sandbox = { kong = kong, ngx = ngx }
for _, name in ipairs(names) do
  sandbox[name] = _G[name]
end
-- What answers ends the function.
function kong.response.exit(...)
  exit(...)
  coroutine.yield()
end
local chunk = assert(load(code, "function", "t", sandbox))
-- Kong runs the chunk for the first request, and what it returns for this and all others.
local run = chunk()
coroutine.wrap(run)()
coroutine.wrap(run)()
"""


class Kong:
    """What the functions find under `kong` and `ngx`."""

    def __init__(
        self, headers: Fields | None = None, reply: Any = None, route: Any = None, target: str = "/%41?q"
    ) -> None:
        self._target = target
        self.response: dict[str, str] = {}
        self.dropped: list[str] = []
        self.cleared: list[str] = []
        self.left: dict[str, Any] = {}
        self.set: dict[str, list[str]] = {}
        self._lua = lupa.LuaRuntime(unpack_returned_tuples=True, register_eval=False)
        self._headers = headers or {}
        self._route = {"name": "orders", "tags": ["a", "b"]} if route is None else route
        self._shared = self._table({"outrider_reply": reply})

    def run(self, code: str) -> "Kong":
        """Two requests that are the same."""
        ngx = self._table({"var": {"kong_request_id": "an-id", "request_uri": self._target}})
        self._lua.execute(_SANDBOX, code, self._kong(), ngx, self._exit)
        return self

    @property
    def told(self) -> str:
        """What the pre-function keeps for our server."""
        return str(self._shared["outrider_request"])

    def _kong(self) -> Any:
        request = {
            "get_headers": self._get_headers,
            "get_method": lambda: "GET",
            "get_scheme": lambda: "http",
            "get_host": lambda: "a.example",
        }
        return self._table(
            {
                "request": request,
                "client": {"get_forwarded_ip": lambda: "192.0.2.1"},
                "router": {
                    "get_route": lambda: self._table(self._route or None),
                    "get_service": lambda: self._table({"name": "shop"} if self._route else None),
                },
                "service": {"request": {"clear_header": self.cleared.append}},
                "response": {
                    "set_header": self._set_header,
                    "get_header": self.response.get,
                    "get_headers": self._response_headers,
                    "clear_header": self.dropped.append,
                },
                "ctx": {"shared": self._shared},
            }
        )

    def _get_headers(self, most: int) -> Any:
        shown: Fields = {}
        for name, values in self._headers.items():
            kept = [values] if isinstance(values, str) else values[: most - len(shown)]
            shown[name] = kept[0] if len(kept) == 1 else kept
        return self._table(dict(list(shown.items())[:most]))

    def _response_headers(self, _: int) -> Any:
        return self._table(self.response)

    def _exit(self, status: int, body: Any) -> None:
        self.left = {"status": status, **dict(body.items())}

    def _set_header(self, name: str, values: Any) -> None:
        self.set[name] = list(values.values())

    def _table(self, value: Any) -> Any:
        if isinstance(value, dict | list):
            return self._lua.table_from(value, recursive=True)
        return value


@pytest.mark.parametrize(
    "name", ["x-consumer-id", "x_consumer_id", "x-consumer_id", "X_Consumer-Id", "x-user-email", "x_user_email"]
)
def test_what_downstream_says_under_an_identity_header_is_taken_off(name: str) -> None:
    kong = Kong({"accept": "*/*", name: "forged"}).run(pre_function({"x-user-email", *IDENTITY_HEADERS}))
    assert set(kong.cleared) == {name}
    assert kong.left == {}


def test_no_other_header_is_taken_off() -> None:
    headers: Fields = {"x-consumer": "a", "x-consumer-id-2": "b", "consumer-id": "c", "cookie": ["d", "e"]}
    assert Kong(headers).run(pre_function(IDENTITY_HEADERS)).cleared == []


@pytest.mark.parametrize("headers", [{f"h{at}": "x" for at in range(1000)}, {"h": ["x"] * 1200}])
def test_where_headers_may_be_hidden_behind_a_thousand_others_the_request_is_refused(headers: Fields) -> None:
    kong = Kong(headers).run(pre_function(IDENTITY_HEADERS))
    assert kong.left == {"status": 431, "message": "The headers are too large", "request_id": "an-id"}


@pytest.mark.parametrize(
    ("route", "place"),
    [
        (None, Route("orders", "shop", ("a", "b"))),
        ({"id": "an-id"}, Route("an-id", "shop")),
        (False, Route("")),
    ],
)
def test_the_server_is_told_in_one_piece_what_it_would_ask_for(route: Any, place: Route) -> None:
    facts = Facts.of_text(Kong(route=route).run(pre_function(IDENTITY_HEADERS)).told)
    assert facts == Facts(
        id="an-id",
        method="GET",
        scheme="http",
        client="192.0.2.1",
        host="a.example",
        service=place.service,
        route=place.name,
        tags=",".join(place.tags),
        target="/%41?q",
    )
    assert facts.place == place


@pytest.mark.parametrize("given", ["x-consumer-id", "close, X-Consumer-Id", ["keep-alive", "x-any"]])
def test_a_connection_header_that_names_others_is_refused(given: str | list[str]) -> None:
    kong = Kong({"connection": given}).run(pre_function(IDENTITY_HEADERS))
    assert kong.left == {"status": 400, "message": "The request is malformed", "request_id": "an-id"}


@pytest.mark.parametrize("given", ["close", "keep-alive, Upgrade", "Upgrade, HTTP2-Settings", "TE"])
def test_a_connection_header_that_names_its_own_passes(given: str) -> None:
    assert Kong({"connection": given}).run(pre_function(IDENTITY_HEADERS)).left == {}


@pytest.mark.parametrize("path", ["/a%2fb", "/a%2F..%2Fb?x", "/a%5cb", "/a%5Cb", "/a\\b"])
def test_what_upstream_may_read_as_a_slash_is_refused(path: str) -> None:
    kong = Kong(target=path).run(pre_function(IDENTITY_HEADERS))
    assert kong.left == {"status": 400, "message": "The request is malformed", "request_id": "an-id"}


@pytest.mark.parametrize("path", ["/a/b?x=%2f", "/a%252fb", "/"])
def test_an_escaped_slash_elsewhere_is_none_of_the_path(path: str) -> None:
    assert Kong(target=path).run(pre_function(IDENTITY_HEADERS)).left == {}


def test_fewer_than_a_thousand_headers_pass() -> None:
    assert Kong({"h": ["x"] * 999}).run(pre_function(IDENTITY_HEADERS)).left == {}


@pytest.mark.parametrize("name", ['a"] = nil, os.exit()', "a\\", "a b", "a\n", "a[1]", ""])
def test_a_name_that_is_no_header_never_gets_into_the_code(name: str) -> None:
    with pytest.raises(ValueError, match="is no header name"):
        pre_function({name})


@pytest.mark.parametrize("name", ["x-a'b", "x-`a`", "x-%d", "x-$1", "--x"])
def test_odd_names_stay_names(name: str) -> None:
    assert set(Kong({name: "1"}).run(pre_function({name})).cleared) == {name}


def test_reply_headers_are_set_with_all_their_values_in_order() -> None:
    reply = {"vary": ["origin", "accept"], "x-request-id": ["1"]}
    assert Kong(reply=reply).run(post_function()).set == reply


def test_a_refusal_goes_without_what_upstream_has_sent() -> None:
    kong = Kong()
    kong.response = {
        "x-outrider-refused": "1",
        "set-cookie": "a=1",
        "content-type": "application/json",
        "date": "now",
    }
    kong.run(post_function())
    assert set(kong.dropped) == {"x-outrider-refused", "set-cookie"}


def test_any_other_response_keeps_its_headers() -> None:
    kong = Kong()
    kong.response = {"set-cookie": "a=1"}
    assert kong.run(post_function()).dropped == []


@pytest.mark.parametrize("reply", [None, "text", 5, {}])
def test_without_reply_headers_nothing_is_set(reply: Any) -> None:
    assert Kong(reply=reply).run(post_function()).set == {}
