"""concurrency-limit behind real gateways: exact over all workers, and every ending makes room."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from harness.outrider import Config, Outrider, outrider, plugin, service
from harness.peer import Peer, Wire, client
from harness.process import until
from harness.streaming import CHUNKS, HELLO, head

Start = Callable[..., Outrider]
End = Callable[[Wire, Wire], None]
LIMIT, MORE, SHORT = 2, 4, 1
EXT_PROC = pytest.mark.parametrize("protocol", ["ext_proc"], indirect=True)
"""Kong's stand-in knows no upgrades, and behind Kong no worker knows what is in flight."""
UPGRADE = ("connection: upgrade", "upgrade: websocket")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"


def answered(downstream: Wire, upstream: Wire) -> None:
    upstream.send(HELLO)
    assert downstream.until(b"hello").startswith(b"HTTP/1.1 200")


def upstream_leaves(downstream: Wire, upstream: Wire) -> None:
    upstream.close()
    assert downstream.until(b"\r\n").startswith(b"HTTP/1.1 50")


def downstream_leaves(downstream: Wire, upstream: Wire) -> None:
    downstream.close()
    assert upstream.rest() == b""


def upstream_leaves_amid_its_answer(downstream: Wire, upstream: Wire) -> None:
    upstream.send(CHUNKS).chunk(b"half")
    downstream.until(b"half")
    upstream.close()


def downstream_leaves_amid_the_answer(downstream: Wire, upstream: Wire) -> None:
    upstream.send(CHUNKS).chunk(b"half")
    downstream.until(b"half")
    downstream.close()
    until(lambda: upstream.chunk(b"more").hears(0.01))


ENDS: dict[str, End] = {
    end.__name__: end
    for end in (
        *(answered, upstream_leaves, downstream_leaves),
        *(upstream_leaves_amid_its_answer, downstream_leaves_amid_the_answer),
    )
}


class Limited:
    """A gateway with a limit on each route, between clients and an upstream that are driven by hand."""

    def __init__(self, gateway: Outrider, peer: Peer) -> None:
        self.gateway = gateway
        self._peer = peer
        self._clients: list[Wire] = []

    def enters(self, route: str, *headers: str) -> tuple[Wire, Wire]:
        """Asks until there is room: the client that waits, and the upstream that has its request."""
        entered = until(lambda: self._entered(self.asks(route, *headers)))
        assert entered
        return entered

    def asks(self, route: str, *headers: str) -> Wire:
        """A client that has sent its request."""
        self._clients.append(client(self.gateway.port).send(head("GET", f"/{route}", *headers)))
        return self._clients[-1]

    def status(self, route: str, *headers: tuple[str, str]) -> int:
        return self.gateway.request(f"/{route}", *headers).status

    def arrived(self) -> list[Wire]:
        """Upstream's side of the requests that have come."""
        found: list[Wire] = []
        while self._peer.reached(0.0):
            found.append(self._peer.accept())
        return found

    def close(self) -> None:
        for one in self._clients:
            one.close()
        self._peer.reset()

    def _entered(self, downstream: Wire) -> tuple[Wire, Wire] | None:
        until(lambda: downstream.hears(0.0) or self._peer.reached(0.0))
        if self._peer.reached(0.0):
            return downstream, self._peer.accept()
        assert downstream.until(b"\r\n").startswith(b"HTTP/1.1 429")
        return None


@pytest.fixture(params=["ext_proc", "kong"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def limited(share: Start, shared_peer: Peer, protocol: str) -> Iterator[Limited]:
    config = _services(shared_peer.port)
    limited = Limited(share(*config, protocol=protocol), shared_peer)
    yield limited
    limited.close()


def _services(upstream: int) -> list[Config]:
    """A route for each test, as each begins with nothing in flight."""
    names = ["exact", "killed", *ENDS]
    routes: list[Config] = [{"name": name, "paths": [f"/{name}"], "strip_path": False} for name in names]
    limit = plugin("concurrency-limit", limit=LIMIT, by="route")
    short = plugin("concurrency-limit", limit=1, by="route", lease=SHORT)
    alone = plugin("concurrency-limit", limit=1, by="route")
    return [
        # An upstream that leaves is an ending only where nobody tries again.
        service("many", upstream, limit, routes=routes, retries=0),
        service("alone", upstream, alone, plugin("script", timeout=300)),
        service("short", upstream, short),
    ]


def test_exactly_the_limit_passes_over_both_workers(limited: Limited) -> None:
    clients = [limited.asks("exact") for _ in range(LIMIT + MORE)]
    refused = until(lambda: [one for one in clients if one.hears(0.0)][MORE - 1 :] and clients)
    heard = [one for one in refused if one.hears(0.0)]
    assert len(heard) == MORE
    for one in heard:
        answer = one.until(b"\r\n\r\n").lower()
        assert answer.startswith(b"http/1.1 429")
        assert b"retry-after: 1\r\n" in answer
    assert len(limited.arrived()) == LIMIT


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_every_ending_makes_room(limited: Limited, end: End) -> None:
    for _ in range(2):
        inside = [limited.enters(end.__name__) for _ in range(LIMIT)]
        assert limited.status(end.__name__) == 429
        for downstream, upstream in inside:
            end(downstream, upstream)


@pytest.mark.parametrize(("script", "status"), [("raise", 500), ("reply 418", 418), ("wait 60", 503)])
def test_a_request_that_a_later_plugin_ends_makes_room(limited: Limited, script: str, status: int) -> None:
    for _ in range(3):
        assert until(lambda: {limited.status("alone", ("x-script", script))}.difference({429})) == {status}


@EXT_PROC
def test_a_websocket_is_in_flight_until_it_is_closed(limited: Limited) -> None:
    for _ in range(3):
        downstream, upstream = limited.enters("alone", *UPGRADE)
        upstream.send(SWITCHING)
        assert downstream.until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        downstream.send(b"ping")
        assert upstream.take(4) == b"ping"
        assert limited.status("alone") == 429
        upstream.close()


@EXT_PROC
def test_a_request_that_outlasts_its_lease_keeps_its_place(limited: Limited) -> None:
    limited.enters("short")
    over = monotonic() + 2 * SHORT
    while monotonic() < over:
        assert limited.status("short") == 429


def test_workers_that_die_give_nothing_back_that_is_in_flight(limited: Limited, protocol: str) -> None:
    inside = [limited.enters("killed") for _ in range(LIMIT)]
    limited.enters("short")
    gateway = limited.gateway
    restarts = gateway.metric("outrider_worker_restarts_total")
    for pid in gateway.workers():
        os.kill(pid, signal.SIGKILL)
    until(lambda: gateway.metric("outrider_worker_restarts_total") == restarts + 2)
    until(gateway.is_ready)
    until(lambda: limited.status("killed") == 429)
    assert not limited.arrived()
    limited.enters("short")
    if protocol == "kong":
        # What is in flight there goes on, and another worker sees its ending.
        for downstream, upstream in inside:
            answered(downstream, upstream)
        limited.enters("killed")


def test_what_never_tells_when_a_request_ends_is_refused_when_the_file_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "outrider.yaml"
    services = [service("a", 1, plugin("concurrency-limit", limit=1))]
    file.write_text(
        json.dumps({"_format_version": "3.0", "gateway": {"protocol": "ext_authz"}, "services": services})
    )
    done = outrider("check", file)
    assert done.returncode == 1
    words = "plugin concurrency-limit: needs on_log, and ext_authz has not the end of a request: set gateway.protocol"
    assert words in done.stderr
