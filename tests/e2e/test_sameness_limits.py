"""What a gateway can't do, row by row as docs/sameness.md has it, where no other test holds it."""

import json
from pathlib import Path

import pytest

from harness.http1 import Message
from harness.outrider import Config, Outrider, outrider, plugin, service
from harness.sample import PLUGINS, Protocol
from harness.upstream import Answer, Upstream

RESPONSES = pytest.mark.parametrize("protocol", ["ext_proc", "kong"])  # ext_authz sees none


def scripted(gateway: Outrider, script: str) -> Message:
    return gateway.request("/script", ("x-script", script))


@pytest.mark.parametrize("name", ["x-forwarded-host", "x-forwarded-port", "x-real-ip"])
def test_kong_alone_overwrites_what_a_plugin_says_of_the_caller(
    gateway: Outrider, upstream: Upstream, protocol: Protocol, name: str
) -> None:
    assert scripted(gateway, f"set {name} mine").status == 200
    assert (upstream.request.get(name) == "mine") == (protocol != "kong")


@RESPONSES
def test_no_gateway_lets_go_of_the_date_and_kong_alone_not_of_the_server(
    gateway: Outrider, upstream: Upstream, protocol: Protocol
) -> None:
    upstream.answer = Answer(headers=[("server", "theirs"), ("date", "Thu, 01 Jan 1970 00:00:00 GMT")])
    response = gateway.request("/replies", ("x-response-script", "remove server; remove date"))
    assert response.get("date")
    assert (response.get("server") or "").startswith("kong") == (protocol == "kong")


def test_bytes_that_a_plugin_sets_are_a_fault_behind_ext_authz_alone(
    gateway: Outrider, upstream: Upstream, protocol: Protocol
) -> None:
    status = scripted(gateway, "append x-a caf\xe9").status
    assert status == (500 if protocol == "ext_authz" else 200)
    assert len(upstream.requests) == (status == 200)


@RESPONSES
def test_response_hooks_run_on_an_error_of_envoy_and_not_of_kong(gateway: Outrider, protocol: Protocol) -> None:
    response = gateway.request("/dead-replies", ("x-response-script", "set x-a one"))
    assert (response.status, response.get("x-a")) == ((502, None) if protocol == "kong" else (503, "one"))


@pytest.mark.parametrize(
    ("plugins", "command", "protocol"),
    [
        (["response-script"], "envoy", "ext_authz"),
        (["response-body"], "envoy", "ext_authz"),
        (["upper"], "envoy", "ext_authz"),
        (["upper"], "kong", "ext_proc"),
        (["doubled"], "kong", "ext_proc"),
    ],
)
def test_a_hook_that_the_gateway_has_not_is_refused_when_the_file_is_loaded(
    tmp_path: Path, plugins: list[str], command: str, protocol: str
) -> None:
    file = tmp_path / "outrider.yaml"
    services: list[Config] = [service("a", 1, *(plugin(name) for name in plugins))]
    gateway = {"protocol": protocol, "plugin_dirs": [PLUGINS]}
    file.write_text(json.dumps({"_format_version": "3.0", "gateway": gateway, "services": services}))
    done = outrider("render", command, file)
    assert done.returncode == 1
    assert plugins[0] in done.stderr
