"""A gateway that starts, tells that it is ready, and stops without losing a request."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harness import http1
from harness.http1 import Message
from harness.outrider import Outrider, plugin, service
from harness.process import until
from harness.sample import YEAR
from harness.upstream import Answer, Upstream

Start = Callable[..., Outrider]


class Asked(threading.Thread):
    """A request that is under way."""

    def __init__(self, gateway: Outrider, path: str, *headers: tuple[str, str]) -> None:
        super().__init__()
        self._gateway = gateway
        self._path = path
        self._headers = headers
        self._response: Message | None = None
        self.start()

    def run(self) -> None:
        self._response = self._gateway.request(self._path, *self._headers)

    @property
    def response(self) -> Message:
        self.join()
        assert self._response
        return self._response


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_in_a_hook_is_finished_before_the_gateway_stops(
    start: Start, upstream: Upstream, number: int
) -> None:
    gateway = start(service("script", upstream.port, plugin("script", timeout=5000)))
    asked = Asked(gateway, "/script", ("x-script", "wait 1; set x-a waited"))
    until(lambda: gateway.metric("outrider_requests_in_flight") == 1)
    assert gateway.stop(number) == 0
    assert asked.response.status == 200
    assert upstream.request.get("x-a") == "waited"
    assert not gateway.left()


def test_a_request_at_upstream_is_finished_before_the_gateway_stops(start: Start, upstream: Upstream) -> None:
    gateway = start(service("replies", upstream.port, plugin("response-script")))
    upstream.answer = Answer(headers=[("x-a", "upstream")])
    upstream.gate.clear()
    asked = Asked(gateway, "/replies", ("x-response-script", "set x-a ours"))
    until(lambda: upstream.requests)
    gateway.process.send_signal(signal.SIGTERM)
    until(lambda: is_closed(gateway.port))
    upstream.gate.set()
    assert gateway.process.wait(40) == 0
    assert (asked.response.status, asked.response.get("x-a")) == (200, "ours")
    assert not gateway.left()


def is_closed(port: int) -> bool:
    """Whether no new connection is taken any more."""
    try:
        http1.connect(port).close()
    except ConnectionError:
        return True
    return False


def test_ctrl_c_on_a_terminal_finishes_what_is_under_way(start: Start, upstream: Upstream) -> None:
    gateway = start(service("script", upstream.port, plugin("script", timeout=5000)))
    asked = Asked(gateway, "/script", ("x-script", "wait 1; set x-a waited"))
    until(lambda: gateway.metric("outrider_requests_in_flight") == 1)
    # A terminal sends it to the whole process group of the command.
    assert os.getpgid(gateway.process.pid) == gateway.process.pid
    os.killpg(gateway.process.pid, signal.SIGINT)
    assert gateway.process.wait(40) == 0
    assert asked.response.status == 200
    assert not any("again" in record["message"] for record in gateway.records)


def test_a_gateway_that_is_stopped_while_its_workers_start_ends_at_once(tmp_path: Path, upstream: Upstream) -> None:
    with Outrider(tmp_path, {"services": [service("open", upstream.port)]}) as gateway:
        until(gateway.workers)
        assert gateway.stop() == 0
        until(lambda: not gateway.left())


def test_a_gateway_leaves_nothing_in_the_temporary_folder(
    start: Start, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TemporaryDirectory(prefix="outrider-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        gateway = start(service("limited", upstream.port, plugin("rate-limit", limit=1, window=YEAR)))
        [private] = Path(folder).iterdir()
        assert private.stat().st_mode & 0o077 == 0
        assert gateway.stop() == 0
        assert not list(Path(folder).iterdir())


def test_a_worker_that_starts_again_does_not_read_a_file_that_was_changed_since(
    start: Start, upstream: Upstream
) -> None:
    gateway = start(service("orders", upstream.port, plugin("key-auth")))
    gateway.file.write_text("broken: [")
    for pid in gateway.workers():
        os.kill(pid, signal.SIGKILL)
    until(lambda: gateway.metric("outrider_worker_restarts_total") == 2)
    until(lambda: gateway.request("/orders").status == 401)
    assert not upstream.requests


def test_the_page_for_operators_answers(gateway: Outrider) -> None:
    assert (gateway.page("/healthz").status, gateway.page("/readyz").status) == (200, 200)
    metrics = gateway.page("/metrics")
    assert metrics.status == 200
    assert (metrics.get("content-type") or "").startswith("text/plain; version=0.0.4")
    assert gateway.page("/other").status == 404


def test_the_page_tells_decisions_latency_restarts_and_requests_in_flight(gateway: Outrider) -> None:
    assert gateway.request("/orders").status == 401
    gateway.idle()
    assert gateway.metric("outrider_decisions_total", plugin="key-auth", route="orders", outcome="replied") >= 1
    assert gateway.metric("outrider_hook_seconds_count", plugin="key-auth", phase="on_request") >= 1
    assert gateway.metric("outrider_worker_restarts_total") == 0
    text = gateway.page("/metrics").body.decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert all(name.startswith("outrider_") for name in names)


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])  # Kong starts `serve kong`, which has the workers
def test_envoy_and_the_workers_are_right_below_the_command(gateway: Outrider) -> None:
    assert len(gateway.workers()) == 2
    assert gateway.envoy()
    assert len(gateway.children()) == 3
