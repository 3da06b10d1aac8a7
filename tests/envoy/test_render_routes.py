"""Envoy's hosts and routes, as they follow from the file."""

import re
from pathlib import Path

import pytest

from harness.rendering import (
    Read,
    Section,
    configurations,
    hosts,
    manager,
    rendered,
    route,
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return configurations(tmp_path)


def test_no_route_is_a_404_on_every_host(read: Read) -> None:
    routes = "[{name: one, paths: [/one]}, {name: two, hosts: [b.example, a.example]}]"
    found = hosts(rendered(read(routes=routes)))
    assert list(found) == ["a.example", "b.example", "*"]
    for host in found.values():
        assert host[-1]["match"] == {"prefix": "/"}
        assert host[-1]["direct_response"] == {"status": 404}


def test_every_host_has_all_routes_that_could_match_there_in_kongs_order(read: Read) -> None:
    routes = """[
      {name: path, paths: [/a]}, {name: longer, paths: [/a/b]}, {name: host, hosts: [a.example]},
      {name: both, hosts: [a.example], paths: [/a]}, {name: writes, methods: [PUT, POST]},
    ]"""
    found = {name: [one["name"] for one in rows[:-1]] for name, rows in hosts(rendered(read(routes=routes))).items()}
    assert found == {
        "a.example": ["both", "host", "longer", "path", "writes"],
        "*": ["longer", "path", "writes"],
    }


def test_a_host_is_matched_with_any_port_and_with_a_trailing_dot(read: Read) -> None:
    config = manager(rendered(read(routes="[{name: one, hosts: [a.example]}]")))
    domains = config["route_config"]["virtual_hosts"][0]["domains"]
    assert domains == ["a.example", "a.example:*", "a.example.", "a.example.:*"]


@pytest.mark.parametrize(
    ("methods", "matching", "others"),
    [("[GET]", ["GET"], ["GETS", "get", "POST"]), ("[PUT, POST]", ["PUT", "POST"], ["PUTPOST", "PUT|POST", ""])],
)
def test_methods_are_matched_whole(read: Read, methods: str, matching: list[str], others: list[str]) -> None:
    match = route(rendered(read(routes=f"[{{name: one, methods: {methods}}}]")), "one")["match"]
    (header,) = match["headers"]
    pattern = re.compile(header["string_match"]["safe_regex"]["regex"])
    assert header["name"] == ":method"
    assert all(pattern.fullmatch(method) for method in matching)
    assert not any(pattern.fullmatch(method) for method in others)


def upstream_path(document: Section, path: str) -> str:
    """What Envoy's regex_rewrite makes of a path."""
    rewrite = route(document, "one")["route"].get("regex_rewrite")
    if rewrite is None:
        return path
    regex, substitution = rewrite["pattern"]["regex"], rewrite["substitution"]
    return re.sub(regex, substitution, path)


@pytest.mark.parametrize(
    ("base", "prefix", "strip", "path", "expected"),
    [
        # https://developer.konghq.com/gateway/entities/route: path handling v0
        ("", "/s", "true", "/s/r", "/r"),
        ("", "/s", "true", "/s", "/"),
        ("", "/s", "true", "/s/", "/"),
        ("", "/s", "true", "/sr", "/r"),
        ("", "/s/", "true", "/s/r", "/r"),
        ("", "/s", "false", "/s/r", "/s/r"),
        ("", "/", "true", "/s/r", "/s/r"),
        ("/b", "/s", "true", "/s/r", "/b/r"),
        ("/b", "/s", "true", "/s", "/b/"),
        ("/b/", "/s", "true", "/s/r", "/b/r"),
        ("/b", "/s", "false", "/s/r", "/b/s/r"),
        ("/b/", "/s", "false", "/s/r", "/b/s/r"),
        ("/b", "/", "true", "/r", "/b/r"),
        ("/b", "/s.x", "true", "/s.x/r", "/b/r"),
    ],
)
def test_the_services_path_is_joined_to_the_rest(
    read: Read, base: str, prefix: str, strip: str, path: str, expected: str
) -> None:
    routes = f"[{{name: one, paths: [{prefix}], strip_path: {strip}}}]"
    document = rendered(read(routes=routes, url=f"'http://127.0.0.1:9001{base}'"))
    assert upstream_path(document, path) == expected


@pytest.mark.parametrize(
    ("url", "preserve", "host"),
    [
        ("http://127.0.0.1:9001", "false", "127.0.0.1:9001"),
        ("http://api.example:80", "false", "api.example"),
        ("http://api.example", "true", None),
    ],
)
def test_upstream_sees_the_services_host_unless_the_clients_is_kept(
    read: Read, url: str, preserve: str, host: str | None
) -> None:
    document = rendered(read(routes=f"[{{name: one, paths: [/], preserve_host: {preserve}}}]", url=url))
    assert route(document, "one")["route"].get("host_rewrite_literal") == host
