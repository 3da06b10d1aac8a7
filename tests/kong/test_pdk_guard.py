"""The guard of kong-pdk, in Kong's own Lua: without the mark of this request on this route nothing goes on."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import http1
from harness.kong_packed import Script, Server
from harness.kong_process import StandIn
from harness.outrider import free_port, service
from harness.upstream import Upstream
from outrider_cli import kong_config, kong_info

PLUGIN = '''
from outrider import Plugin, Request, Response

class Sees(Plugin):
    """Sees both."""

    def on_request(self, request: Request) -> None: ...
    def on_response(self, request: Request, response: Response) -> None: ...
'''
NAME = "outrider-chain-response"
CONF = """
plugins = bundled,outrider-chain-response
pluginserver_names = outrider-chain-response
pluginserver_outrider_chain_response_socket = {folder}/s
pluginserver_outrider_chain_response_query_cmd = cat {folder}/info
"""


@pytest.fixture
def packed(folder: Path) -> Iterator[Server]:
    with Server(folder / "s") as server:
        yield server


@pytest.fixture
def kong(folder: Path, packed: Server, upstream: Upstream) -> Iterator[StandIn]:
    """A route `a-b` whose chain has a response phase, rendered for kong-pdk."""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "sees.py").write_text(PLUGIN)
    routes = [{"name": "a-b", "paths": ["/r"], "plugins": [{"name": "sees"}]}]
    services = [service("s", upstream.port, routes=routes), service("gone", free_port(), {"name": "sees"})]
    config = {"_format_version": "3.0", "gateway": {"plugin_dirs": ["plugins"]}}
    file = folder / "outrider.yaml"
    file.write_text(yaml.safe_dump({**config, "services": services}))
    kong_yml = kong_config.kong_yml(file, folder / "modules")
    (folder / "info").write_text(kong_info.to_json(file, NAME, for_kong_pdk=True))
    with StandIn(folder, kong_yml, CONF.format(folder=folder)) as started:
        yield started


def marked(*marks: tuple[str, str]) -> Script:
    """Sets these keys of kong.ctx.shared to values in which ID is the request's own id."""

    def script(phase: str) -> Generator[tuple[Any, ...], Any, None]:
        request_id: str = yield "kong.nginx.get_var", "kong_request_id"
        for key, value in marks:
            if key.endswith(":response") == (phase == "response"):
                yield "kong.ctx.shared.set", key, value.replace("ID", request_id)

    return script


REQUEST = (f"outrider_guard:{NAME}", "ID a-b")
RESPONSE = (f"outrider_guard:{NAME}:response", "ID a-b")


def test_a_request_and_a_response_with_their_marks_pass(packed: Server, kong: StandIn) -> None:
    packed.script = marked(REQUEST, RESPONSE)
    assert http1.request(kong.port, "/r").status == 200


@pytest.mark.parametrize(
    "mark",
    [
        (),
        ((REQUEST[0], "ID"),),
        ((REQUEST[0], "ID other"),),
        ((REQUEST[0], "0123456789abcdef0123456789abcdef a-b"),),
        (("outrider_guard:outrider-chain", "ID a-b"),),
        (("outrider_guard", "ID a-b"),),
    ],
    ids=["none", "no-route", "another-route", "another-request", "another-plugin", "no-plugin"],
)
def test_a_request_without_its_mark_is_refused(
    packed: Server, kong: StandIn, upstream: Upstream, mark: tuple[tuple[str, str], ...]
) -> None:
    packed.script = marked(*mark, RESPONSE)
    assert http1.request(kong.port, "/r").status == 503
    assert not upstream.requests


@pytest.mark.parametrize("mark", [(), ((RESPONSE[0], "ID other"),)], ids=["none", "another-route"])
def test_a_response_without_its_mark_is_refused(
    packed: Server, kong: StandIn, mark: tuple[tuple[str, str], ...]
) -> None:
    packed.script = marked(REQUEST, *mark)
    response = http1.request(kong.port, "/r")
    assert response.status == 503
    assert b"could not be checked" in response.body


def test_what_kong_answers_itself_needs_no_mark(packed: Server, kong: StandIn) -> None:
    packed.script = marked((REQUEST[0], "ID gone"))
    assert http1.request(kong.port, "/gone").status == 502


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("plain", 200),
        ("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xed\x9f\xbf \xf4\x8f\xbf\xbf", 200),
        ("caf\xe9", 400),
        ("\xc3a\xa9", 400),
        ("\xc0\xaf", 400),
        ("\xe0\x80\xaf", 400),
        ("\xed\xa0\x80", 400),
        ("\xf4\x90\x80\x80", 400),
        ("\xe2\x82", 400),
        ("a\x80", 400),
    ],
)
def test_bytes_that_kong_pdk_could_not_read_are_refused(
    packed: Server, kong: StandIn, value: str, status: int
) -> None:
    packed.script = marked(REQUEST, RESPONSE)
    assert http1.request(kong.port, "/r", ("x-a", value)).status == status
