"""Every transcript of a real Kong, played against the stand-in: the plugin server's side is the transcript's."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import http1, kong_transcript
from harness.kong_compare import Comparison
from harness.kong_gateway import Kong, plugin, running
from harness.kong_scenarios import ADDED, CURL, ECHOED, JSON, SCENARIOS, Ask, Scenario, dated
from harness.kong_transcript import Line, Replay, msgpack
from harness.upstream import Upstream
from outrider_kong.proto import pluginsocket_pb2 as pb
from outrider_kong.stand_in.settings import Settings


@dataclass
class Setting:
    """A stand-in with the transcript's configuration, between the replayed plugin server and an upstream."""

    kong: Kong
    replay: Replay
    upstream: Upstream
    echoes: list[bytes]


def configs(scenario: Scenario, lines: list[Line]) -> list[dict[str, Any]]:
    """Every configuration that Kong started an instance for, once."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        if line.kong and b"__plugin_id" in line.data:
            config = json.loads(_config(line.data, packed=scenario.packed))
            found[config["__plugin_id"]] = config
    return list(found.values())


def _config(data: bytes, *, packed: bool) -> bytes:
    if not packed:
        return pb.RpcCall.FromString(data[4:]).start_instance.config
    return bytes(msgpack.unpackb(data, raw=True)[3][0][b"Config"])


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_the_stand_in_says_what_kong_said(scenario: Scenario, folder: Path) -> None:
    lines = kong_transcript.read(scenario.name)
    path = str(folder / "s")
    known = configs(scenario, lines)
    fields = {key: "number" if key == "secs" else "string" for config in known for key in config if key not in ADDED}
    info = plugin(scenario.plugin, path, scenario.phases, protocol=scenario.protocol, fields=fields)
    settings = Settings(plugins=("bundled", scenario.plugin), read_timeout=scenario.timeout)
    with Upstream() as upstream:
        document = scenario.document(known, upstream.port)
        with running(document, info, settings=settings, now=scenario.created) as kong:
            kong_port = int(scenario.host.rpartition(":")[2])
            comparison = Comparison(lines, {kong.port: kong_port, upstream.port: 9900})
            compare = comparison.packed if scenario.packed else comparison.protobuf
            replay = comparison.replay = Replay(lines, path, compare, packed=scenario.packed, held=scenario.held)
            setting = Setting(kong, replay, upstream, echoes(lines))
            for ask in scenario.asks:
                play(scenario, ask, setting)
            replay.finish()
            assert scenario.renumbered or not replay.renumbered


def play(scenario: Scenario, ask: Ask | str, setting: Setting) -> None:
    """Sends one request, or as many at once as it says, and waits for its log events."""
    if isinstance(ask, str):
        {"down": setting.replay.down, "up": setting.replay.up}[ask]()
        return
    echo = setting.echoes.pop(0) if ask.answer is ECHOED else None
    setting.upstream.reset()
    setting.upstream.answer = dated("Sat, 21 Nov 2026 20:55:57 GMT", JSON, chunks=(echo, b"")) if echo else ask.answer
    with ThreadPoolExecutor(ask.times) as pool:
        asked = [pool.submit(status, scenario, ask, setting.kong.port) for _ in range(ask.times)]
        statuses = [each.result() for each in asked]
    if ask.settled:
        setting.kong.settle()
    assert not setting.replay.mistakes, "\n".join(setting.replay.mistakes)
    assert statuses == [ask.status] * ask.times
    if echo:
        assert seen(setting.upstream.request, setting.upstream.port) == told(echo)


def echoes(lines: list[Line]) -> list[bytes]:
    """What upstream told of the requests that reached it, where a plugin read it."""
    return [pb.Text.FromString(line.data[4:]).v for line in lines if line.kong and b"x-forwarded-path" in line.data]


def told(echo: bytes) -> dict[str, Any]:
    """What reached Kong's upstream, but for what is another one each time."""
    request: dict[str, Any] = json.loads(echo)
    assert len(request["headers"].pop("x-kong-request-id")) == 32
    assert request["headers"].pop("x-forwarded-port") == "18100"
    return request


def seen(request: http1.Message, port: int) -> dict[str, Any]:
    """What reached our upstream, as theirs tells it."""
    headers = {name.lower(): value for name, value in request.headers}
    assert len(headers.pop("x-kong-request-id")) == 32
    assert headers.pop("x-forwarded-port").isdigit()
    headers["host"] = headers["host"].replace(f":{port}", ":9900")
    return {"headers": headers, "method": request.method, "uri": request.path}


def status(scenario: Scenario, ask: Ask, port: int) -> int:
    method = "POST" if ask.body is not None else "GET"
    path = scenario.path(ask.route) + ask.query
    headers = (*CURL, *ask.headers)
    return http1.request(port, path, *headers, method=method, body=ask.body, host=scenario.host).status
