"""Which chain a request belongs to, in all ways in which an Envoy can tell."""

from typing import Any

import pytest

from harness import ask
from harness.chains import acts, chain
from harness.streams import Stream
from outrider import Response
from outrider.chain import Chain
from outrider.config import Route
from outrider.config.entities import RouteEntry, ServiceEntry
from outrider.config.routes import route_of
from outrider.config.services import service_of


def match(name: str, **fields: Any) -> Route:
    """A route of the file."""
    return route_of(RouteEntry.model_validate({"name": name, **fields}), SERVICE, 1)


SERVICE = service_of(ServiceEntry.model_validate({"name": "s", "url": "http://127.0.0.1:1"}), 1)
ROUTES = [
    match("admin", paths=["/admin"]),
    match("shop", hosts=["shop.example"]),
    match("writes", paths=["/w"], methods=["PUT"]),
    match("orders", paths=["~/orders/[0-9]+$"]),
    match("beta", paths=["/beta"], headers={"x-beta": ["yes", "~*^v[0-9]"]}),
    match("wild", hosts=["*.shop.example:8443"]),
    match("named", paths=["/named"], snis=["named.example"], protocols=["https"]),
]


def named(name: str) -> Chain:
    """A chain that answers with its own name."""
    return chain(acts(on_request=lambda _: Response(200, body=name)), route=name)


def answered(route: str | None, name: str | None = None, line: str = "GET other.example /") -> str:
    method, host, path = line.split()
    attributes = {} if name is None else {"xds.route_name": name}
    stream = Stream(chains=[named(one.name) for one in ROUTES], routes=ROUTES, route=route)
    message = ask.request_headers(method=method, host=host, path=path, attributes=attributes)
    immediate = stream.say(message).immediate_response
    return immediate.body.decode() if immediate.status.code == 200 else str(immediate.status.code)


@pytest.mark.parametrize(
    ("route", "name", "line", "expected"),
    [
        # Our own metadata is all that counts where it is there.
        ("admin", None, "GET shop.example /", "admin"),
        ("admin", "shop", "GET shop.example /", "admin"),
        ("nowhere", "shop", "GET shop.example /", "500"),
        # Then Envoy's name of the route, if the file has it.
        (None, "admin", "GET shop.example /", "admin"),
        (None, "another", "GET shop.example /", "shop"),
        (None, "", "GET shop.example /", "shop"),
        # Then host and path.
        (None, None, "GET shop.example /x", "shop"),
        (None, None, "GET SHOP.example:8080 /x", "shop"),
        (None, None, "GET other.example /admin/x", "admin"),
        (None, None, "GET other.example /open", "404"),
        (None, None, "PUT other.example /w", "writes"),
        (None, None, "GET other.example /w", "404"),
        (None, None, "GET shop.example. /x", "shop"),
        (None, None, "GET a.shop.example:8443 /x", "wild"),
        (None, None, "GET a.shop.example:8444 /x", "404"),
        (None, None, "GET other.example /orders/12", "orders"),
        (None, None, "GET other.example /orders/12/x", "404"),
        (None, None, "GET other.example /beta", "404"),
        (None, None, "GET other.example /named", "named"),
        # A protected path in other words is the same path.
        (None, None, "GET other.example //admin", "admin"),
        (None, None, "GET other.example /open/../admin", "admin"),
        (None, None, "GET other.example /open/%2e%2e/admin", "admin"),
        (None, None, "GET other.example /%61dmin?x=1", "admin"),
        (None, None, "GET other.example /./admin/", "admin"),
    ],
)
def test_the_chain_is_found(route: str | None, name: str | None, line: str, expected: str) -> None:
    assert answered(route, name, line) == expected


@pytest.mark.parametrize(("value", "expected"), [("Yes", 200), ("v2", 200), ("no", 404)])
def test_the_chain_is_found_by_a_header(value: str, expected: int) -> None:
    stream = Stream(chains=[named(one.name) for one in ROUTES], routes=ROUTES, route=None)
    message = ask.request_headers(("x-beta", value), path="/beta", host="other.example")
    assert stream.say(message).immediate_response.status.code == expected


def test_without_any_chain_everything_is_refused() -> None:
    stream = Stream(chains=[], routes=[], route=None)
    assert stream.say(ask.request_headers()).immediate_response.status.code == 404
