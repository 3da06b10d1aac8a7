"""The one form that a request has for plugins behind every gateway: docs/sameness.md has the same table in words."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from harness import http1
from harness.outrider import Outrider
from harness.sample import Protocol

Facts = dict[str, Any]
Fields = dict[str, list[str]]

PLAIN: Facts = {
    "method": "GET",
    "path": "/seen",
    "query": "",
    "normal_path": "/seen",
    "host": "a.example",
    "port": None,
    "scheme": "http",
    "client": "127.0.0.1",
    "route": "seen",
    "service": "seen",
}
GATEWAYS_OWN = {"x-forwarded-for", "x-forwarded-proto", "x-request-id", "x-envoy-external-address"}
"""Each gateway adds or overwrites some of them, Envoy before the plugins run and Kong behind them."""


@dataclass(frozen=True)
class Row:
    """A request as downstream sends it, and what plugins see that is not in `PLAIN`; `kong` is what differs there."""

    name: str
    lines: list[str]
    facts: Facts = field(default_factory=Facts)
    headers: Fields = field(default_factory=Fields)
    start: str = "GET /seen HTTP/1.1"
    host: str = "a.example"
    body: bytes = b""
    kong: Facts = field(default_factory=Facts)
    kong_headers: Fields = field(default_factory=Fields)


TABLE = [
    Row("nothing but a host", []),
    Row(
        "the query is raw",
        [],
        {"query": "a=1&a=2&&b=%zz;c=%2F+"},
        start="GET /seen?a=1&a=2&&b=%zz;c=%2F+ HTTP/1.1",
    ),
    Row("an empty query is none", [], start="GET /seen? HTTP/1.1"),
    Row("any method", [], {"method": "PROPFIND"}, start="PROPFIND /seen HTTP/1.1"),
    Row(
        "escapes and dots are resolved in normal_path; in path only by Envoy",
        [],
        {"path": "/seen/~user/c", "normal_path": "/seen/~user/c"},
        start="GET /seen/%7Euser/a%20b/../c HTTP/1.1",
        kong={"path": "/seen/%7Euser/a%20b/../c"},
    ),
    Row(
        "doubled slashes are one in normal_path; in path only for Envoy",
        [],
        {"path": "/seen/x", "normal_path": "/seen/x"},
        start="GET //seen//x HTTP/1.1",
        kong={"path": "//seen//x"},
    ),
    Row("a host in lower case, apart from its port", [], {"port": 8080}, host="A.Example:8080"),
    Row("an IPv6 host without brackets", [], {"host": "::1", "port": 81}, host="[::1]:81"),
    Row("a host without its final dot", [], host="a.example."),
    Row(
        "a whole URI is what counts for the host; Kong tells no port of it",
        [],
        {"host": "b.example", "port": 81, "query": "x=1"},
        start="GET http://b.example:81/seen?x=1 HTTP/1.1",
        kong={"port": None},
    ),
    Row(
        "names in lower case, each line a value",
        ["X-Mixed: One", "x-b: 1", "x-mixed: two", "X-B: 2, 3"],
        headers={"x-mixed": ["One", "two"], "x-b": ["1", "2, 3"]},
    ),
    Row("lines of cookies stay apart", ["cookie: a=1", "cookie: b=2"], headers={"cookie": ["a=1", "b=2"]}),
    Row(
        "Envoy joins the lines of some names that it knows",
        ["user-agent: x", "user-agent: y"],
        headers={"user-agent": ["x,y"]},
        kong_headers={"user-agent": ["x", "y"]},
    ),
    Row(
        "bytes that are no UTF-8 are lone surrogates",
        ["x-bytes: caf\xe9\xff", "x-text: gr\xc3\xbcn"],
        headers={"x-bytes": ["caf\udce9\udcff"], "x-text": ["grün"]},
    ),
    Row(
        "values without the spaces around them",
        ["x-empty:", "x-blank:   ", "x-padded:   a  b  ", "x-tab: a\tb"],
        headers={"x-empty": [""], "x-blank": [""], "x-padded": ["a  b"], "x-tab": ["a\tb"]},
    ),
    Row(
        "no headers of the connection",
        ["connection: keep-alive", "keep-alive: timeout=5", "proxy-connection: keep-alive", "te: trailers"],
        headers={"te": ["trailers"]},
    ),
    Row(
        "an upgrade shows itself",
        ["connection: upgrade", "upgrade: websocket"],
        headers={"connection": ["upgrade"], "upgrade": ["websocket"]},
    ),
    Row(
        "a declared length is a header",
        ["content-length: 2"],
        {"method": "POST"},
        {"content-length": ["2"]},
        start="POST /seen HTTP/1.1",
        body=b"ab",
    ),
    Row(
        "the framing of chunks is not",
        ["transfer-encoding: chunked"],
        {"method": "POST"},
        start="POST /seen HTTP/1.1",
        body=b"0\r\n\r\n",
    ),
    Row(
        "what downstream says of itself is believed by nobody",
        ["x-forwarded-for: 203.0.113.7", "x-forwarded-proto: https", "forwarded: for=b"],
        headers={"forwarded": ["for=b"]},
    ),
    Row(
        "identity headers of downstream are gone",
        ["x-consumer-id: 1", "X-Consumer-Username: root", "x-else: kept"],
        headers={"x-else": ["kept"]},
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_plugins_see_one_form_of_a_request(gateway: Outrider, protocol: Protocol, row: Row) -> None:
    lines = [row.start, f"host: {row.host}", *row.lines, "", ""]
    response = http1.send(gateway.port, "\r\n".join(lines).encode("latin-1") + row.body)
    seen = json.loads(response.body)
    headers = {name: values for name, values in seen.pop("headers").items() if name not in GATEWAYS_OWN}
    is_kong = protocol == "kong"
    assert headers == row.headers | (row.kong_headers if is_kong else {})
    assert seen == PLAIN | row.facts | (row.kong if is_kong else {})


def test_what_connection_names_is_gone_behind_envoy_and_refused_behind_kong(
    gateway: Outrider, protocol: Protocol
) -> None:
    response = gateway.request("/seen", ("connection", "x-hop"), ("x-hop", "1"))
    if protocol == "kong":
        # Kong itself would take it off only behind the plugins.
        assert response.status == 400
    else:
        assert "x-hop" not in json.loads(response.body)["headers"]
