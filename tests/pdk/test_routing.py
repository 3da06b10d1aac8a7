"""Which route a request takes, in Kong's order."""

from dataclasses import dataclass

import pytest

from outrider.routing import rules


@dataclass(frozen=True)
class Match:
    """What a route of the file says about its requests."""

    name: str
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()


def taken(routes: list[Match], method: str, host: str, path: str) -> str | None:
    return next((rule.route for rule in rules(routes) if rule.matches(method, host, path)), None)


ROUTES = [
    Match("all-of-a", paths=("/a",)),
    Match("part-of-a", paths=("/a/b", "/aa")),
    Match("host", hosts=("x.example", "y.example")),
    Match("host-and-path", hosts=("x.example",), paths=("/a",)),
    Match("writes", methods=("PUT", "POST")),
    Match("all-three", hosts=("y.example",), paths=("/a/b",), methods=("PUT",)),
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
    method, host, path = request_line.split()
    assert taken(ROUTES, method, host, path) == route


def test_of_equals_the_first_in_the_file_is_taken() -> None:
    routes = [Match("first", paths=("/a",)), Match("second", paths=("/a",)), Match("third", paths=("/b",))]
    assert taken(routes, "GET", "x", "/a") == "first"


def test_a_route_that_asks_for_nothing_takes_everything() -> None:
    assert taken([Match("all")], "GET", "", "/") == "all"


def test_without_routes_nothing_is_taken() -> None:
    assert taken([], "GET", "x", "/") is None
