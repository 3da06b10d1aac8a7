"""Workers that die, freeze and hang: nothing gets past the plugins meanwhile, and they come back."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import pytest

from harness.outrider import Config, Outrider, is_alive, plugin, service
from harness.process import until
from harness.upstream import Upstream

Start = Callable[..., Outrider]
KEY = ("x-api-key", "alice-key")


@dataclass
class Load:
    """Threads that send requests, with a credential and without, until the block ends."""

    gateway: Outrider
    with_key: list[int] = field(default_factory=list[int])
    without_key: list[int] = field(default_factory=list[int])

    def __enter__(self) -> Self:
        self._done = threading.Event()
        work = [(self.with_key, (KEY,)), (self.without_key, ())] * 2
        self._threads = [threading.Thread(target=self._send, args=each) for each in work]
        for thread in self._threads:
            thread.start()
        self.more(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Waits for so many further answers of either kind."""
        ends = [(statuses, len(statuses) + count) for statuses in (self.with_key, self.without_key)]
        until(lambda: all(len(statuses) >= end for statuses, end in ends))

    def passes_again(self) -> None:
        """Waits until a request with a key that began from now on got through."""
        begun = len(self.with_key) + 2
        until(lambda: 200 in self.with_key[begun:])

    def _send(self, statuses: list[int], headers: tuple[tuple[str, str], ...]) -> None:
        while not self._done.wait(0.005):
            statuses.append(self.gateway.request("/orders", *headers).status)


@pytest.fixture
def orders(upstream: Upstream) -> Config:
    return service("orders", upstream.port, plugin("key-auth", hide=False), plugin("block", timeout=200))


def assert_nothing_got_past(load: Load, upstream: Upstream) -> None:
    assert set(load.without_key) <= {401, 500, 503, 504}
    assert all(request.get("x-api-key") == "alice-key" for request in upstream.requests)
    assert load.with_key.count(200) == len(upstream.requests)
    assert set(load.with_key) <= {200, 500, 503, 504}


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_a_worker_that_is_killed_under_load_lets_nothing_through_and_comes_back(
    start: Start, orders: Config, upstream: Upstream, protocol: str
) -> None:
    gateway = start(orders, protocol=protocol)
    first, second = gateway.workers()
    with Load(gateway) as load:
        load.more(20)
        before = gateway.metric("outrider_decisions_total", plugin="key-auth")
        os.kill(first, signal.SIGKILL)
        until(lambda: gateway.metric("outrider_worker_restarts_total") == 1)
        until(gateway.is_ready)
        load.passes_again()
        load.more(20)
    assert_nothing_got_past(load, upstream)
    assert 401 in load.without_key
    new = set(gateway.workers())
    assert second in new
    assert first not in new
    assert gateway.metric("outrider_decisions_total", plugin="key-auth") > before
    assert gateway.metric("outrider_decisions_total", plugin="key-auth", outcome="fault") == 0
    gateway.idle()


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_both_workers_killed_at_once_let_nothing_through_and_come_back(
    start: Start, orders: Config, upstream: Upstream, protocol: str
) -> None:
    gateway = start(orders, protocol=protocol)
    with Load(gateway) as load:
        for pid in gateway.workers():
            os.kill(pid, signal.SIGKILL)
        until(lambda: gateway.page("/readyz").status == 503)
        until(lambda: gateway.metric("outrider_worker_restarts_total") == 2)
        until(gateway.is_ready)
        load.passes_again()
    assert_nothing_got_past(load, upstream)
    assert {500, 503} & set(load.without_key)
    gateway.idle()


def test_a_worker_that_freezes_is_replaced_and_lets_nothing_through(
    start: Start, orders: Config, upstream: Upstream
) -> None:
    gateway = start(orders)
    frozen, _ = gateway.workers()
    with Load(gateway) as load:
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: not is_alive(frozen))
        until(lambda: gateway.metric("outrider_worker_restarts_total") == 1)
        until(gateway.is_ready)
        load.passes_again()
    assert_nothing_got_past(load, upstream)
    assert any("did not answer" in record["message"] for record in gateway.records)


def test_both_workers_frozen_let_nothing_through(start: Start, orders: Config, upstream: Upstream) -> None:
    gateway = start(orders)
    frozen = gateway.workers()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    assert gateway.request("/orders").status in {500, 503, 504}
    until(lambda: not any(map(is_alive, frozen)))
    until(gateway.is_ready)
    until(lambda: gateway.request("/orders", KEY).status == 200)
    assert all(request.get("x-api-key") == "alice-key" for request in upstream.requests)


def test_a_hook_that_blocks_its_worker_is_refused_and_the_log_names_its_line(
    start: Start, orders: Config, upstream: Upstream
) -> None:
    gateway = start(orders)
    blocked = gateway.request("/orders", KEY, ("x-block", "60"))
    assert blocked.status in {500, 503, 504}
    assert not upstream.requests
    until(lambda: gateway.metric("outrider_worker_restarts_total") == 1)
    until(lambda: any("scripted.py" in record["message"] for record in gateway.records))
    [message] = (record["message"] for record in gateway.records if "scripted.py" in record["message"])
    assert "in on_request" in message
    until(gateway.is_ready)
    until(lambda: gateway.request("/orders", KEY).status == 200)


def test_a_worker_that_is_asked_to_stop_by_somebody_else_is_started_again(start: Start, orders: Config) -> None:
    gateway = start(orders)
    first, _ = gateway.workers()
    os.kill(first, signal.SIGTERM)
    until(lambda: gateway.metric("outrider_worker_restarts_total") == 1)
    until(lambda: gateway.request("/orders").status == 401)


def test_an_envoy_that_is_killed_is_started_again(start: Start, orders: Config, upstream: Upstream) -> None:
    gateway = start(orders)
    os.kill(gateway.envoy(), signal.SIGKILL)
    until(lambda: gateway.metric("outrider_envoy_restarts_total") == 1)

    def answers() -> bool:
        try:
            return gateway.request("/orders").status == 401
        except (OSError, AssertionError):
            return False

    until(answers)
    assert gateway.request("/orders", KEY).status == 200
    assert len(upstream.requests) == 1


def test_a_supervisor_that_is_killed_leaves_nobody_behind(start: Start, orders: Config) -> None:
    gateway = start(orders)
    assert len(gateway.children()) == 3
    gateway.stop(signal.SIGKILL)
    until(lambda: not gateway.left())
