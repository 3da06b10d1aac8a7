"""`outrider run --reload`: edited plugins are taken over while requests come."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from harness.outrider import Outrider, plugin, service
from harness.process import until
from harness.upstream import Answer, Upstream

KEY = ("x-key", "right")
Reloading = Callable[..., Outrider]

GATE = """
from outrider import Plugin, Request, Response

class Gate(Plugin):
    def on_request(self, request: Request) -> Response | None:
        request.headers["x-version"] = "{version}"
        if request.headers.get("x-key") != "right":
            return Response(403, body=b"{version}")
        return None
"""
ANSWERS = """
    def on_response(self, request: Request, response: Response) -> None:
        response.headers["x-answered"] = "{version}"
"""
FAILS = """
    async def start(self, runtime: object) -> None:
        raise OSError("no luck")
"""


def gate(version: str, more: str = "") -> str:
    return (GATE + more).format(version=version)


@pytest.fixture
def gates(tmp_path: Path) -> Path:
    folder = tmp_path / "plugins"
    folder.mkdir()
    file = folder / "gate.py"
    file.write_text(gate("one"))
    return file


@pytest.fixture
def reloading(tmp_path: Path, gates: Path, upstream: Upstream) -> Iterator[Reloading]:
    """One worker, unless a test says otherwise: two take twice as long at each edit."""
    with ExitStack() as stack:

        def started(workers: int = 1, **fields: object) -> Outrider:
            gateway = {"plugin_dirs": [str(gates.parent)], "workers": workers, **fields}
            config = {"services": [service("gate", upstream.port, plugin("gate"))], "gateway": gateway}
            return stack.enter_context(Outrider(tmp_path, config, "run", "--reload")).ready()

        yield started


def version(gateway: Outrider) -> str:
    try:
        answer = gateway.request("/gate")
    except OSError:
        return ""
    assert answer.status in {403, 500, 503}
    return answer.body.decode() if answer.status == 403 else ""


def told(gateway: Outrider, words: str) -> int:
    return sum(words in record["message"] for record in gateway.records)


def taken_over(gateway: Outrider, times: int = 1) -> None:
    until(lambda: told(gateway, "is taken over") == times)


@dataclass
class Load:
    gateway: Outrider
    with_key: list[int] = field(default_factory=list[int])
    without_key: list[int] = field(default_factory=list[int])

    def __enter__(self) -> Self:
        self._done = threading.Event()
        work = [(self.with_key, (KEY,)), (self.without_key, ())]
        self._threads = [threading.Thread(target=self._send, args=each) for each in work]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int = 20) -> None:
        ends = [(statuses, len(statuses) + count) for statuses in (self.with_key, self.without_key)]
        until(lambda: all(len(statuses) >= end for statuses, end in ends))

    def _send(self, statuses: list[int], headers: tuple[tuple[str, str], ...]) -> None:
        while not self._done.wait(0.005):
            statuses.append(self.gateway.request("/gate", *headers).status)


def test_an_edited_plugin_answers_and_is_no_restart(reloading: Reloading, gates: Path, upstream: Upstream) -> None:
    gateway = reloading()
    workers, envoy = gateway.workers(), gateway.envoy()
    assert version(gateway) == "one"
    gates.write_text(gate("two"))
    until(lambda: version(gateway) == "two")
    taken_over(gateway)
    until(lambda: not set(workers) & set(gateway.workers()))
    assert gateway.envoy() == envoy
    assert gateway.metric("outrider_worker_restarts_total") == 0
    assert gateway.metric("outrider_envoy_restarts_total") == 0
    assert not [record for record in gateway.records if record["level"] != "info"]
    assert gateway.request("/gate", KEY).status == 200
    assert upstream.request.get("x-version") == "two"


def test_under_a_stream_of_requests_none_fails_and_none_passes_unchecked(
    reloading: Reloading, gates: Path, upstream: Upstream
) -> None:
    gateway = reloading(2)
    with Load(gateway) as load:
        for times in (1, 2):
            load.more()
            gates.write_text(gate(f"v{times}"))
            taken_over(gateway, times)
            until(lambda: version(gateway) == f"v{times}")  # noqa: B023 - asked before the next round
        load.more()
    assert set(load.with_key) == {200}
    assert set(load.without_key) == {403}
    assert len(upstream.requests) == len(load.with_key)
    assert {request.get("x-version") for request in upstream.requests} == {"one", "v1", "v2"}
    assert all(request.get("x-key") == "right" for request in upstream.requests)


def test_a_request_in_flight_is_finished_by_the_plugin_that_began_it(
    reloading: Reloading, gates: Path, upstream: Upstream
) -> None:
    gates.write_text(gate("one", ANSWERS))
    gateway = reloading()
    upstream.gate.clear()
    statuses: list[str | None] = []
    asked = threading.Thread(target=lambda: statuses.append(gateway.request("/gate", KEY).get("x-answered")))
    asked.start()
    until(lambda: upstream.requests)
    gates.write_text(gate("two", ANSWERS))
    until(lambda: version(gateway) == "two")
    upstream.gate.set()
    asked.join()
    assert statuses == ["one"]


MISTAKES = [
    ("def broken(:\n", "gate.py, line 1: SyntaxError"),
    (gate("two", "    limit: int\n"), "limit"),
    (gate("two", FAILS), "worker 0 did not start"),
    ("import os\nos._exit(7)\n", "ended with 7"),
]


def test_each_mistake_is_told_once_and_the_old_plugin_goes_on(reloading: Reloading, gates: Path) -> None:
    gateway = reloading()
    workers = gateway.workers()
    for times, (text, words) in enumerate(MISTAKES, 1):
        gates.write_text(text)
        until(lambda: told(gateway, "is not taken over") == times)  # noqa: B023 - asked before the next round
        assert told(gateway, words)
        assert gateway.workers() == workers
        assert version(gateway) == "one"
    gates.write_text(gate("three"))
    taken_over(gateway)
    assert version(gateway) == "three"
    assert told(gateway, "is not taken over") == len(MISTAKES)
    assert gateway.metric("outrider_worker_restarts_total") == 0
    until(lambda: not set(workers) & set(gateway.workers()))


def test_a_worker_that_dies_while_the_file_is_wrong_comes_back_with_the_old_plugin(
    reloading: Reloading, gates: Path
) -> None:
    gateway = reloading()
    [worker] = gateway.workers()
    gates.write_text("def broken(:\n")
    until(lambda: told(gateway, "is not taken over"))
    os.kill(worker, signal.SIGKILL)
    until(lambda: gateway.metric("outrider_worker_restarts_total") == 1)
    until(lambda: version(gateway) == "one")


def test_a_hook_that_envoy_did_not_know_of_works_and_nothing_passes_meanwhile(
    reloading: Reloading, gates: Path, upstream: Upstream
) -> None:
    gateway = reloading()
    envoy = gateway.envoy()
    assert gateway.request("/gate", KEY).get("x-answered") is None
    gates.write_text(gate("two", ANSWERS))
    until(lambda: version(gateway) == "two")
    answer = gateway.request("/gate", KEY)
    assert (answer.status, answer.get("x-answered")) == (200, "two")
    assert upstream.requests[-1].get("x-version") == "two"
    assert gateway.envoy() == envoy
    taken_over(gateway)
    until(gateway.is_ready)
    assert gateway.metric("outrider_envoy_restarts_total") == 0


def test_an_envoy_that_dies_comes_back_with_what_the_serving_plugins_need(reloading: Reloading, gates: Path) -> None:
    gates.write_text(gate("one", ANSWERS))
    gateway = reloading()
    gates.write_text(gate("two", ANSWERS))
    taken_over(gateway)
    gates.write_text(gate("three", FAILS))  # would need no response phase
    until(lambda: told(gateway, "is not taken over"))
    os.kill(gateway.envoy(), signal.SIGKILL)
    until(lambda: gateway.metric("outrider_envoy_restarts_total") == 1)
    until(lambda: version(gateway) == "two")
    assert gateway.request("/gate", KEY).get("x-answered") == "two"


def test_no_new_plugin_answers_behind_an_envoy_that_skips_its_phase(
    reloading: Reloading, gates: Path, upstream: Upstream
) -> None:
    gateway = reloading()
    upstream.answer = Answer(headers=[("x-answered", "nobody")])
    seen: list[tuple[str | None, str | None]] = []
    done = threading.Event()

    def send() -> None:
        while not done.is_set():
            try:
                answer = gateway.request("/gate", KEY)
            except (OSError, AssertionError):
                continue
            if answer.status == 200:
                seen.append((upstream.requests[-1].get("x-version"), answer.get("x-answered")))

    asking = threading.Thread(target=send)
    asking.start()
    until(lambda: seen)
    gates.write_text(gate("two", ANSWERS))
    until(lambda: ("two", "two") in seen)
    done.set()
    asking.join()
    assert set(seen) == {("one", "nobody"), ("two", "two")}


def test_two_quick_edits_end_with_the_second(reloading: Reloading, gates: Path) -> None:
    gateway = reloading()
    usual = len(gateway.children())
    gates.write_text(gate("two"))
    until(lambda: len(gateway.children()) > usual)  # the first is being checked, or its workers start
    gates.write_text(gate("six"))
    until(lambda: version(gateway) == "six")
    until(lambda: len(gateway.children()) == usual)
    assert version(gateway) == "six"


def test_a_file_that_is_added_is_used_and_one_that_is_removed_is_missed(reloading: Reloading, gates: Path) -> None:
    gateway = reloading()
    moved = gates.rename(gates.with_name("moved.py"))
    taken_over(gateway)
    moved.unlink()
    until(lambda: told(gateway, "is not taken over"))
    assert version(gateway) == "one"
    moved.with_name("again.py").write_text(gate("two"))
    until(lambda: version(gateway) == "two")


def test_a_gateway_that_is_stopped_while_it_reloads_leaves_nobody_behind(reloading: Reloading, gates: Path) -> None:
    gateway = reloading()
    usual = len(gateway.children())
    gates.write_text(gate("two"))
    until(lambda: len(gateway.children()) > usual)
    assert gateway.stop() == 0
    until(lambda: not gateway.left())


def test_without_the_option_an_edit_changes_nothing_not_even_after_a_crash(
    tmp_path: Path, gates: Path, upstream: Upstream
) -> None:
    gateway = {"plugin_dirs": [str(gates.parent)], "workers": 1}
    config = {"services": [service("gate", upstream.port, plugin("gate"))], "gateway": gateway}
    with Outrider(tmp_path, config) as running:
        running.ready()
        gates.write_text(gate("two"))
        [worker] = running.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: running.metric("outrider_worker_restarts_total") == 1)
        until(lambda: version(running) == "one")
