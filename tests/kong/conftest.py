"""A plugin server that does what a test says, the Kong stand-in, and an upstream."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.kong_gateway import Kong, StartKong, plugin, running
from harness.kong_scripted import PluginServer
from harness.upstream import Upstream
from outrider_kong.stand_in.settings import Settings


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: a unix socket's path must be short.
    path = Path(tempfile.mkdtemp(prefix="kong-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as started:
        yield started


@pytest.fixture
def server(folder: Path) -> Iterator[PluginServer]:
    with PluginServer(folder / "s") as started:
        yield started


@pytest.fixture
def start(server: PluginServer, upstream: Upstream) -> Iterator[StartKong]:
    """Starts the stand-in with a route `/r` that has the plugin `probe`; `phases` are the plugin's."""
    with ExitStack() as stack:

        def begin(*phases: str, workers: int = 1, more: dict[str, Any] | None = None, **settings: Any) -> Kong:
            info = plugin("probe", server.path, phases or ("access",))
            probe = {"name": "probe", "config": {"mode": "x"}}
            route = {"name": "r", "paths": ["/r"], "plugins": [probe]}
            service = {"name": "s", "url": f"http://127.0.0.1:{upstream.port}", "routes": [route]}
            values: dict[str, Any] = {"plugins": ("bundled", "probe"), "read_timeout": 10, **settings}
            document = {"services": [service], **(more or {})}
            return stack.enter_context(running(document, info, settings=Settings(**values), workers=workers))

        yield begin
