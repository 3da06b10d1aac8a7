"""rate-limit over a Redis or Valkey behind real gateways: exact over all workers, and what happens without it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness.outrider import Config, Outrider, plugin, service
from harness.process import until
from harness.redis_server import Product, RedisServer
from harness.sample import YEAR
from harness.upstream import Upstream

Start = Callable[..., Outrider]
LIMIT, MORE = 40, 20
CHOICES = ("deny", "local", "allow")


def limited(name: str, upstream: Upstream, server: RedisServer, **fields: Any) -> Config:
    fields = {"limit": LIMIT, "window": YEAR, "by": "route", "storage_timeout": 5000, "timeout": 6000, **fields}
    return service(name, upstream.port, plugin("rate-limit", storage=server.address, **fields))


@pytest.mark.parametrize(("protocol", "product"), [("ext_proc", "redis"), ("kong", "valkey")])
def test_exactly_the_limit_passes_over_all_workers(
    start: Start, upstream: Upstream, protocol: str, product: Product
) -> None:
    with RedisServer(product) as server:
        gateway = start(limited("counted", upstream, server, algorithm="gcra"), protocol=protocol)
        with ThreadPoolExecutor(8) as threads:
            responses = list(threads.map(gateway.request, ["/counted"] * (LIMIT + MORE)))
    statuses = [response.status for response in responses]
    assert (statuses.count(200), statuses.count(429)) == (LIMIT, MORE)
    assert len(upstream.requests) == LIMIT


def test_without_its_server_each_place_does_what_it_was_told(start: Start, upstream: Upstream) -> None:
    with RedisServer("valkey") as server:
        places = [limited(one, upstream, server, limit=2, on_storage_error=one) for one in CHOICES]
        gateway = start(*places, protocol="ext_proc")
        assert [gateway.request(f"/{one}").status for one in CHOICES] == [200] * 3
        server.kill()
        # What this machine counts alone begins with nothing.
        statuses = {one: [gateway.request(f"/{one}").status for _ in range(3)] for one in CHOICES}
        assert statuses == {"deny": [503] * 3, "local": [200, 200, 429], "allow": [200] * 3}
        server.start()
        until(lambda: gateway.request("/deny").status == 200)
