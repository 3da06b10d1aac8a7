"""Ever more routes: what a request to the last one costs worker and Envoy, their memory, and the time to start."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from clocks import memory, processor_time
from gateways import Gateway, file, outrider, upstream
from generators import wrk
from harness.outrider import service
from measuring import Effort, Figures, Row, counted, interleaved
from noops import plugin_files

SIZES = (10, 100, 1_000, 10_000)
CONNECTIONS = 16


def measure(effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(plugin_files(1))
        target = stack.enter_context(upstream())
        sizes = SIZES[:-1] if effort.quick else SIZES
        return interleaved([_row(stack, folder, target, size) for size in sizes], effort)


def _row(stack: ExitStack, folder: Path, target: int, size: int) -> Row:
    routes = [{"name": f"r{number}", "paths": [f"/{number}/"], "strip_path": False} for number in range(size)]
    config = file(target, plugin_dirs=[str(folder / "plugins")])
    config["services"] = [service("bench", target, {"name": "noop1"}, routes=routes)]
    began = time.monotonic()
    gateway = stack.enter_context(outrider(folder / str(size), config, "engine", {}))
    start = time.monotonic() - began
    return Row(counted(size, "route"), lambda seconds: _figures(gateway, size, seconds) | {"start": start})


def _figures(gateway: Gateway, size: int, seconds: float) -> Figures:
    assert gateway.server is not None
    server, envoy = processor_time(gateway.server), processor_time(gateway.envoy)
    # The last one made: what looks through them one by one has to pass all others.
    load = wrk(gateway.port, {}, connections=CONNECTIONS, seconds=max(1, round(seconds)), path=f"/{size - 1}/")
    return {
        "rate": load.rate,
        "server": (processor_time(gateway.server) - server) / load.requests * 1e6,
        "envoy": (processor_time(gateway.envoy) - envoy) / load.requests * 1e6,
        "memory": memory(gateway.server),
        "envoy memory": memory(gateway.envoy),
    }
