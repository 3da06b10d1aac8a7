"""A kong.yml that was there before: what only Kong has goes through as it is written, what both have is ours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from outrider import discovery
from outrider.config import ConfigError
from outrider.config.kongs_own import kongs_plugins
from outrider_cli.kong_config import kong_yml

Section = dict[str, Any]
DUMP = Path(__file__).parent / "kongs_own.yml"
HEAD = '_format_version: "3.0"\n'
ROUTE = """services:
  - name: orders
    url: http://127.0.0.1:9001
    routes: [{name: orders, paths: [/orders]}, {name: other, paths: [/other]}]
"""
CONSUMER = "consumers: [{username: web, id: 6f7d3b52-3c1e-4b57-9d0a-0c5a1f0e7a01%s}]\n"


def written() -> Section:
    document: Section = yaml.safe_load(DUMP.read_text())
    return document


@pytest.fixture(scope="module")
def found() -> Section:
    document: Section = yaml.safe_load(kong_yml(DUMP))
    return document


def own(document: Section) -> list[Section]:
    """Without the two functions, which stand at the end."""
    plugins: list[Section] = document["plugins"]
    assert [one["name"] for one in plugins[-2:]] == ["pre-function", "post-function"]
    return plugins[:-2]


def refused(folder: Path, text: str) -> list[str]:
    path = folder / "kong.yml"
    path.write_text(HEAD + text)
    with pytest.raises(ConfigError) as caught:
        kong_yml(path)
    return [f"{one.line}: {one.where}: {one.what}: {one.remedy}" for one in caught.value.mistakes]


def test_every_enabled_plugin_of_kongs_goes_through_with_its_scope(found: Section) -> None:
    web, partner = (consumer["id"] for consumer in found["consumers"])
    scopes = [
        (one["name"], *(one.get(field) for field in ("service", "route", "consumer", "instance_name")))
        for one in own(found)
    ]
    assert scopes == [
        ("hmac-auth", None, "signed", None, None),
        ("our-own", None, "signed", None, None),
        ("jwt", None, "tokens", None, None),
        ("request-transformer", "orders", None, None, None),
        ("rate-limiting", None, None, partner, "partners-limit"),
        ("prometheus", None, None, None, None),
        ("rate-limiting", None, "tokens", web, None),
        ("http-log", "orders", None, None, None),
    ]


def test_its_fields_are_as_they_were_references_among_them(found: Section) -> None:
    limit = written()["consumers"][1]["plugins"][0]
    partners = own(found)[4]
    assert partners == {**{k: v for k, v in limit.items() if v is not None}, "consumer": partners["consumer"]}
    assert own(found)[1]["config"] == {"anything": ["{vault://aws/elsewhere}"]}
    assert own(found)[6]["config"]["redis"]["password"] == "{vault://mine/redis-password}"


def test_lists_of_kongs_own_go_through_at_the_top_and_under_their_consumer(found: Section) -> None:
    before = written()
    assert {name: found[name] for name in ("vaults", "hmacauth_credentials")} == {
        name: before[name] for name in ("vaults", "hmacauth_credentials")
    }
    kinds = ("hmacauth_credentials", "oauth2_credentials")
    for consumer, was, kind in zip(found["consumers"], before["consumers"], kinds, strict=True):
        assert consumer[kind] == was[kind]


def test_the_credentials_of_ours_stay_in_the_file_but_those_that_kongs_jwt_reads(found: Section) -> None:
    web, partner = found["consumers"]
    assert web["jwt_secrets"] == written()["consumers"][0]["jwt_secrets"]
    assert "acls" not in web
    assert "keyauth_credentials" not in partner


def test_jwt_secrets_stay_in_the_file_where_kongs_jwt_is_not(tmp_path: Path) -> None:
    path = tmp_path / "kong.yml"
    secret = ", jwt_secrets: [{key: a, secret: hunter2}]"
    path.write_text(HEAD + ROUTE + CONSUMER % secret + "plugins: [{name: jwt-auth}, {name: prometheus}]\n")
    text = kong_yml(path)
    assert "hunter2" not in text
    assert "prometheus" in text


def test_what_both_have_is_ours(found: Section) -> None:
    routes = found["services"][0]["routes"]
    assert [[one["name"] for one in route.get("plugins", [])] for route in routes] == [[], [], ["outrider-chain"]]


def test_a_plugin_that_somebody_has_installed_in_kong_is_named_in_the_gateway(tmp_path: Path) -> None:
    [line] = refused(tmp_path, "plugins: [{name: our-own}]\n")
    assert line.startswith('2: plugins[our-own].name: no plugin is called "our-own": ')


@pytest.mark.parametrize("name", ["pre-function", "post-function"])
@pytest.mark.parametrize("scope", ["", ", route: orders", ", service: orders", ", consumer: web"])
def test_a_function_that_would_take_the_place_of_ours_is_refused(tmp_path: Path, name: str, scope: str) -> None:
    """Kong runs one configuration of a plugin: without our function identity headers of downstream would pass."""
    [line] = refused(tmp_path, ROUTE + CONSUMER % "" + f"plugins: [{{name: {name}{scope}}}]\n")
    assert "write what it does as a plugin in Python; behind Kong, Outrider's own function has its place" in line


@pytest.mark.parametrize("name", ["pre-function", "post-function", "outrider-chain", "outrider-key-auth"])
def test_what_has_outriders_place_in_kong_can_not_be_named_as_kongs_own_either(tmp_path: Path, name: str) -> None:
    [line] = refused(tmp_path, ROUTE + f"gateway: {{kong_plugins: [{name}]}}\nplugins: [{{name: {name}}}]\n")
    assert f'no plugin is called "{name}": write ' in line


@pytest.mark.parametrize("scope", ["consumer: web", "consumer_group: gold"])
def test_a_plugin_for_a_consumer_whom_kong_finds_out_too_late_is_refused(tmp_path: Path, scope: str) -> None:
    """The chain runs before Kong's authentication, so the plugin would be passed over."""
    groups = "consumer_groups: [{name: gold}]\n"
    plugins = f"plugins:\n  - {{name: jwt, route: orders}}\n  - {{name: request-termination, {scope}}}\n"
    assert refused(tmp_path, ROUTE + CONSUMER % "" + groups + plugins) == [
        (
            "10: plugin request-termination: would not run, since Kong's jwt finds out who calls only behind it: "
            "write jwt-auth"
        )
    ]


def test_a_plugin_for_a_consumer_is_fine_on_another_route_than_kongs_authentication(tmp_path: Path) -> None:
    path = tmp_path / "kong.yml"
    plugins = "plugins: [{name: jwt, route: orders}, {name: request-termination, consumer: web, route: other}]\n"
    path.write_text(HEAD + ROUTE + CONSUMER % "" + plugins)
    assert "name: jwt\n" in kong_yml(path)


def test_a_plugin_of_kongs_for_a_group_is_refused_since_kong_is_told_of_no_groups(tmp_path: Path) -> None:
    text = ROUTE + "consumer_groups: [{name: gold, plugins: [{name: rate-limiting, config: {minute: 1}}]}]\n"
    [line] = refused(tmp_path, text)
    assert line.startswith("6: consumer_groups[gold].plugins[rate-limiting].name: is for a group, ")


def test_a_reference_that_kongs_jwt_would_take_for_a_secret_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KONG_TEST_SECRET", "hunter2")
    secret = ', jwt_secrets: [{key: a, secret: "{vault://env/KONG_TEST_SECRET}"}]'
    [line] = refused(tmp_path, ROUTE + CONSUMER % secret + "plugins: [{name: jwt}]\n")
    assert "consumers[web].jwt_secrets[0]: has a reference, and Kong's jwt would take its words" in line


FIELDS: Mapping[str, Mapping[str, str]] = {
    "acl": {"always_use_authenticated_groups": "claim"},
    "basic-auth": {"hide_credentials": "hide", "realm": "remove it"},
    "correlation-id": {"header_name": "header", "generator": "remove it", "echo_downstream": "echo"},
    "cors": {"private_network": "remove it", "preflight_continue": "remove it"},
    "ip-restriction": {},
    "key-auth": {
        "key_names": "header, query or cookie",
        "hide_credentials": "hide",
        "key_in_header": "header",
        "key_in_query": "query",
        "key_in_body": "remove it",
        "run_on_preflight": "remove it",
        "realm": "remove it",
    },
    "request-termination": {"status_code": "status", "echo": "remove it"},
}
"""Every field that Kong 3.9's plugin has and ours has not, with what its remedy says."""
SHARED: Mapping[str, frozenset[str]] = {
    "acl": frozenset({"allow", "deny", "hide_groups_header"}),
    "basic-auth": frozenset({"anonymous"}),
    "correlation-id": frozenset(),
    "cors": frozenset({"origins", "headers", "exposed_headers", "methods", "max_age", "credentials"}),
    "ip-restriction": frozenset({"allow", "deny", "status", "message"}),
    "key-auth": frozenset({"anonymous"}),
    "request-termination": frozenset({"message", "content_type", "body", "trigger"}),
}
"""All other fields of Kong 3.9's: ours have them too."""


@pytest.mark.parametrize("name", [name for name, fields in FIELDS.items() if fields])
def test_every_field_that_only_kongs_plugin_has_is_told_with_ours(tmp_path: Path, name: str) -> None:
    fields = FIELDS[name]
    plugin = f"plugins:\n  - name: {name}\n    config:\n" + "".join(f"      {field}: null\n" for field in fields)
    places = [f"plugins[{name}].config.{field}: is a field of Kong's own plugin: " for field in fields]
    found = [line.partition(": ")[2] for line in refused(tmp_path, plugin) if "is missing" not in line]
    assert len(found) == len(fields)
    for line, place, remedy in zip(found, places, fields.values(), strict=True):
        assert line.startswith(place)
        assert remedy in line.removeprefix(place)


@pytest.mark.parametrize("name", SHARED)
def test_every_other_field_of_kongs_is_one_of_ours(name: str) -> None:
    ours = discovery.installed()[name].__dataclass_fields__
    assert SHARED[name] <= ours.keys()
    assert not FIELDS[name].keys() & ours.keys()


def test_no_plugin_of_ours_has_the_name_of_one_that_is_left_to_kong() -> None:
    assert not kongs_plugins(()) & discovery.installed().keys()
