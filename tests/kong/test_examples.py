"""examples/kong: a Kong of somebody's own that asks our server."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import http1
from harness.outrider import free_port, outrider
from harness.process import until
from harness.upstream import Answer, Upstream
from outrider import discovery
from outrider.needs import Hook
from outrider_cli.kong_config import kong_conf, kong_yml
from outrider_cli.loading import Source
from outrider_kong.info import info
from outrider_kong.names import CHAINS, PREFIX, chain_for
from outrider_kong.stand_in.schema import check, config_fields

EXAMPLE = Path(__file__).parents[2] / "examples" / "kong"
FILE = EXAMPLE / "outrider.yaml"
SOCKET = "unix:/usr/local/kong/outrider.sock"
INSTALLED = discovery.installed()
NAMES = ("chain", "chain-response", "key-auth")

ALICE = ("x-api-key", "alice-key")
BOB = ("x-api-key", "bob-key")


def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLE / "kong.yml").read_text())
    return found


def ours() -> list[dict[str, Any]]:
    """The plugins of the example that our server runs."""
    routes = [route for service in document()["services"] for route in service["routes"]]
    plugins = [plugin for route in routes for plugin in route.get("plugins", ())]
    return [plugin for plugin in plugins if plugin["name"].startswith(PREFIX)]


def test_the_file_beside_it_has_no_mistakes_and_knows_the_consumers() -> None:
    known = Source.read(FILE, "kong").configuration.consumers
    assert all(known.find(one["username"]) for one in document()["consumers"])


def test_every_configuration_fits_its_schema() -> None:
    assert {plugin["name"] for plugin in ours()} == {PREFIX + name for name in NAMES}
    for plugin in ours():
        schema = info(plugin["name"], INSTALLED)["Plugins"][0]["Schema"]
        assert check(plugin["name"], plugin["config"], config_fields(schema))[1] == []


def test_each_chain_has_the_phases_that_its_plugins_need_and_no_more() -> None:
    for plugin in ours():
        if plugin["name"] in CHAINS:
            classes = [INSTALLED[name] for name in _listed(plugin["config"])]
            hooks: set[Hook] = {hook for cls in classes for hook in cls.overridden() - cls.rare_hooks}
            assert plugin["name"] == chain_for(hooks)


def _listed(config: Mapping[str, Any]) -> list[str]:
    return [name for entry in config["plugins"] for name in entry]


def test_its_functions_are_those_that_the_command_prints() -> None:
    assert document()["plugins"] == yaml.safe_load(kong_yml(FILE))["plugins"]


def test_its_conf_is_what_the_command_prints() -> None:
    printed = kong_conf(FILE, SOCKET, NAMES)
    command = str(Path(sys.executable).with_name("outrider"))
    for here, there in ((command, "/opt/outrider/bin/outrider"), (str(EXAMPLE), "/etc/outrider")):
        printed = printed.replace(here, there)
    assert (EXAMPLE / "kong.conf").read_text() == printed


@pytest.fixture(scope="module")
def upstream() -> Generator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture(scope="module")
def port(upstream: Upstream) -> Generator[int]:
    """The stand-in with the example, and the server that it starts."""
    # Not tmp_path: a unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="kong-") as name:
        folder, listen = Path(name), free_port()
        file, declared = folder / "outrider.yaml", folder / "kong.yml"
        file.write_text(FILE.read_text().replace("gateway:", f"gateway:\n  metrics: 127.0.0.1:{free_port()}"))
        declared.write_text((EXAMPLE / "kong.yml").read_text().replace(":9001", f":{upstream.port}"))
        names = [part for name in NAMES for part in ("--plugin", name)]
        conf = outrider("render", "kong", file, "--conf", *names, "--listen", f"unix:{folder}/kong.sock")
        (folder / "kong.conf").write_text(conf.stdout)
        command = [sys.executable, "-m", "outrider_kong.stand_in", str(declared), "--conf", str(folder / "kong.conf")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*command, "--listen", f"127.0.0.1:{listen}"], stdout=log, stderr=log)
        try:
            until(lambda: _is_ready(listen))
            yield listen
        finally:
            process.terminate()
            process.wait(15)


def _is_ready(port: int) -> bool:
    try:
        return http1.request(port, "/orders").status == 401
    except OSError:
        return False


@pytest.fixture(autouse=True)
def _empty(upstream: Upstream) -> None:
    upstream.reset()


def test_a_chain_refuses_and_upstream_hears_nothing(port: int, upstream: Upstream) -> None:
    refused = http1.request(port, "/orders")
    assert (refused.status, refused.get("www-authenticate")) == (401, "Key")
    assert json.loads(refused.body)["message"] == "Unauthorized"
    assert not upstream.requests


def test_a_chain_lets_its_consumer_on_and_kongs_own_plugin_sees_who_it_is(port: int, upstream: Upstream) -> None:
    passed = http1.request(port, "/orders", ALICE)
    assert (passed.status, upstream.request.get("x-consumer-username")) == (200, "alice")
    assert passed.get("ratelimit-policy") == '"60s";q=100;w=60'
    assert http1.request(port, "/orders", BOB).status == 403


def test_the_chain_with_a_response_phase_changes_responses(port: int, upstream: Upstream) -> None:
    upstream.answer = Answer(headers=[("x-powered-by", "php"), ("x-kept", "1")])
    page = http1.request(port, "/pages")
    assert (page.status, page.get("x-request-id")) == (200, upstream.request.get("x-request-id"))
    assert (page.get("x-powered-by"), page.get("x-kept")) == (None, "1")


def test_a_plugin_by_itself_has_its_own_configuration(port: int) -> None:
    assert http1.request(port, "/partners", ALICE).status == 401
    assert http1.request(port, "/partners", ("x-partner-key", "alice-key")).status == 200


@pytest.mark.parametrize("name", ["x-consumer-username", "x_consumer_username", "X-Consumer_Username"])
def test_nobody_but_a_plugin_says_who_calls(port: int, upstream: Upstream, name: str) -> None:
    assert http1.request(port, "/open", (name, "root")).status == 200
    assert not [key for key, _ in upstream.request.headers if "consumer" in key.lower()]
