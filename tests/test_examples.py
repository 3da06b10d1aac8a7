"""Every example does what its page says."""

import asyncio
import json
import logging
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import sha256
from hmac import HMAC
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import http1
from harness.in_process import InProcess
from harness.outrider import Outrider, outrider
from harness.process import Envoy
from harness.upstream import Upstream
from outrider import OutriderError, Request, Response, Route, StartError, discovery
from outrider.testing import Runner, run
from outrider_cli.envoy import find_envoy
from outrider_cli.loading import Source

EXAMPLES = Path(__file__).parents[1] / "examples"
AUTHORS = discovery.in_folder(EXAMPLES / "authors")
ENVOY = EXAMPLES / "envoy"
COMBINING = EXAMPLES / "combining"
FILES = [EXAMPLES / "outrider.yaml", EXAMPLES / "teapot.yaml", ENVOY / "outrider.yaml", *sorted(COMBINING.iterdir())]
ALICE = ("x-api-key", "alice-key")


@pytest.mark.parametrize("file", FILES)
def test_the_file_has_no_mistakes(file: Path) -> None:
    assert Source.read(file).load().chains


def test_the_plugins_of_the_guide_are_found_by_their_names() -> None:
    assert sorted(AUTHORS) == ["add-header", "correlate", "maintenance", "mask-events", "no-details", "signed-body"]


def test_the_tests_of_the_guide_pass_as_the_guide_runs_them(tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES / "authors", tmp_path / "plugins")  # where no settings of ours are
    command = [sys.executable, "-m", "pytest", "tests"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(("body", "status"), [(b"pay 10", 200), (b"pay 99", 401), (b"", 401)])
def test_signed_body_lets_on_what_was_signed(body: bytes, status: int) -> None:
    signature = HMAC(b"secret", b"pay 10", sha256).hexdigest()
    plugin: Any = AUTHORS["signed-body"]
    request = Request("POST", "/", headers={"x-signature": signature})
    assert run(plugin(secret="secret"), request, body).status == status


def test_maintenance_asks_its_switch() -> None:
    state = [b"open"]

    async def switch(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(state[0] + b"\n")
        writer.close()
        await writer.wait_closed()

    async def statuses() -> list[int]:
        async with await asyncio.start_server(switch, "127.0.0.1", 0) as server:
            plugin: Any = AUTHORS["maintenance"]
            async with Runner([plugin(port=server.sockets[0].getsockname()[1])]) as runner:
                found = [(await runner.send(Request())).status]
                state[0] = b"closed"
                return [*found, (await runner.send(Request())).status]

    assert asyncio.run(statuses()) == [200, 503]


def test_maintenance_does_not_start_without_its_switch() -> None:
    plugin: Any = AUTHORS["maintenance"]
    with pytest.raises(StartError, match=r"no switch at 127\.0\.0\.1:1"):
        run(plugin(port=1), Request())


def test_no_details_hides_an_upstreams_failure_and_logs_what_is_slow(caplog: pytest.LogCaptureFixture) -> None:
    plugin: Any = AUTHORS["no-details"]
    secret = Response(502, body="Traceback: password=hunter2")
    with caplog.at_level(logging.WARNING):
        outcome = run(plugin(slow=0), Request(route=Route("orders")), response=secret)
    assert (outcome.status, outcome.body) == (502, b"Something went wrong.\n")
    assert "orders took 0.0 s and ended as" in caplog.text
    assert run(plugin(), Request(), response=Response(404, body="gone")).body == b"gone"


EVENTS = {"content-type": "text/event-stream; charset=utf-8"}


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_mask_events_takes_a_word_out_wherever_the_chunks_are_cut(size: int) -> None:
    plugin: Any = AUTHORS["mask-events"]
    data = "data: é Alice\r\n\r\ndata: Alice, Alice".encode()
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    outcome = run(plugin(word="Alice"), Request(), response=Response(headers=EVENTS), response_chunks=chunks)
    assert outcome.body == "data: é ***\r\n\r\ndata: ***, ***".encode()


def test_mask_events_lets_nothing_through_that_it_can_not_read() -> None:
    plugin: Any = AUTHORS["mask-events"]
    packed = Response(headers={**EVENTS, "content-encoding": "gzip"})
    assert run(plugin(word="Alice"), Request(), response=packed).status == 502
    long = [b"x" * 40_000] * 3
    outcome = run(plugin(word="Alice"), Request(), response=Response(headers=EVENTS), response_chunks=long)
    assert (outcome.body, outcome.aborted, outcome.error) == (b"", True, None)
    outcome = run(plugin(word="Alice"), Request(headers={"accept-encoding": "gzip"}))
    assert outcome.upstream is not None
    assert "accept-encoding" not in outcome.upstream.headers
    page = Response(headers={"content-type": "text/html"}, body=b"Alice")
    assert run(plugin(word="Alice"), Request(), response=page).body == b"Alice"


def test_correlate_tells_downstream() -> None:
    plugin: Any = AUTHORS["correlate"]
    assert run(plugin(), Request(headers={"x-order": "7"})).headers["x-order"] == "7"
    assert "x-order" not in run(plugin(), Request()).headers


TOKEN = ("authorization", "Bearer " + (EXAMPLES / "plugins" / "jwt-auth.token").read_text().strip())
NO_TOKEN = ("authorization", "Bearer bad")
SHOP, ROBOT = ("x-api-key", "shop-key"), ("x-api-key", "robot-key")
PASSWORD, NO_PASSWORD = (
    ("authorization", "Basic " + b64encode(text).decode()) for text in (b"alice:alice-password", b"alice:wrong")
)


BASIC = 'Basic realm="outrider", charset="UTF-8"'


@pytest.mark.parametrize(
    ("name", "sent", "outcome"),
    [
        ("all", [TOKEN, SHOP], "shop"),
        ("all", [TOKEN], "401 Key"),
        ("all", [SHOP], '401 Bearer realm="outrider"'),
        ("all", [NO_TOKEN, SHOP], '401 Bearer error="invalid_token"'),
        ("all", [TOKEN, ROBOT], "403"),
        ("any", [TOKEN], "alice"),
        ("any", [NO_TOKEN, SHOP], "shop"),
        ("any", [PASSWORD], "alice"),
        ("any", [NO_PASSWORD, SHOP], "shop"),
        ("any", [NO_PASSWORD], f'401 Bearer realm="outrider", Key, {BASIC}'),
        ("any", [], f'401 Bearer realm="outrider", Key, {BASIC}'),
        ("strangers", [], "guest"),
        ("strangers", [NO_PASSWORD], "guest"),
        ("strangers", [PASSWORD], "alice"),
        ("strangers", [SHOP], "shop"),
    ],
)
def test_combined_plugins_let_in_whom_their_page_says(name: str, sent: list[tuple[str, str]], outcome: str) -> None:
    request = Request(headers=sent)
    with InProcess(Source.read(COMBINING / f"{name}.yaml")) as routes:
        answer = routes.ask("orders", request)
    if answer:
        assert f"{answer.status} {dict(answer.headers).get('www-authenticate', '')}".strip() == outcome
    else:
        assert request.headers["x-consumer-username"] == outcome
        assert ("x-anonymous-consumer" in request.headers) is (outcome == "guest")
        assert request.headers.get_all("authorization") == ([TOKEN[1]] if TOKEN in sent else [])


def test_guests_may_call_less_often_than_others() -> None:
    with InProcess(Source.read(COMBINING / "strangers.yaml")) as routes:
        guests = [routes.ask("orders", Request()) for _ in range(4)]
        shops = [routes.ask("orders", Request(headers=[SHOP])) for _ in range(4)]
    assert [answer and answer.status for answer in guests] == [None, None, None, 429]
    assert shops == [None] * 4


@contextmanager
def _serving(file: Path, here: Path) -> Generator[list[str]]:
    """The sockets of `outrider serve envoy` with an example."""
    # Not tmp_path: a unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="sockets-") as folder:
        config = yaml.safe_load(file.read_text())
        with Outrider(here, config, "serve", "envoy", "--listen", f"unix:{folder}") as gateway:
            gateway.ready()
            yield [f"{folder}/worker-{index}.sock" for index in range(2)]


@pytest.fixture
def workers(tmp_path: Path) -> Generator[list[str]]:
    with _serving(ENVOY / "outrider.yaml", tmp_path) as sockets:
        yield sockets


def test_an_envoy_of_your_own_asks_the_workers(workers: list[str]) -> None:
    with Upstream() as upstream, Envoy(_envoy(), _bootstrap(workers, upstream.port)).ready() as envoy:
        _ask_all(envoy, upstream)


def _ask_all(envoy: Envoy, upstream: Upstream) -> None:
    port = envoy.port()
    refused = http1.request(port, "/orders")
    assert refused.status == 401
    assert json.loads(refused.body)["request_id"] == refused.get("x-request-id")
    for path in ("//orders", "/open/../orders", "/%6frders"):
        assert http1.request(port, path).status == 401
    assert not upstream.requests
    spoofed = ("x-consumer-username", "root")
    passed = http1.request(port, "/orders", ALICE, spoofed)
    assert (passed.status, passed.get("x-request-id")) == (200, upstream.request.get("x-request-id"))
    assert passed.get("ratelimit")
    assert upstream.request.get("x-consumer-username") == "alice"
    assert http1.request(port, "/static", spoofed).status == 200
    assert upstream.requests[-1].get("x-consumer-username") is None


@pytest.mark.parametrize("declared", [True, False])
def test_an_envoy_of_your_own_cuts_off_bodies_that_are_too_large(workers: list[str], *, declared: bool) -> None:
    with Upstream() as upstream, Envoy(_envoy(), _bootstrap(workers, upstream.port)).ready() as envoy:
        statuses = [_upload(envoy.port(), size, declared=declared) for size in (1 << 20, (1 << 20) + 1)]
        assert statuses == [200, 413]
        assert [len(request.body) for request in upstream.requests if request.body] == [1 << 20]


def _upload(port: int, size: int, *, declared: bool) -> int:
    if declared:
        return http1.request(port, "/uploads", ALICE, method="POST", body=b"x" * size).status
    lines = [
        "POST /uploads HTTP/1.1",
        "host: a",
        "x-api-key: alice-key",
        "transfer-encoding: chunked",
        "",
        f"{size:x}",
    ]
    return http1.send(port, "\r\n".join([*lines, "x" * size, "0", "", ""]).encode()).status


def test_the_envoy_of_your_own_has_what_the_command_prints() -> None:
    printed = yaml.safe_load(outrider("render", "envoy", "--filters", ENVOY / "outrider.yaml").stdout)
    resources = yaml.safe_load((ENVOY / "envoy.yaml").read_text())["static_resources"]
    manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    [host] = manager["route_config"]["virtual_hosts"]
    routes = {each["name"]: each["typed_per_filter_config"] for each in host["routes"]}
    assert manager.items() >= printed["http_connection_manager"].items()
    assert manager["http_filters"][:-1] == printed["http_filters"]
    assert routes == {**printed["routes"], "static": printed["other_routes"]}
    assert resources["clusters"][1:] == printed["clusters"]


def test_an_envoy_of_your_own_has_the_limits_of_the_file(tmp_path: Path) -> None:
    with _serving(EXAMPLES / "rate-limit-service.yaml", tmp_path) as sockets, Upstream() as upstream:
        bootstrap = _bootstrap(sockets, upstream.port, "rate-limit-service.yaml")
        with Envoy(_envoy(), bootstrap).ready() as envoy:
            orders = [http1.request(envoy.port(), "/orders", ("x-account", "trial")) for _ in range(7)]
            assert [answer.status for answer in orders] == [200] * 5 + [429] * 2
            assert "5;w=2592000" in (orders[0].get("x-ratelimit-limit") or "")
            assert orders[6].get("retry-after")
            other = http1.request(envoy.port(), "/orders", ("x-account", "shop"))
            assert (other.status, other.get("x-ratelimit-limit")) == (200, '10, 10;w=1, 100;w=3600;name="orders"')
            assert http1.request(envoy.port(), "/").get("x-ratelimit-limit") == "10, 10;w=1"


def test_the_limits_fail_closed_without_workers() -> None:
    with Upstream() as upstream:
        bootstrap = _bootstrap(["/nowhere"] * 2, upstream.port, "rate-limit-service.yaml")
        with Envoy(_envoy(), bootstrap).ready() as envoy:
            assert http1.request(envoy.port(), "/").status == 503
        assert not upstream.requests


def _envoy() -> Path:
    try:
        return Path(find_envoy())
    except OutriderError as error:
        pytest.skip(str(error))


def _bootstrap(workers: list[str], upstream: int, name: str = "envoy.yaml") -> dict[str, Any]:
    """An Envoy of examples/envoy with addresses of this test."""
    document: dict[str, Any] = yaml.safe_load((ENVOY / name).read_text())
    resources = document["static_resources"]
    resources["listeners"][0]["address"]["socket_address"]["port_value"] = 0
    addresses: list[list[dict[str, Any]]] = [
        [{"socket_address": {"address": "127.0.0.1", "port_value": upstream}}],
        [{"pipe": {"path": path}} for path in workers],
    ]
    for cluster, where in zip(resources["clusters"], addresses, strict=True):
        endpoints = [{"endpoint": {"address": address}} for address in where]
        cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
    return document
