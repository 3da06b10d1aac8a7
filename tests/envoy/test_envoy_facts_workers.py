"""Several ext_proc servers, each on its own unix socket, as the endpoints of one cluster."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.bootstrap import Config, cluster, ext_proc, grpc, mode
from harness.gateway import Start
from harness.http1 import request
from harness.process import until
from harness.scripted import Processor
from harness.upstream import Upstream

HEADERS = mode(request_header_mode="SEND")
# Never `reset`: the server may have acted on the request already. The default back-off is up to a second.
RETRY = {
    "num_retries": 3,
    "retry_on": "connect-failure,refused-stream",
    "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"},
}


@pytest.fixture
def workers(socket_folder: Path) -> Iterator[list[Processor]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Processor(str(socket_folder / f"worker-{n}"))) for n in range(2)]


def serve(start: Start, workers: list[Processor], service: Config | None = None, **fields: Any) -> int:
    """A gateway whose connections to both workers are open."""
    endpoints = cluster("processor", *(worker.path for worker in workers), http2=True, **fields)
    filters = ext_proc(processing_mode=HEADERS, grpc_service=grpc("processor", **(service or {})))
    port = start(filters, clusters=[endpoints])
    until(lambda: request(port).status == 200 and all(worker.streams for worker in workers))
    for worker in workers:
        worker.reset()
    return port


def statuses(port: int, count: int = 20) -> set[int]:
    return {request(port).status for _ in range(count)}


def test_the_load_is_even(start: Start, workers: list[Processor]) -> None:
    port = serve(start, workers)
    assert statuses(port) == {200}
    assert [len(worker.streams) for worker in workers] == [10, 10]


def test_without_a_retry_a_dead_worker_costs_requests_but_lets_none_pass(
    start: Start, workers: list[Processor], upstream: Upstream
) -> None:
    port = serve(start, workers)
    workers[0].stop()
    upstream.requests.clear()
    seen = [request(port).status for _ in range(20)]
    assert set(seen) == {200, 500}
    assert len(upstream.requests) == seen.count(200)


def test_with_a_retry_no_request_fails_when_a_worker_is_dead(start: Start, workers: list[Processor]) -> None:
    port = serve(start, workers, {"retry_policy": RETRY})
    workers[0].stop()
    assert statuses(port) == {200}
    assert len(workers[1].streams) == 20


def test_a_worker_restarted_on_the_same_socket_is_used_again(start: Start, workers: list[Processor]) -> None:
    port = serve(start, workers, {"retry_policy": RETRY})
    workers[0].stop()
    with Processor(workers[0].path) as restarted:
        assert until(lambda: request(port).status == 200 and restarted.streams)


def test_with_every_worker_dead_nothing_passes(start: Start, workers: list[Processor], upstream: Upstream) -> None:
    port = serve(start, workers, {"retry_policy": RETRY})
    upstream.requests.clear()
    for worker in workers:
        worker.stop()
    assert statuses(port) == {500}
    assert upstream.requests == []


def test_a_worker_that_says_it_does_not_serve_gets_no_requests_until_it_does(
    start: Start, workers: list[Processor]
) -> None:
    check: Config = {
        "timeout": "1s",
        "interval": "0.1s",
        "no_traffic_interval": "0.1s",
        "unhealthy_interval": "0.1s",
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "grpc_health_check": {},
    }
    port = serve(start, workers, health_checks=[check])
    ill, well = workers

    def only_the_other() -> bool:
        ill.reset()
        return statuses(port, 4) == {200} and not ill.streams

    ill.healthy = False
    until(only_the_other)
    assert well.streams
    ill.healthy = True
    assert until(lambda: request(port).status == 200 and ill.streams)
