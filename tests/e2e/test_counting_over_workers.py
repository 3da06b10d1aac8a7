"""The rate limit is one counter over all workers, and exact, whatever happens to a worker."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import http1
from harness.outrider import Config, Outrider, plugin, service
from harness.process import until
from harness.sample import YEAR
from harness.upstream import Upstream

Start = Callable[..., Outrider]
LIMIT, MORE, CONNECTIONS = 60, 20, 8


@pytest.fixture
def limited(upstream: Upstream) -> list[Config]:
    """A route for each test, as each begins with a counter that stands at nothing."""
    limit = plugin("rate-limit", limit=LIMIT, window=YEAR, by="route")
    return [service(name, upstream.port, limit) for name in ("exact", "killed", "dead")]


def send(gateway: Outrider, path: str, count: int) -> list[int]:
    """The statuses of so many requests over several connections, all at once."""

    def share(number: int) -> list[int]:
        statuses: list[int] = []
        with http1.connect(gateway.port) as connection, connection.makefile("rb") as stream:
            for _ in range(number, count, CONNECTIONS):
                connection.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
                response = http1.read(stream)
                assert response
                statuses.append(response.status)
        return statuses

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        return [status for statuses in threads.map(share, range(CONNECTIONS)) for status in statuses]


@pytest.mark.parametrize("protocol", ["ext_proc", "ext_authz"])
def test_exactly_the_limit_passes_over_both_workers(
    share: Start, limited: list[Config], upstream: Upstream, protocol: str
) -> None:
    gateway = share(*limited, protocol=protocol)
    statuses = send(gateway, "/exact", LIMIT + MORE)
    assert (statuses.count(200), statuses.count(429)) == (LIMIT, MORE)
    assert len(upstream.requests) == LIMIT


def test_a_killed_worker_forgets_nothing_that_was_counted(
    share: Start, limited: list[Config], upstream: Upstream
) -> None:
    gateway = share(*limited, protocol="ext_proc")
    restarts = gateway.metric("outrider_worker_restarts_total")
    before = send(gateway, "/killed", LIMIT // 2)
    os.kill(gateway.workers()[0], signal.SIGKILL)
    between = send(gateway, "/killed", LIMIT // 4)
    until(lambda: gateway.metric("outrider_worker_restarts_total") == restarts + 1)
    until(gateway.is_ready)
    after = send(gateway, "/killed", LIMIT)
    passed = [*before, *between, *after].count(200)
    # One that was counted when its worker died was refused with 500, so fewer may pass; never more.
    assert passed == len(upstream.requests) <= LIMIT
    assert passed >= LIMIT - between.count(500)
    assert 429 in after


def test_workers_that_all_die_forget_nothing_that_was_counted(
    share: Start, limited: list[Config], upstream: Upstream
) -> None:
    gateway = share(*limited, protocol="ext_proc")
    restarts = gateway.metric("outrider_worker_restarts_total")
    assert set(send(gateway, "/dead", LIMIT)) == {200}
    for pid in gateway.workers():
        os.kill(pid, signal.SIGKILL)
    until(lambda: gateway.metric("outrider_worker_restarts_total") == restarts + 2)
    until(gateway.is_ready)
    until(lambda: gateway.request("/dead").status == 429)
    assert len(upstream.requests) == LIMIT
