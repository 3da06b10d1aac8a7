"""Kong's declarative configuration, rendered from a file."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.outrider import outrider
from outrider import discovery
from outrider.config import load
from outrider_cli.kong_config import kong_yml

FILE = """
_format_version: "3.0"
gateway: {plugin_dirs: [plugins]}
services:
  - name: orders
    url: https://orders.internal/base
    tags: [first]
    connect_timeout: 1
    write_timeout: 2
    read_timeout: 3
    retries: 4
    routes:
      - name: orders
        paths: [/orders, /old]
        hosts: [a.example]
        methods: [GET, POST]
        strip_path: false
        preserve_host: true
        tags: [second]
      - {name: quiet, paths: [/quiet]}
    plugins: [{name: key-auth, route: orders}]
  - {name: closed, url: "http://127.0.0.1:1", enabled: false, routes: [{name: closed, paths: [/closed]}]}
  - {name: local, host: "::1", port: 9001, routes: [{name: local, paths: [/local]}]}
consumers:
  - username: alice
    custom_id: "42"
    tags: [third]
    keyauth_credentials: [{key: "{vault://env/KONG_TEST_KEY}"}, {key: alice-key}]
  - custom_id: "43"
"""
PLUGIN = """
from outrider import Needs, Plugin
print("loud")
class Tells(Plugin):
    secret: str
    def needs(self): return Needs(identity_headers=("x-user_email",))
    def on_request(self, request): ...
class Logs(Plugin):
    def on_log(self, request, log): ...
class Responds(Plugin):
    def on_response(self, request, response): ...
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KONG_TEST_KEY", "hunter2")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "some.py").write_text(PLUGIN)
    found = tmp_path / "outrider.yaml"
    found.write_text(FILE)
    return found


def rendered(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(kong_yml(file))
    return found


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def test_a_service_and_its_route_have_every_field_of_the_file(file: Path) -> None:
    service = named(rendered(file)["services"], "orders")
    (route, _) = service.pop("routes")
    assert service == {
        "name": "orders",
        "id": service["id"],
        "protocol": "https",
        "host": "orders.internal",
        "port": 443,
        "path": "/base",
        "connect_timeout": 1,
        "write_timeout": 2,
        "read_timeout": 3,
        "retries": 4,
        "tags": ["first"],
    }
    assert route == {
        "name": "orders",
        "id": route["id"],
        "paths": ["/orders", "/old"],
        "hosts": ["a.example"],
        "methods": ["GET", "POST"],
        "strip_path": False,
        "preserve_host": True,
        "protocols": ["http", "https"],
        "tags": ["second"],
        "plugins": [{"name": "outrider-chain", "config": {"route": "orders"}}],
    }


def test_what_has_no_plugins_asks_nobody_and_what_is_disabled_is_not_there(file: Path) -> None:
    services = rendered(file)["services"]
    assert [service["name"] for service in services] == ["orders", "local"]
    assert "plugins" not in named(named(services, "orders")["routes"], "quiet")


@pytest.mark.parametrize(
    ("host", "written"), [("::1", "[::1]"), ("10.0.0.1", "10.0.0.1"), ("::1.2.3.4", r"\[[0-9a-f:]{39}\]")]
)
def test_an_ipv6_address_stands_in_brackets(file: Path, host: str, written: str) -> None:
    file.write_text(FILE.replace('"::1"', f'"{host}"'))
    found = named(rendered(file)["services"], "local")["host"]
    assert found == written or re.fullmatch(written, found)


@pytest.mark.parametrize(
    ("plugin", "chain"),
    [
        ("tells, config: {secret: a}", "outrider-chain"),
        ("logs", "outrider-chain-log"),
        ("responds", "outrider-chain-response"),
    ],
)
def test_each_route_gets_the_chain_whose_phases_it_needs(file: Path, plugin: str, chain: str) -> None:
    file.write_text(FILE + f"plugins: [{{name: {plugin}, route: quiet}}]\n")
    routes = named(rendered(file)["services"], "orders")["routes"]
    assert named(routes, "quiet")["plugins"] == [{"name": chain, "config": {"route": "quiet"}}]
    assert named(routes, "orders")["plugins"] == [{"name": "outrider-chain", "config": {"route": "orders"}}]


def test_consumers_have_the_ids_that_the_server_knows_them_by(file: Path) -> None:
    alice, other = load(file, discovery.installed(), discovery.in_folder).consumers
    assert rendered(file)["consumers"] == [
        {"id": alice.id, "username": "alice", "custom_id": "42", "tags": ["third"]},
        {"id": other.id, "custom_id": "43"},
    ]


def test_no_secret_and_no_field_of_a_plugin_is_in_it(file: Path) -> None:
    file.write_text(FILE + 'plugins: [{name: tells, config: {secret: "{vault://env/KONG_TEST_KEY}"}}]\n')
    text = kong_yml(file)
    for word in ("hunter2", "alice-key", "keyauth", "vault", "secret"):
        assert word not in text


def test_the_functions_are_global_and_know_the_headers_that_plugins_declare(file: Path) -> None:
    file.write_text(FILE + "plugins: [{name: tells, config: {secret: a}}]\n")
    before, behind = rendered(file)["plugins"]
    assert (before["name"], before["config"].keys()) == ("pre-function", {"access"})
    assert (behind["name"], behind["config"].keys()) == ("post-function", {"header_filter"})
    assert '["x-user-email"] = true' in before["config"]["access"][0]
    assert '["x-consumer-id"] = true' in before["config"]["access"][0]


def test_the_command_prints_the_same_and_nothing_that_a_plugin_prints(file: Path) -> None:
    done = outrider("render", "kong", file)
    assert (done.returncode, done.stderr) == (0, "loud\n")
    assert done.stdout == kong_yml(file)
    assert re.search(r"^    - \|\n      -- Outrider: ", done.stdout, re.MULTILINE), (
        "the functions are no longer readable"
    )


def test_a_file_that_kong_can_not_serve_prints_nothing_but_its_mistakes(file: Path) -> None:
    file.write_text(FILE + "plugins: [{name: request-size-limit, config: {limit: 5}}]\n")
    done = outrider("render", "kong", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "request-size-limit: needs on_request_chunk, and Kong shows plugins no bodies piece by piece" in done.stderr
    )


def test_an_address_that_kong_can_not_connect_to_is_refused(file: Path) -> None:
    for listen in ("127.0.0.1:9000", "unix:relative.sock", "unix:/run/outrider/", "unix:/a\nb"):
        done = outrider("render", "kong", file, "--conf", "--listen", listen)
        assert (done.returncode, done.stdout) == (2, "")
        assert "write unix:/PATH" in " ".join(done.stderr.split())


def test_nothing_is_written_beside_the_file(file: Path) -> None:
    before = sorted(file.parent.iterdir())
    kong_yml(file)
    assert sorted(file.parent.iterdir()) == before
