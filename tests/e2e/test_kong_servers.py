"""`outrider serve kong` and what happens to it, behind the stand-in: no request passes that a plugin would refuse."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.kong_behind import BehindKong
from harness.outrider import COMMAND, Config, Outrider, is_alive, plugin, service
from harness.process import until
from harness.sample import CONSUMERS, PLUGINS
from harness.upstream import Upstream

KEY = ("x-api-key", "alice-key")
POISON = '''
import os
import time
from outrider import Plugin, Request

class Poison(Plugin):
    """Ends its worker, or holds it up, where a request says so."""

    def on_request(self, request: Request) -> None:
        if "x-poison" in request.headers:
            os._exit(1)
        if "x-hang" in request.headers:
            time.sleep(60)
'''


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Outrider]:
    folder = tmp_path_factory.mktemp("kong")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "poison.py").write_text(POISON)
    with BehindKong(folder, configuration(folder, upstream)) as gateway:
        yield gateway.ready()


@pytest.fixture
def gateway(served: Outrider) -> Outrider:
    """Two workers, all of which take requests."""
    return served.ready()


def configuration(folder: Path, upstream: Upstream) -> Config:
    poison = service("poison", upstream.port, plugin("key-auth"), plugin("poison"))
    settings = {"plugin_dirs": [PLUGINS, str(folder / "plugins")]}
    return {"services": [service("keys", upstream.port, plugin("key-auth")), poison], "consumers": CONSUMERS} | {
        "gateway": settings
    }


def statuses(gateway: Outrider, during: Callable[[], None]) -> tuple[set[int], set[int]]:
    """What requests with a key and without one get while something happens."""
    # Kong refuses the requests that wait for an instance whose start is cut off: that is not what is looked at.
    assert gateway.request("/keys", KEY).status == 200
    over = False

    def ask(*headers: tuple[str, str]) -> set[int]:
        found: set[int] = set()
        while not over:
            found.add(gateway.request("/keys", *headers).status)
        return found

    with ThreadPoolExecutor(4) as pool:
        known = [pool.submit(ask, KEY) for _ in range(2)]
        unknown = [pool.submit(ask) for _ in range(2)]
        try:
            during()
        finally:
            over = True
        return {status for one in known for status in one.result()}, {
            status for one in unknown for status in one.result()
        }


def restarts(gateway: Outrider) -> float:
    return gateway.metric("outrider_worker_restarts_total")


def test_a_killed_worker_costs_no_request(gateway: Outrider) -> None:
    before = restarts(gateway)

    def kill() -> None:
        os.kill(gateway.workers()[0], signal.SIGKILL)
        until(lambda: restarts(gateway) > before and gateway.is_ready())

    assert statuses(gateway, kill) == ({200}, {401})


def test_a_frozen_worker_lets_nothing_pass_and_is_replaced(gateway: Outrider) -> None:
    frozen, before = gateway.workers()[0], restarts(gateway)

    def freeze() -> None:
        os.kill(frozen, signal.SIGSTOP)
        until(lambda: restarts(gateway) > before and gateway.is_ready())

    known, unknown = statuses(gateway, freeze)
    assert known <= {200, 500}
    assert unknown <= {401, 500}
    assert not is_alive(frozen)


def test_a_request_that_kills_workers_is_refused_and_the_next_served(gateway: Outrider) -> None:
    before = restarts(gateway)
    assert gateway.request("/poison", KEY, ("x-poison", "1")).status == 500
    until(lambda: restarts(gateway) > before)
    # Kong refuses for a while where an instance was being started with the worker that died.
    until(lambda: gateway.ready().request("/poison", KEY).status == 200, 30)
    assert restarts(gateway) <= before + 2
    assert gateway.request("/poison", ("x-poison", "1")).status == 401


def test_a_hook_that_blocks_is_a_refusal(gateway: Outrider) -> None:
    assert gateway.request("/poison", KEY, ("x-hang", "1")).status == 500
    assert gateway.ready().request("/poison", KEY).status == 200


def test_a_server_that_is_killed_is_started_again_and_nothing_passes_meanwhile(gateway: Outrider) -> None:
    server = next(pid for pid, line in gateway.children().items() if " serve kong " in line)

    def kill() -> None:
        os.kill(server, signal.SIGKILL)
        until(lambda: not is_alive(server))
        until(lambda: gateway.request("/keys", KEY).status == 200)

    known, unknown = statuses(gateway, kill)
    assert known <= {200, 500}
    assert unknown <= {401, 500}


def test_a_server_takes_over_from_another_and_no_request_fails(gateway: Outrider, tmp_path: Path) -> None:
    import subprocess

    first = next(pid for pid, line in gateway.children().items() if " serve kong " in line)
    command = Path(f"/proc/{first}/cmdline").read_text().split("\0")
    listen = command[command.index("--listen") + 1]
    second: list[subprocess.Popen[bytes]] = []

    def replace() -> None:
        with (tmp_path / "stderr").open("wb") as errors:
            second.append(
                subprocess.Popen([COMMAND, "serve", "kong", gateway.file, "--listen", listen], stderr=errors)
            )
        until(lambda: not is_alive(first), 40)

    try:
        assert statuses(gateway, replace) == ({200}, {401})
    finally:
        # Kong starts its own again, which takes the place back.
        until(lambda: second[0].poll() is not None, 40)
    assert second[0].returncode == 0
    assert gateway.ready().request("/keys", KEY).status == 200
