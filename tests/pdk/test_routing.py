"""Which route a request takes, in Kong's order."""

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import generated_routes
from harness.reference_router import Ask, Route, chosen
from outrider.config.entities import RouteEntry, ServiceEntry
from outrider.config.routes import Route as Configured
from outrider.config.routes import route_of
from outrider.config.services import service_of
from outrider.paths import normal_path
from outrider.route_table import RouteTable, TooManyError
from outrider.routing import Asked, rules

SERVICE = service_of(ServiceEntry.model_validate({"name": "s", "url": "http://127.0.0.1:1"}), 1)


def configured(*routes: Route) -> list[Configured]:
    return [route_of(RouteEntry.model_validate(route), SERVICE, at) for at, route in enumerate(routes)]


def match(name: str, **fields: Any) -> Route:
    return {"name": name, **fields}


def asked(ask: Ask, port: int = 80, sni: str | None = None) -> Asked:
    host, _, own = ask.host.lower().partition(":")

    def header(name: str) -> list[str]:
        return [value for key, value in ask.headers if key.lower() == name]

    return Asked(ask.method, host, normal_path(ask.path), int(own or port), header, sni)


def taken(
    routes: list[Route], line: str, *headers: tuple[str, str], port: int = 80, sni: str | None = None
) -> str | None:
    """The route of a request, found in the table; trying all rules one by one gives the same."""
    ordered = rules(configured(*routes))
    method, host, path = line.split()
    request = asked(Ask(method, host, path, list(headers)), port, sni)
    found = RouteTable(ordered).find(request)
    assert found == next((rule for rule in ordered if rule.matches(request)), None)
    return found.route if found else None


@given(st.integers(min_value=0))
@settings(max_examples=150, deadline=None)
def test_the_route_is_the_one_that_kongs_rules_give(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    routes = generated_routes.routes(random, random.randint(1, 12))
    ordered = rules(configured(*routes))
    table = RouteTable(ordered)
    for _ in range(12):
        ask = generated_routes.ask(random)
        request = asked(ask, generated_routes.PORT)
        wanted = chosen(routes, ask, generated_routes.PORT)
        found, slowly = table.find(request), next((rule for rule in ordered if rule.matches(request)), None)
        assert [rule and rule.route for rule in (found, slowly)] == [wanted, wanted], ask


ROUTES = [
    match("all-of-a", paths=["/a"]),
    match("part-of-a", paths=["/a/b", "/aa"]),
    match("host", hosts=["x.example", "y.example"]),
    match("host-and-path", hosts=["x.example"], paths=["/a"]),
    match("writes", methods=["PUT", "POST"]),
    match("all-three", hosts=["y.example"], paths=["/a/b"], methods=["PUT"]),
]


@pytest.mark.parametrize(
    ("request_line", "route"),
    [
        ("GET z.example /a", "all-of-a"),
        ("GET z.example /a/", "all-of-a"),
        ("GET z.example /ab", "all-of-a"),
        ("GET z.example /a/b", "part-of-a"),
        ("GET z.example /a/bc", "part-of-a"),
        ("GET z.example /aa", "part-of-a"),
        ("GET z.example /A", None),
        ("GET z.example /", None),
        ("GET x.example /", "host"),
        ("GET x.example /a/b", "host-and-path"),
        ("GET y.example /z", "host"),
        ("PUT z.example /z", "writes"),
        ("DELETE z.example /z", None),
        ("PUT y.example /a/b", "all-three"),
        ("POST y.example /a/b", "host"),
    ],
)
def test_more_kinds_of_things_go_before_longer_paths(request_line: str, route: str | None) -> None:
    assert taken(ROUTES, request_line) == route


@pytest.mark.parametrize(
    ("winner", "loser", "line"),
    [
        ({"paths": ["/a"], "methods": ["GET"]}, {"paths": ["/a/b"]}, "GET h /a/b"),
        ({"paths": ["/a"], "methods": ["GET"]}, {"paths": ["~/a/b"], "regex_priority": 9}, "GET h /a/b"),
        ({"hosts": ["*.test"], "paths": ["/a"]}, {"hosts": ["x.test"]}, "GET x.test /a"),
        ({"hosts": ["x.test"]}, {"hosts": ["*.test"]}, "GET x.test /"),
        ({"hosts": ["x.test"]}, {"hosts": ["x.*"]}, "GET x.test /"),
        # One wildcard among its hosts makes the whole route one with wildcards.
        ({"hosts": ["y.test"], "paths": ["/"]}, {"hosts": ["y.test", "*.z"], "paths": ["/a"]}, "GET y.test /a"),
        ({"hosts": ["x.test"]}, {"paths": ["/a/b"]}, "GET x.test /a/b"),
        ({"headers": {"x-a": ["1"], "x-b": ["1"]}}, {"headers": {"x-a": ["1"]}}, "GET h /"),
        ({"paths": ["~/a"]}, {"paths": ["/a/b/c"]}, "GET h /a/b/c"),
        ({"paths": ["~/a"], "regex_priority": 2}, {"paths": ["~/a/b"], "regex_priority": 1}, "GET h /a/b"),
        ({"paths": ["/a/b"], "regex_priority": 1}, {"paths": ["/a"], "regex_priority": 2}, "GET h /a/b"),
        ({"paths": ["/a/"]}, {"paths": ["/a"]}, "GET h /a/"),
        # The length is that of Kong's form, in bytes: /\u00e9 has three, though a request has more.
        ({"paths": ["/%C3%A9ab"]}, {"paths": ["/\u00e9a"]}, "GET h /%C3%A9ab"),
        ({"hosts": ["x.test"], "snis": ["s.test"], "protocols": ["https"]}, {"hosts": ["x.test"]}, "GET x.test /"),
    ],
)
def test_of_two_routes_the_one_with_the_higher_rank_takes_the_request(winner: Route, loser: Route, line: str) -> None:
    headers = [("x-a", "1"), ("x-b", "1")]
    for first, second in (("0", "f"), ("f", "0")):
        routes = [
            {"name": "winner", "id": first * 8, **winner},
            {"name": "loser", "id": second * 8, **loser},
        ]
        assert taken(routes, line, *headers) == "winner"
        assert taken([routes[1]], line, *headers) == "loser"


def test_among_equals_the_highest_identifier_is_taken_as_kong_does() -> None:
    routes = [
        match("b", id="b", paths=["~/a"]),
        match("c", id="c", paths=["~/a/.*"]),
        match("a", id="a", paths=["~/a/?"]),
    ]
    assert taken(routes, "GET x /a/") == "c"


def test_an_identifier_that_is_not_given_is_the_one_that_kong_derives() -> None:
    # Seen in the admin interface of Kong 3.9.1 without a database.
    (route,) = configured(match("same1", paths=["/"]))
    assert route.id == "7eeecf8f-17d1-5264-a7d2-e8a4d19ebfc7"


@pytest.mark.parametrize(
    ("hosts", "port", "taking", "others"),
    [
        (["x.test"], 80, ["x.test", "X.TEST", "x.test:8080"], ["a.x.test", "x.test.evil", "xxtest"]),
        (["*.x.test"], 80, ["a.x.test", "a.b.x.test", "a.x.test:1"], ["x.test", "ax.test"]),
        (["x.*"], 80, ["x.test", "x.a.b", "x.test:1"], ["xa.test", "a.x.test", "x"]),
        (["x.test:81"], 80, ["x.test:81"], ["x.test", "x.test:80"]),
        # Without a port of its own, a request is for the one that it came to.
        (["x.test:81"], 81, ["x.test:81", "x.test"], ["x.test:80"]),
        (["*.test:81"], 80, ["x.test:81"], ["x.test:82", "x.test"]),
    ],
)
def test_a_host_may_have_a_wildcard_and_a_port(
    hosts: list[str], port: int, taking: list[str], others: list[str]
) -> None:
    route = match("one", hosts=hosts)
    assert all(taken([route], f"GET {host} /", port=port) == "one" for host in taking)
    assert not any(taken([route], f"GET {host} /", port=port) for host in others)


@pytest.mark.parametrize(
    ("values", "taking", "others"),
    [
        (["v1", "V2"], ["v1", "V1", "v2"], ["v3", "v1 ", "xv1", ""]),
        (["~*^v[0-9]"], ["v1", "V2x"], ["xv1", "v"]),
        (["~*beta|b$"], ["a-beta-c", "ab"], ["bet", "ba"]),
    ],
)
def test_a_header_has_one_of_the_values_in_any_case(values: list[str], taking: list[str], others: list[str]) -> None:
    route = match("one", headers={"X-Version": values})
    assert all(taken([route], "GET h /", ("x-version", value)) == "one" for value in taking)
    assert all(taken([route], "GET h /", ("x-version", "no"), ("x-version", value)) == "one" for value in taking)
    assert not any(taken([route], "GET h /", ("x-version", value)) for value in others)
    assert taken([route], "GET h /") is None


def test_a_server_name_is_asked_for_of_tls_only() -> None:
    route = match("one", paths=["/"], snis=["a.test", "*.b.test"], protocols=["https"])
    assert [taken([route], "GET h /", sni=sni) for sni in (None, "a.test", "x.b.test")] == ["one"] * 3
    assert [taken([route], "GET h /", sni=sni) for sni in ("", "b.test", "h")] == [None] * 3


@pytest.mark.parametrize(
    ("path", "taking", "others"),
    [
        ("~/a/[0-9]+", ["/a/1", "/a/12/x"], ["/a/", "/b/a/1"]),
        ("~/a/[0-9]+$", ["/a/1"], ["/a/1/"]),
        ("~/(?i)a/B", ["/A/b", "/a/B/c"], ["/x/b"]),
        # Kong compares what is left when escapes are resolved.
        ("~/caf\u00e9$", ["/caf%C3%A9", "/caf%c3%a9"], ["/cafe"]),
        ("~/a b", ["/a%20b"], ["/a+b"]),
        ("/caf\u00e9", ["/caf%C3%A9/x"], ["/caf"]),
        ("/caf%C3%A9", ["/caf%C3%A9/x"], ["/caf"]),
        ("/a%2Cb", ["/a%2cb"], ["/a,b"]),
    ],
)
def test_a_path_is_a_prefix_or_a_regular_expression_for_its_beginning(
    path: str, taking: list[str], others: list[str]
) -> None:
    assert all(taken([match("one", paths=[path])], f"GET h {target}") == "one" for target in taking)
    assert not any(taken([match("one", paths=[path])], f"GET h {target}") for target in others)


def test_a_path_that_makes_other_machines_hang_is_compared_in_no_time() -> None:
    assert taken([match("one", paths=["~/(a+)+$"])], f"GET h /{'a' * 3000}!") is None


def test_without_routes_nothing_is_taken() -> None:
    assert taken([], "GET x /") is None


def test_of_ten_thousand_routes_only_a_few_are_candidates() -> None:
    routes = [match(f"r{number}", paths=[f"/{number}/"], hosts=[f"h{number % 100}.test"]) for number in range(10_000)]
    table = RouteTable(rules(configured(*routes, match("all", paths=["/"]), match("writes", methods=["PUT"]))))
    leaves = [len(found) for hosts in table.hosts for found in hosts.beginnings.values()]
    assert (len(table.hosts), max(leaves)) == (101, 1)


def test_what_would_have_to_be_combined_too_often_is_refused() -> None:
    named = [match(f"h{number}", hosts=[f"h{number}.test"], methods=["GET"]) for number in range(100)]
    others = [match(f"p{number}", paths=[f"/{number}"]) for number in range(100)]
    ordered = rules(configured(*named, *others))
    with pytest.raises(TooManyError):
        RouteTable(ordered, most=10_000)
    assert RouteTable(ordered, most=40_000).hosts
