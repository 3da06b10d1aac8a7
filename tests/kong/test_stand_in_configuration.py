"""What of kong.yml, kong.conf and a query command's answer Kong refuses, and what it makes of the rest."""

import json
from typing import Any

import pytest
import yaml

from outrider_kong.stand_in import declarative, servers, settings
from outrider_kong.stand_in.bundled import KNOWN
from outrider_kong.stand_in.configured import Configured
from outrider_kong.stand_in.entities import Declared, PluginEntry
from outrider_kong.stand_in.mistakes import MistakeError
from outrider_kong.stand_in.plugins import Known, load, precedence
from outrider_kong.stand_in.schema import Field, check
from outrider_kong.stand_in.settings import ServerLines, Settings

SERVER = ServerLines(name="ours", socket="/s", query_cmd="outrider ...")
INFO: dict[str, Any] = {
    "Name": "p",
    "Version": "1.0.0",
    "Priority": 1,
    "Phases": ["access"],
    "Schema": {"name": "p", "fields": []},
}
KNOWN_BY_NAME = {known.name: known for known in KNOWN}
PROBE = Known(name="probe", priority=1, phases=frozenset({"access"}), fields=[{"mode": {"type": "string"}}])


def declared(**document: Any) -> Declared:
    return declarative.read(yaml.safe_dump({"_format_version": "3.0", **document}))


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ({"type": "string"}, 1, "expected a string, not 1"),
        ({"type": "string"}, "", "length must be at least 1"),
        ({"type": "integer"}, 1.5, "expected an integer, not 1.5"),
        ({"type": "integer"}, True, "expected an integer, not True"),
        ({"type": "number"}, "1", "expected a number, not '1'"),
        ({"type": "boolean"}, "yes", "expected a boolean, not 'yes'"),
        ({"type": "array", "elements": {"type": "string"}}, {"a": 1}, "expected an array, not {'a': 1}"),
        ({"type": "set", "elements": {"type": "string"}}, "a", "expected a set, not 'a'"),
        ({"type": "map"}, [], "expected a map, not []"),
        ({"type": "record"}, "x", "expected a record, not 'x'"),
        ({"type": "string", "required": True}, None, "required field missing"),
        ({"type": "string", "one_of": ["a", "b"]}, "c", "expected one of ['a', 'b'], not 'c'"),
        ({"type": "integer", "between": [1, 5]}, 6, "should be between [1, 5], not 6"),
        ({"type": "integer", "gt": 0}, 0, "value must be greater than 0, not 0"),
        ({"type": "array", "len_min": 1, "elements": {"type": "string"}}, [], "length must be at least 1"),
        ({"type": "string", "is_regex": True}, "(", "not a regular expression: '('"),
    ],
)
def test_a_bad_value_is_one_sentence(field: dict[str, Any], value: Any, what: str) -> None:
    _, mistakes = check("config", {"f": value}, [{"f": field}])
    assert mistakes == [f"config.f: {what}."]


def test_mistakes_are_found_inside_arrays_maps_and_records() -> None:
    fields: list[Field] = [
        {"list": {"type": "array", "elements": {"type": "integer"}}},
        {"map": {"type": "map", "keys": {"type": "string"}, "values": {"type": "integer", "gt": 0}}},
        {"record": {"type": "record", "fields": [{"inner": {"type": "string", "required": True}}]}},
    ]
    _, mistakes = check("config", {"list": [1, "2"], "map": {"a": 0}, "record": {"other": 1}, "more": 1}, fields)
    assert mistakes == [
        "config.list[2]: expected an integer, not '2'.",
        "config.map.a: value must be greater than 0, not 0.",
        "config.record.inner: required field missing.",
        "config.record.other: unknown field.",
        "config.more: unknown field.",
    ]


def test_defaults_are_filled_in_and_absent_fields_are_null() -> None:
    fields: list[Field] = [
        {"a": {"type": "integer", "default": 5}},
        {"b": {"type": "string"}},
        {"c": {"type": "record", "required": True, "fields": [{"d": {"type": "string", "default": "x"}}]}},
        {"e": {"type": "record", "fields": [{"f": {"type": "string", "required": True}}]}},
    ]
    assert check("config", {}, fields) == ({"a": 5, "b": None, "c": {"d": "x"}, "e": None}, [])


def test_an_instance_gets_nulls_and_an_empty_array_as_a_record() -> None:
    entry = PluginEntry({"id": "i", "name": "p"}, route="r")
    config = json.loads(Configured(entry, {"a": None, "b": [], "c": {}, "d": [1], "e": False}, 7).json())
    workspace = declarative.WORKSPACE
    assert config == {
        "a": None,
        "b": {},
        "c": {},
        "d": [1],
        "e": False,
        "route_id": "r",
        "__plugin_id": "i",
        "__ws_id": workspace,
        "__key__": f"plugins:p:r::::{workspace}",
        "__seq__": 7,
    }


@pytest.mark.parametrize("missing", ["Name", "Version", "Priority", "Phases", "Schema"])
def test_a_query_answer_that_lacks_something_is_refused(missing: str) -> None:
    info = {key: value for key, value in INFO.items() if key != missing}
    with pytest.raises(MistakeError, match=f"ours: outrider ...: {missing} is missing"):
        servers.read(SERVER, json.dumps({"Protocol": "ProtoBuf:1", "Plugins": [info]}).encode())


@pytest.mark.parametrize("answer", [b"", b"warning\n{}", b"3", b"{}", b"[]", b'{"Plugins": []}'])
def test_a_query_answer_that_is_not_json_alone_or_names_no_plugin_is_refused(answer: bytes) -> None:
    with pytest.raises(MistakeError, match=r"ours: outrider ...: (printed|names)"):
        servers.read(SERVER, answer)


def test_only_the_first_plugin_is_read_and_a_bare_list_means_messagepack() -> None:
    other = {**INFO, "Name": "other"}
    assert servers.read(SERVER, json.dumps([INFO, other]).encode()).protocol == "MsgPack:1"
    named = servers.read(SERVER, json.dumps({"Protocol": "ProtoBuf:1", "Plugins": [INFO, other]}).encode())
    assert (named.name, named.protocol) == ("p", "ProtoBuf:1")


def test_kong_conf_is_read_and_variables_win() -> None:
    conf = """
      # a comment
      plugins = bundled, outrider-chain   # another
      pluginserver_names = outrider-chain,other
      pluginserver_outrider_chain_socket = /s.sock
      pluginserver_outrider_chain_query_cmd = outrider render kong f.yaml --info outrider-chain
      pluginserver_outrider_chain_start_cmd = outrider serve kong f.yaml
      pluginserver_other_query_cmd = q
      nginx_http_lua_socket_read_timeout = 500ms
      client_body_buffer_size = 16k
      trusted_ips = 10.0.0.0/8,::1
    """
    read = settings.read(conf, {"KONG_PREFIX": "/p", "KONG_CLIENT_BODY_BUFFER_SIZE": "1m", "HOME": "/"})
    chain = ServerLines(
        name="outrider-chain",
        socket="/s.sock",
        query_cmd="outrider render kong f.yaml --info outrider-chain",
        start_cmd="outrider serve kong f.yaml",
    )
    assert read.servers == (chain, ServerLines(name="other", socket="/p/other.socket", query_cmd="q"))
    assert read.plugins == ("bundled", "outrider-chain")
    assert (read.read_timeout, read.body_buffer) == (0.5, 2**20)
    assert [str(network) for network in read.trusted_ips] == ["10.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("pluginserver_names = a", "pluginserver_a_query_cmd is missing"),
        ("trusted_ips = nowhere", "'nowhere' is no address and no network"),
        ("nginx_http_lua_socket_read_timeout = soon", "'soon' is not a time such as 60s or 500ms"),
        ("client_body_buffer_size = big", "'big' is not a size such as 8k or 5m"),
        ("nonsense", "'nonsense' is not a line of the form name = value"),
    ],
)
def test_a_bad_line_of_kong_conf_is_refused(line: str, what: str) -> None:
    with pytest.raises(MistakeError, match=what):
        settings.read(line, {})


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ({"plugins": [{"name": "nope"}]}, "plugin 'nope' not enabled; add it to the 'plugins' of kong.conf"),
        ({"plugins": [{"name": "probe", "config": {"mode": 1}}]}, "plugin probe: config.mode: expected a string"),
        ({"plugins": [{"name": "probe"}, {"name": "probe", "id": "x"}]}, "configured twice for the same scope"),
        ({"plugins": [{"name": "pre-function", "config": {"access": ["x y"]}}]}, "function in access: error parsing"),
        ({"plugins": [{"name": "pre-function"}]}, "at least one of these fields must be non-empty"),
        ({"plugins": [{"name": "pre-function", "config": {"body_filter": ["x()"]}}]}, "the stand-in runs only"),
        ({"plugins": [{"name": "probe", "route": "nope"}]}, "route 'nope' is referred to, but not declared"),
        ({"services": [{"name": "s"}]}, "service s: host or url is missing"),
        (
            {"services": [{"name": "s", "url": "http://a", "routes": [{"name": "r"}]}]},
            "route r: must set one of paths",
        ),
    ],
)
def test_what_kong_refuses_of_a_kong_yml_is_a_sentence(document: dict[str, Any], what: str) -> None:
    known = {**KNOWN_BY_NAME, "probe": PROBE}
    with pytest.raises(MistakeError, match=what):
        load(declared(**document), known, Settings(plugins=("bundled", "probe")), 1)


def test_every_mistake_is_told_at_once() -> None:
    plugins = [{"name": "nope"}, {"name": "acl", "config": {"allow": "gold", "x": 1}}]
    with pytest.raises(MistakeError) as caught:
        load(declared(plugins=plugins), KNOWN_BY_NAME, Settings(), 1)
    assert len(caught.value.sentences) == 3


@pytest.mark.parametrize("text", ["[]", "_format_version: '9.9'", "{", "a: b"])
def test_a_file_that_is_no_kong_yml_is_refused(text: str) -> None:
    with pytest.raises(MistakeError, match=r"kong\.yml: "):
        declarative.read(text)


def test_plugins_are_found_wherever_they_stand() -> None:
    probe = {"name": "probe"}
    route = {"name": "r", "paths": ["/"], "plugins": [probe]}
    service = {"name": "s", "url": "http://a", "routes": [route], "plugins": [probe]}
    consumer = {"username": "c", "plugins": [probe]}
    flat = [probe, {"name": "probe", "route": "r", "consumer": "c"}]
    read = declared(services=[service], consumers=[consumer], plugins=flat)
    [found_service], [found_route], [found_consumer] = read.services, read.routes, read.consumers
    scopes = {(entry.route, entry.service, entry.consumer) for entry in read.plugins}
    assert scopes == {
        (found_route.id, None, None),
        (None, found_service.id, None),
        (None, None, found_consumer.id),
        (None, None, None),
        (found_route.id, None, found_consumer.id),
    }


def test_the_most_specific_configuration_comes_first() -> None:
    assert precedence("r", "s", "c") == [
        ("r", "s", "c"),
        ("r", None, "c"),
        (None, "s", "c"),
        ("r", "s", None),
        (None, None, "c"),
        ("r", None, None),
        (None, "s", None),
        (None, None, None),
    ]
