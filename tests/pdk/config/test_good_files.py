"""What a file without a mistake becomes."""

from ipaddress import ip_network
from pathlib import Path
from typing import Protocol

import pytest
from pydantic import SecretStr
from pydantic_core import to_json

from outrider import Identity, Plugin
from outrider.config import ConfigError, Configuration, load
from outrider.config.field_types import Address
from outrider.config.file_model import CREDENTIALS
from outrider.discovery import in_folder
from outrider.errors import PluginError


class Load(Protocol):
    def __call__(self, text: str, environ: dict[str, str] | None = None) -> Configuration: ...


SMALLEST = '_format_version: "3.0"\n'

SHOP = """
_format_version: "3.0"
_comment: the shop
gateway:
  listen: "[::1]:8443"
  trusted_ips: [10.0.0.7/8]
  log: {level: debug}
services:
  - name: orders
    url: https://orders.internal/v1
    retries: 0
    tags: [shop]
    ca_certificates: null
    tls_verify: false
    routes:
      - name: list
        paths: [/orders]
        hosts: [Shop.example]
        methods: [GET]
        path_handling: v0
        regex_priority: 0
        plugins:
          - name: greet
            config: {times: 2}
      - paths: [/orders/new]
        strip_path: false
    plugins:
      - name: greet
  - name: old
    host: 127.0.0.1
    port: 9002
    enabled: false
    routes:
      - name: old
        paths: [/old]
        plugins: [{name: greet}]
routes:
  - hosts: [api.example]
    service: {name: orders}
consumers:
  - username: alice
    custom_id: "17"
    groups: [{name: gold}]
    keyauth_credentials:
      - key: alice-key
        tags: [web]
    acls: [{group: staff}]
    plugins:
      - name: greet
        instance_name: alices
        config: {phrase: "open sesame"}
  - custom_id: "18"
    id: bob
consumer_groups:
  - name: gold
plugins:
  - name: greet
    enabled: false
  - name: greet
    service: orders
    consumer_group: gold
  - name: gate
    config: {anonymous: bob}
"""


@pytest.fixture
def shop(load_text: Load) -> Configuration:
    return load_text(SHOP)


def test_the_smallest_file_has_the_defaults(load_text: Load) -> None:
    gateway = load_text(SMALLEST).gateway
    assert (str(gateway.listen), str(gateway.metrics)) == ("127.0.0.1:8080", "127.0.0.1:9090")
    assert (gateway.protocol, gateway.log.format) == ("ext_proc", "auto")
    assert gateway.workers >= 1
    assert gateway.queue_budget == 500


def test_the_gateway_is_read(shop: Configuration) -> None:
    assert shop.gateway.listen == Address("::1", 8443)
    assert str(shop.gateway.listen) == "[::1]:8443"
    assert shop.gateway.trusted_ips == [ip_network("10.0.0.0/8")]


def test_a_url_is_taken_apart(shop: Configuration) -> None:
    (orders,) = shop.services
    assert (orders.protocol, orders.host, orders.port, orders.path) == ("https", "orders.internal", 443, "/v1")
    assert (orders.retries, orders.connect_timeout, orders.tags) == (0, 60_000, ("shop",))


def test_routes_know_their_service_and_have_stable_names(shop: Configuration) -> None:
    assert [(route.name, route.service.name) for route in shop.routes] == [
        ("list", "orders"),
        ("orders-2", "orders"),
        ("orders-3", "orders"),
    ]
    assert shop.routes[0].hosts == ("shop.example",)
    assert (shop.routes[0].strip_path, shop.routes[1].strip_path) == (True, False)


def test_what_is_disabled_is_left_out(shop: Configuration) -> None:
    assert "old" not in {service.name for service in shop.services}
    assert [(one.service, one.route) for one in shop.plugins if one.name == "greet"] == [
        (None, "list"),
        ("orders", None),
        (None, None),
        ("orders", None),
    ]


def test_consumers_have_their_groups_and_credentials(shop: Configuration) -> None:
    alice = shop.consumers.find("alice")
    assert alice is not None
    assert (alice.custom_id, alice.groups, alice.acls) == ("17", ("gold",), ("staff",))
    (credential,) = shop.consumers.credentials("keyauth_credentials")
    assert (credential.consumer, dict(credential.fields)) == (alice, {"key": SecretStr("alice-key")})
    assert credential.secret("key") == "alice-key"


def test_the_secrets_of_credentials_are_in_no_representation_and_no_dump(load_text: Load) -> None:
    text = """_format_version: "3.0"
consumers: [{
        keyauth_credentials: [{key: "hunter2"}],
        jwt_secrets: [{key: app, secret: "hunter2"}],
        basicauth_credentials: [{username: alice, password: "hunter2"}],
        username: alice}]"""
    consumers = load_text(text).consumers
    credentials = [consumers.credentials(kind) for kind in CREDENTIALS]
    fields = [dict(one.fields) for kind in credentials for one in kind]
    assert len(fields) == 3
    assert "hunter2" not in f"{credentials!r} {fields!r} {to_json(fields)!r} {consumers!r}"


def test_what_an_identity_knows_of_somebody_is_not_in_its_representation() -> None:
    identity = Identity("row-1", claims={"jti": "hunter2"}, headers={"x-role": "hunter2"})
    assert "hunter2" not in repr(identity)


def test_identifiers_are_the_same_in_every_worker_and_tell_nothing_of_a_key(load_text: Load) -> None:
    first, second = load_text(SHOP), load_text(SHOP.replace("alice-key", "another-key"))
    for one, other in zip(first.consumers, second.consumers, strict=True):
        assert one.id == other.id
    rows = [loaded.consumers.credentials("keyauth_credentials")[0].id for loaded in (first, second)]
    assert rows[0] == rows[1]


def test_plugins_are_built_with_their_fields(shop: Configuration) -> None:
    on_list = next(one for one in shop.plugins if one.route == "list")
    alices = next(one for one in shop.plugins if one.instance_name == "alices")
    assert getattr(on_list.plugin, "times") == 2  # noqa: B009 - the class is in conftest.py, which nobody imports
    phrase: SecretStr = getattr(alices.plugin, "phrase")  # noqa: B009 - as above
    assert phrase.get_secret_value() == "open sesame"


def test_json_is_taken_too(load_text: Load) -> None:
    assert load_text('{"_format_version": "3.0", "plugins": [{"name": "greet"}]}').plugins[0].name == "greet"


def test_plugins_of_plugin_dirs_are_found(tmp_path: Path, plugins: dict[str, type[Plugin]]) -> None:
    (tmp_path / "mine").mkdir()
    path = tmp_path / "outrider.yaml"
    path.write_text('_format_version: "3.0"\ngateway: {plugin_dirs: [mine]}\nplugins: [{name: hello}]\n')
    found = load(path, {}, find=lambda folder: {"hello": plugins["greet"]} if folder.name == "mine" else {})
    assert [one.name for one in found.plugins] == ["hello"]


def test_a_plugin_that_is_there_already_or_does_not_load_is_a_mistake(
    tmp_path: Path, plugins: dict[str, type[Plugin]]
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    path = tmp_path / "outrider.yaml"
    path.write_text('_format_version: "3.0"\ngateway:\n  plugin_dirs:\n    - one\n    - two\n')

    def find(folder: Path) -> dict[str, type[Plugin]]:
        if folder.name == "two":
            raise PluginError("hello.py has no plugin: add a subclass of Plugin")
        return {"greet": plugins["need"]}

    with pytest.raises(ConfigError) as caught:
        load(path, plugins, find)
    assert [(mistake.line, mistake.what) for mistake in caught.value.mistakes] == [
        (4, "has a second plugin called greet"),
        (5, "hello.py has no plugin"),
    ]


def test_nothing_secret_is_in_the_text_of_a_configuration(shop: Configuration) -> None:
    assert "alice-key" not in repr(shop)
    assert "open sesame" not in repr(shop)


def test_an_installed_plugin_and_the_file_that_it_comes_from_are_one(tmp_path: Path) -> None:
    """As after `pip install --editable` of a package whose folder is in plugin_dirs."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "greet.py").write_text(
        "from outrider import Plugin, Request\n\n"
        "class Greet(Plugin):\n    def on_request(self, request: Request) -> None: ...\n"
    )
    path = tmp_path / "outrider.yaml"
    path.write_text('_format_version: "3.0"\ngateway: {plugin_dirs: [own]}\nplugins: [{name: greet}]\n')
    configuration = load(path, in_folder(tmp_path / "own"), in_folder)
    assert [one.name for one in configuration.plugins] == ["greet"]


def test_a_group_has_the_consumers_that_name_it_and_those_that_it_names(load_text: Load) -> None:
    text = """_format_version: "3.0"
consumers: [{username: alice, groups: [{name: gold}]}, {username: bob, id: "7"}, {username: carol}]
consumer_groups: [{name: gold, consumers: [{username: alice}, {id: "7"}]}, {name: silver, consumers: [alice]}]
"""
    consumers = load_text(text).consumers
    assert [(one.username, one.groups) for one in consumers] == [
        ("alice", ("gold", "silver")),
        ("bob", ("gold",)),
        ("carol", ()),
    ]


def test_what_kong_and_deck_write_out_and_changes_nothing_is_taken(load_text: Load) -> None:
    text = """_format_version: "3.0"
_transform: true
_workspace: default
_info: {select_tags: [shop], defaults: {}}
_plugin_configs: {}
services:
  - {name: orders, url: "http://127.0.0.1:9001", created_at: 1, updated_at: 2, client_certificate: null}
plugins:
  - {name: greet, protocols: [grpc, grpcs, http, https], ordering: null, consumer: null}
  - {name: need, protocols: [http, https, tcp, tls], config: {size: 1}}
"""
    assert [one.name for one in load_text(text).plugins] == ["greet", "need"]
