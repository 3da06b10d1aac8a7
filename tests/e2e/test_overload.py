"""A worker with more to do than it can do in time: it refuses what came too late, and serves the rest."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import http1
from harness.outrider import Outrider, plugin, service
from harness.process import until
from harness.upstream import Upstream

Start = Callable[..., Outrider]
BUDGET, CLIENTS, EACH = 100, 40, 3  # milliseconds, ..., requests of a client
SLOW = ("x-block", "0.02")
"""So all clients together make a queue of 800 milliseconds."""


def flood(gateway: Outrider) -> list[http1.Message]:
    def client(_: int) -> list[http1.Message]:
        return [gateway.request("/slow", SLOW) for _ in range(EACH)]

    with ThreadPoolExecutor(CLIENTS) as threads:
        return [answer for answers in threads.map(client, range(CLIENTS)) for answer in answers]


@pytest.mark.parametrize("protocol", ["ext_proc", "kong"])
def test_what_would_wait_too_long_is_refused_and_the_rest_is_served(
    start: Start, upstream: Upstream, protocol: str
) -> None:
    slow = service("slow", upstream.port, plugin("block", timeout=10_000))
    gateway = start(slow, protocol=protocol, queue_budget=BUDGET, workers=1)
    answers = flood(gateway)
    served = [answer for answer in answers if answer.status == 200]
    shed = [answer for answer in answers if answer.status == 503]
    assert len(served) + len(shed) == CLIENTS * EACH
    assert served
    assert shed
    for answer in shed:
        assert json.loads(answer.body)["message"] == "The gateway is overloaded"
        assert answer.get("retry-after") == "1"
    assert len(upstream.requests) == len(served)
    assert gateway.metric("outrider_requests_shed_total") == len(shed)
    assert gateway.metric("outrider_decisions_total", plugin="block", outcome="passed") == len(served)
    # It has caught up.
    gateway.idle()
    until(lambda: {gateway.request("/slow").status for _ in range(5)} == {200})
