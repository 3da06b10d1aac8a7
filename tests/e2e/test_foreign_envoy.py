"""`outrider serve envoy` behind an Envoy that somebody else configured."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from harness import http1
from harness.bootstrap import (
    cluster,
    ext_authz,
    ext_authz_per_route,
    ext_proc,
    ext_proc_per_route,
    grpc,
    mode,
    route,
)
from harness.gateway import Start
from harness.outrider import Config, Outrider, outrider, plugin, service
from harness.process import Envoy, bundled_envoy
from harness.sample import CONSUMERS, PLUGINS, Protocol
from harness.upstream import Upstream

ALICE = ("x-api-key", "alice-key")
Foreign = Callable[..., int]


@pytest.fixture(scope="module")
def sockets() -> Iterator[Path]:
    # Not tmp_path: a unix socket's path must be short.
    with TemporaryDirectory(prefix="outrider-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def served(sockets: Path, shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outrider]:
    """Workers with a protected route, one by host, and one that marks its requests."""
    port = shared_upstream.port
    marked = plugin("request-transform", add={"headers": {"x-chain": "{route.name}"}})
    routes = [{"name": "by-host", "hosts": ["hosted.test"]}]
    config: Config = {
        "gateway": {"plugin_dirs": [PLUGINS]},
        "services": [
            service("orders", port, plugin("key-auth")),
            service("marked", port, marked),
            service("hosted", port, marked, routes=routes),
        ],
        "consumers": CONSUMERS,
    }
    folder = tmp_path_factory.mktemp("served")
    with Outrider(folder, config, "serve", "envoy", "--listen", f"unix:{sockets}") as gateway:
        yield gateway.ready()


@pytest.fixture(scope="module")
def envoys(served: Outrider, sockets: Path, shared_upstream: Upstream) -> Iterator[Start]:
    del served
    workers = [str(path) for path in sorted(sockets.glob("*.sock"))]
    assert len(workers) == 2
    clusters = [cluster("upstream", shared_upstream.port), cluster("outrider", *workers, http2=True)]
    with Start(bundled_envoy(), clusters) as start:
        yield start


@pytest.fixture
def foreign(envoys: Start, upstream: Upstream) -> Foreign:
    """The port of an Envoy with these routes and a filter that asks the workers."""
    del upstream

    def started(protocol: Protocol, *routes: Config) -> int:
        return envoys(_filter(protocol), routes=routes or [route()])

    return started


def _filter(protocol: Protocol) -> Config:
    workers = grpc("outrider", timeout="10s")
    if protocol == "ext_authz":
        return ext_authz(grpc_service=workers, encode_raw_headers=True)
    attributes = ["source.address", "xds.route_name"]
    return ext_proc(
        grpc_service=workers, processing_mode=mode(request_header_mode="SEND"), request_attributes=attributes
    )


def _named(protocol: Protocol, name: str) -> Config:
    """What a route says to name one of the file's."""
    if protocol == "ext_authz":
        return ext_authz_per_route(check_settings={"context_extensions": {"outrider-route": name}})
    return ext_proc_per_route(overrides={"grpc_initial_metadata": [{"key": "outrider-route", "value": name}]})


def test_the_metadata_of_a_route_names_its_chain(foreign: Foreign, upstream: Upstream, protocol: Protocol) -> None:
    port = foreign(protocol, route(**_named(protocol, "orders")))
    assert http1.request(port, "/marked").status == 401
    assert http1.request(port, "/marked", ALICE).status == 200
    assert upstream.request.get("x-chain") is None


def test_an_unknown_route_in_the_metadata_is_a_fault_and_no_guess(
    foreign: Foreign, upstream: Upstream, protocol: Protocol
) -> None:
    port = foreign(protocol, route(**_named(protocol, "order")))
    assert http1.request(port, "/orders", ALICE).status == 500
    assert http1.request(port, "/marked").status == 500
    assert not upstream.requests


@pytest.mark.parametrize("protocol", ["ext_proc"])
def test_the_name_of_envoys_own_route_is_enough(foreign: Foreign, upstream: Upstream, protocol: Protocol) -> None:
    port = foreign(protocol, route("/one", name="orders"), route(name="marked"))
    assert http1.request(port, "/one").status == 401
    assert http1.request(port, "/other").status == 200
    assert upstream.request.get("x-chain") == "marked"


def test_without_a_name_host_and_path_choose_the_chain(
    foreign: Foreign, upstream: Upstream, protocol: Protocol
) -> None:
    port = foreign(protocol)
    assert http1.request(port, "/orders/1").status == 401
    assert not upstream.requests
    assert http1.request(port, "/marked").status == 200
    assert http1.request(port, "/anything", host="hosted.test:8080").status == 200
    assert [request.get("x-chain") for request in upstream.requests] == ["marked", "by-host"]


@pytest.mark.parametrize(
    "path", ["//orders", "/marked/../orders", "/marked/%2e%2e/orders", "/%6frders", "/marked/..%2forders"]
)
def test_a_foreign_envoy_that_normalises_nothing_is_no_way_past_the_plugins(
    foreign: Foreign, upstream: Upstream, protocol: Protocol, path: str
) -> None:
    assert http1.request(foreign(protocol), path).status in {400, 401, 404}
    assert not upstream.requests


def test_where_no_chain_is_found_the_request_is_refused(
    foreign: Foreign, upstream: Upstream, protocol: Protocol
) -> None:
    port = foreign(protocol, route(name="not-in-the-file"))
    for path in ("/", "/nothing", "/ORDERS"):
        assert http1.request(port, path).status == 404
    assert not upstream.requests


@pytest.mark.parametrize("name", ["x-consumer-username", "X_Consumer_Username", "x-consumer_id"])
def test_identity_headers_are_taken_off_by_the_workers_too(
    foreign: Foreign, upstream: Upstream, protocol: Protocol, name: str
) -> None:
    assert http1.request(foreign(protocol), "/marked", (name, "spoofed")).status == 200
    assert "spoofed" not in str(upstream.request.headers)


def test_a_rendered_bootstrap_runs_with_the_workers_that_serve(
    served: Outrider, sockets: Path, upstream: Upstream
) -> None:
    rendered = outrider("render", "envoy", served.file, "--listen", f"unix:{sockets}")
    assert (rendered.returncode, rendered.stderr) == (0, "")
    assert "alice-key" not in rendered.stdout
    document: dict[str, Any] = yaml.safe_load(rendered.stdout)
    with Envoy(bundled_envoy(), document).ready():
        assert served.request("/orders").status == 401
        assert served.request("/orders", ALICE).status == 200
        assert served.request("//orders").status == 401
        assert served.request("/marked").status == 200
    assert len(upstream.requests) == 2


def test_serving_leaves_only_workers_below_the_command(served: Outrider) -> None:
    assert len(served.children()) == len(served.workers()) == 2
