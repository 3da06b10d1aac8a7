"""The rate limit service of `outrider serve envoy`, behind an Envoy that somebody else configured."""

import fcntl
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml

from harness import http1
from harness.bootstrap import cluster, grpc, limited, rate_limit, route
from harness.gateway import Start
from harness.outrider import Config, Outrider
from harness.process import Envoy, bundled_envoy
from harness.upstream import Upstream

# Years, so that no test lives long enough to see a window change.
LIMITS = """
- {key: fixed, rate_limit: {unit: year, requests_per_unit: 7}}
- {key: sliding, rate_limit: {unit: year, requests_per_unit: 7, algorithm: sliding-window}}
- {key: even, rate_limit: {unit: year, requests_per_unit: 2, algorithm: gcra, burst: 7}}
- {key: costly, rate_limit: {unit: year, requests_per_unit: 7}}
- {key: held, rate_limit: {unit: year, requests_per_unit: 7}}
- {key: shadow, shadow_mode: true, rate_limit: {unit: year, requests_per_unit: 1}}
"""
Send = Callable[..., list[int]]


@pytest.fixture(scope="module", params=["engine", "grpcio"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Outrider, Path]]:
    """Two workers, and the folder of their sockets."""
    service = {"domains": [{"domain": "shop", "descriptors": yaml.safe_load(LIMITS)}]}
    config: Config = {"gateway": {"rate_limit_service": service}}
    # Not tmp_path: a unix socket's path must be short.
    with TemporaryDirectory(prefix="outrider-") as sockets:
        command = ("serve", "envoy", "--listen", f"unix:{sockets}")
        with Outrider(tmp_path_factory.mktemp("served"), config, *command, transport=request.param) as gateway:
            yield gateway.ready(), Path(sockets)


@pytest.fixture
def outrider(served: tuple[Outrider, Path]) -> Outrider:
    return served[0]


@pytest.fixture(scope="module")
def envoy(served: tuple[Outrider, Path], shared_upstream: Upstream) -> Iterator[Envoy]:
    """Counts /NAME by x-NAME; on /costly a request counts as 3."""
    workers = [str(path) for path in sorted(served[1].glob("*.sock"))]
    assert len(workers) == 2
    names = ["fixed", "sliding", "even", "held", "shadow"]
    routes = [limited([name], prefix=f"/{name}") for name in names]
    routes.append(limited(["costly"], prefix="/costly", hits_addend={"number": 3}))
    service = {"grpc_service": grpc("outrider"), "transport_api_version": "V3"}
    filters = rate_limit(rate_limit_service=service, enable_x_ratelimit_headers="DRAFT_VERSION_03")
    clusters = [cluster("upstream", shared_upstream.port), cluster("outrider", *workers, http2=True)]
    with Start(bundled_envoy(), clusters) as start:
        yield start.envoy(start.config(filters, routes=[*routes, route()]))


@pytest.fixture
def send(envoy: Envoy, upstream: Upstream) -> Send:
    """The statuses of so many requests with a value."""
    del upstream

    def statuses(name: str, times: int, value: str = "1") -> list[int]:
        return [http1.request(envoy.port(), f"/{name}", (f"x-{name}", value)).status for _ in range(times)]

    return statuses


@pytest.mark.parametrize("name", ["fixed", "sliding", "even"])
def test_exactly_the_limit_passes_over_both_workers(send: Send, upstream: Upstream, name: str) -> None:
    assert send(name, 10) == [200] * 7 + [429] * 3
    assert len(upstream.requests) == 7
    assert send(name, 1, "another") == [200]


def test_bytes_that_are_no_utf_8_are_counted(send: Send) -> None:
    assert send("even", 8, "\xff\xfe") == [200] * 7 + [429]


def test_a_request_counts_as_much_as_the_route_says(send: Send) -> None:
    assert send("costly", 4) == [200, 200, 429, 429]


def test_a_shadow_refuses_nobody_and_is_on_the_metrics_page(send: Send, outrider: Outrider) -> None:
    assert send("shadow", 3) == [200] * 3
    assert outrider.metric("outrider_rate_limit_service_total", domain="shop", outcome="shadow") == 2


def test_downstream_is_told_what_is_left(envoy: Envoy, upstream: Upstream) -> None:
    answers = [http1.request(envoy.port(), "/fixed", ("x-fixed", "told")) for _ in range(8)]
    assert [answer.get("x-ratelimit-remaining") for answer in answers] == [*"6543210", "0"]
    assert answers[0].get("x-ratelimit-limit") == "7, 7;w=31536000"
    assert answers[0].get("retry-after") is None
    assert int(answers[7].get("retry-after") or 0) > 0


def test_what_has_no_descriptor_or_no_limit_passes(send: Send) -> None:
    assert send("other", 10) == [200] * 10


@contextmanager
def held(gateway: Outrider) -> Generator[None]:
    """Keeps the table of counts, as a worker does that was stopped in the middle."""
    [environment] = {Path(f"/proc/{pid}/cmdline").read_text() for pid in gateway.workers()[:1]}
    arguments = environment.split("\0")
    folder = Path(arguments[arguments.index("--folder") + 1])
    [table] = folder.rglob("rate-limit")
    with table.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_without_counts_a_request_is_refused_though_this_envoy_lets_errors_through(
    send: Send, outrider: Outrider, upstream: Upstream
) -> None:
    errors = outrider.metric("outrider_rate_limit_service_total", outcome="error")
    with held(outrider):
        assert send("held", 2) == [429, 429]
    assert not upstream.requests
    assert outrider.metric("outrider_rate_limit_service_total", outcome="error") == errors + 2
    assert send("held", 8) == [200] * 7 + [429]
