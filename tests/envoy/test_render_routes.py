"""Envoy's hosts and routes, as they follow from the file."""

import re
from pathlib import Path

import pytest

from harness.rendering import (
    Read,
    Section,
    configurations,
    manager,
    rendered,
    route,
    trees,
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return configurations(tmp_path)


def names(document: Section) -> dict[str, dict[str, list[str]]]:
    return {
        host: {begin: [one["name"] for one in routes] for begin, routes in found.items()}
        for host, found in trees(document).items()
    }


def test_no_route_is_a_404_on_every_host(read: Read) -> None:
    routes = "[{name: one, paths: [/one]}, {name: two, hosts: [b.example, a.example]}]"
    document = rendered(read(routes=routes))
    assert names(document) == {
        "b.example": {"/": ["two"]},
        "*": {"/": ["outrider_no_route"], "/one": ["one"]},
    }
    for host in manager(document)["route_config"]["virtual_hosts"]:
        (last,) = host["matcher"]["on_no_match"]["action"]["typed_config"]["routes"]
        assert (last["match"], last["direct_response"]["status"]) == ({"prefix": "/"}, 404)


def test_a_beginning_has_all_routes_that_could_match_there_in_kongs_order_up_to_one_that_takes_all(
    read: Read,
) -> None:
    routes = """[
      {name: path, paths: [/a]}, {name: longer, paths: [/a/b]}, {name: host, hosts: [a.example]},
      {name: both, hosts: [a.example], paths: [/a]}, {name: writes, methods: [PUT, POST]},
      {name: regex, paths: ['~/a/b/[0-9]+']}, {name: beta, paths: [/a], headers: {x-beta: ['1']}},
    ]"""
    found = names(rendered(read(routes=routes)))
    assert found == {
        "a.example": {"/": ["host"], "/a": ["both"]},
        "*": {
            "/": ["writes", "outrider_no_route"],
            "/a": ["beta", "path"],
            "/a/b": ["beta", "longer"],
            "/a/b/": ["beta", "regex", "longer"],
        },
    }


def test_a_host_is_matched_with_any_port_and_with_a_trailing_dot(read: Read) -> None:
    routes = "[{name: one, hosts: [a.example]}, {name: two, hosts: ['*.b.example']}, {name: three, hosts: [c.*]}]"
    config = manager(rendered(read(routes=routes)))["route_config"]
    domains = [host["domains"] for host in config["virtual_hosts"]]
    assert config["ignore_port_in_host_matching"] is True
    assert domains == [["a.example", "a.example."], ["*.b.example", "*.b.example."], ["c.*"], ["*"]]


def test_hosts_of_the_same_routes_share_what_envoy_has_of_them(read: Read) -> None:
    routes = (
        "[{name: one, hosts: [a.example, b.example, '*.c.example']}, {name: two, hosts: [b.example], paths: [/b]}]"
    )
    found = names(rendered(read(routes=routes)))
    assert found["a.example"] == {"/": ["one"]}
    assert found["b.example"] == {"/": ["one"], "/b": ["two"]}
    assert list(found) == ["b.example", "a.example", "*"]


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
    return re.sub(regex, substitution, path, count=1)


@pytest.mark.parametrize(
    ("base", "prefix", "strip", "path", "expected"),
    [
        # Each is what Kong 3.9.1 sent upstream.
        ("", "/s", "true", "/s/r", "/r"),
        ("", "/s", "true", "/s", "/"),
        ("", "/s", "true", "/s/", "/"),
        ("", "/s", "true", "/sr", "/r"),
        ("", "/s", "true", "/s../r", "/r"),
        ("", "/s/", "true", "/s/r", "/r"),
        ("", "/s", "false", "/s/r", "/s/r"),
        ("", "/", "true", "/s/r", "/s/r"),
        ("/b", "/s", "true", "/s/r", "/b/r"),
        ("/b", "/s", "true", "/s", "/b"),
        ("/b", "/s", "true", "/s/", "/b/"),
        ("/b", "/s", "true", "/s..", "/b"),
        ("/b", "/s", "true", "/s../r", "/b/r"),
        ("/b", "/s", "true", "/s./r", "/b/r"),
        ("/b", "/s", "true", "/s.../r", "/b/.../r"),
        ("/b", "/s/", "true", "/s/", "/b/"),
        ("/b/", "/s", "true", "/s", "/b"),
        ("/b/", "/s", "true", "/s/", "/b/"),
        ("/b/", "/s", "true", "/s/r", "/b/r"),
        ("/b", "/s", "false", "/s/r", "/b/s/r"),
        ("/b/", "/s", "false", "/s/r", "/b/s/r"),
        ("/b", "/", "false", "/", "/b"),
        ("/b/", "/", "false", "/", "/b/"),
        ("/b", "/", "true", "/", "/b"),
        ("/b", "/", "true", "/r", "/b/r"),
        ("/b", "/s.x", "true", "/s.x/r", "/b/r"),
        ("", "~/s/[0-9]+", "true", "/s/12/r", "/r"),
        ("", "~/s/[0-9]+", "true", "/s/12", "/"),
        ("/b", "~/s/[0-9]+", "true", "/s/12", "/b"),
        ("/b", "~/s/[0-9]+", "true", "/s/12/", "/b/"),
        ("/b", "~/s/[0-9]+", "true", "/s/12r", "/b/r"),
        ("/b", "~/s/[0-9]+$", "true", "/s/12", "/b"),
        ("/b", "~/s/.*", "true", "/s/r/", "/b/"),
        ("/b", "~/s/[^b]*", "true", "/s/r/dbx", "/b/bx"),
        ("/b", "~/s/.*?x", "true", "/s/axbx", "/b/bx"),
        ("/b", "~/(?<all>s|sr)", "true", "/srx", "/b/rx"),
        ("/b", "~/s", "false", "/s/r", "/b/s/r"),
        ("/b", "~/s", "true", "/s..", "/b"),
    ],
)
def test_the_services_path_is_joined_to_the_rest(
    read: Read, base: str, prefix: str, strip: str, path: str, expected: str
) -> None:
    routes = f"[{{name: one, paths: ['{prefix}'], strip_path: {strip}}}]"
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


def conditions(document: Section, name: str) -> dict[str, Section]:
    return {one["name"]: one for one in route(document, name)["match"]["headers"]}


def pattern(matcher: Section) -> re.Pattern[str]:
    return re.compile(matcher["string_match"]["safe_regex"]["regex"])


@pytest.mark.parametrize(
    ("values", "matching", "others"),
    [
        ("[v1, V2]", ["v1", "V1", "v2", "v0,v2", "v1,v0"], ["v3", "xv1", "v1x", ""]),
        ("['~*^v[12]$']", ["v1", "V2", "v0,v2"], ["v3", "xv1"]),
        ("['~*beta']", ["a-Beta-1"], ["bet"]),
        ("['a.b|c']", ["A.b|c"], ["axb|c", "c"]),
    ],
)
def test_a_header_has_one_of_the_values(read: Read, values: str, matching: list[str], others: list[str]) -> None:
    document = rendered(read(routes=f"[{{name: one, headers: {{X-Version: {values}}}}}]"))
    found = pattern(conditions(document, "one")["x-version"])
    assert all(found.fullmatch(value) for value in matching)
    assert not any(found.fullmatch(value) for value in others)


def test_what_came_without_tls_is_told_so_or_sent_there(read: Read) -> None:
    routes = """[
      {name: told, paths: [/told], protocols: [https]},
      {name: sent, paths: [/sent], protocols: [https], https_redirect_status_code: 308},
      {name: both, paths: [/both]},
    ]"""
    found = trees(rendered(read(routes=routes)))["*"]
    told, refused = found["/told"]
    assert told["match"]["headers"] == [{"name": "x-forwarded-proto", "string_match": {"exact": "https"}}]
    assert (refused["match"], refused["direct_response"]["status"]) == ({"prefix": "/told"}, 426)
    assert found["/sent"][1]["direct_response"] == {"status": 308}
    assert "headers" not in found["/both"][0]["match"]


def test_a_route_for_grpc_takes_nothing_else(read: Read) -> None:
    document = rendered(read(routes="[{name: one, paths: [/a.B/], protocols: [grpc]}]", url="grpc://127.0.0.1:9001"))
    one, other = trees(document)["*"]["/a.B/"]
    assert one["match"]["headers"] == [{"name": "content-type", "string_match": {"prefix": "application/grpc"}}]
    assert (other["match"], other["direct_response"]["status"]) == ({"prefix": "/a.B/"}, 415)


def test_the_name_that_tls_asked_for_is_compared_where_there_is_tls(read: Read) -> None:
    routes = "[{name: one, snis: [a.example, '*.b.example', c.*], protocols: [https]}]"
    sni = conditions(rendered(read(routes=routes)), "one")["x-outrider-sni"]
    assert sni["treat_missing_header_as_empty"] is True
    taking = ["", "sni:a.example", "sni:A.example", "sni:x.b.example", "sni:c.d"]
    assert [
        one for one in [*taking, "sni:", "sni:-", "sni:b.example", "a.example"] if pattern(sni).fullmatch(one)
    ] == taking


@pytest.mark.parametrize(
    ("path", "strip", "told"),
    [
        ("/a/b", "true", "/a/b"),
        ("/caf%C3%A9", "true", "/caf%%C3%%A9"),
        ("/", "true", None),
        ("/a", "false", None),
        ("~/a", "true", None),
    ],
)
def test_upstream_hears_what_was_taken_off_the_path(read: Read, path: str, strip: str, told: str | None) -> None:
    found = route(rendered(read(routes=f"[{{name: one, paths: ['{path}'], strip_path: {strip}}}]")), "one")
    headers = [one["header"] for one in found.get("request_headers_to_add", [])]
    assert headers == ([{"key": "x-forwarded-prefix", "value": told}] if told else [])


def test_what_strangers_may_not_say_is_removed_before_anything_else(read: Read) -> None:
    extensions = manager(rendered(read()))["early_header_mutation_extensions"]
    removed = [one["remove"] for each in extensions for one in each["typed_config"]["mutations"]]
    assert {"x-forwarded-host", "x-forwarded-port", "x-forwarded-path", "x-forwarded-prefix"} <= set(removed)
    assert {"x-real-ip", "x-outrider-sni"} <= set(removed)
