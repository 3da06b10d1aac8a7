"""Plugin servers driven as a worker of Kong's drives them.

The same plugin, which reads a header and sets two, in kong-pdk's three modes and in ours; and two chains of four in
one event: of plugins like it, and of bundled ones (correlation-id, key-auth, rate-limit, request-transform). One
worker of Kong's, so many connections, one event at a time on each.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from harness.outrider import free_port
from kong_load import drive, instance
from kong_servers import FOR_KONG_PDK, Config, Running, kong_pdk, outrider
from measuring import Effort, Figures, Row, interleaved

CONNECTIONS = 16
THREADS, GEVENT, PROCESSES = (f"kong-pdk, {mode}" for mode in ("threads", "gevent", "multiprocessing"))
ONE, ALIKE, BUNDLED = "ours, the same plugin", "ours, four of its kind", "ours, four bundled ones"


def measure(effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return interleaved([Row(name, _started(event).measure) for name, event in _events(stack, folder)], effort)


@dataclass
class _Event:
    """A plugin in a plugin server."""

    server: Running
    plugin: str
    config: Config
    number: int = -1

    def measure(self, seconds: float) -> Figures:
        """One round."""
        server = self.server
        before = server.cpu()
        load = uvloop.run(drive(server.kind, server.socket, self.number, connections=CONNECTIONS, seconds=seconds))
        events, took = len(load.took), sorted(load.took)
        return {
            "rate": events / load.seconds,
            "server": (server.cpu() - before) / events * 1e6,
            "p50": took[events // 2] * 1e6,
            "p99": took[events * 99 // 100] * 1e6,
        }


def _started(event: _Event) -> _Event:
    event.number = uvloop.run(instance(event.server.kind, event.server.socket, event.plugin, event.config))
    return event


def _events(stack: ExitStack, folder: Path) -> Iterator[tuple[str, _Event]]:
    plugin = "read-one-set-two"
    for name, options in ((THREADS, ()), (GEVENT, ("-g",)), (PROCESSES, ("-m",))):
        yield name, _Event(stack.enter_context(kong_pdk(folder, plugin, FOR_KONG_PDK, *options)), plugin, {})
    ours = stack.enter_context(outrider(folder, free_port()))
    yield ONE, _Event(ours, f"outrider-{plugin}", {})
    yield ALIKE, _Event(ours, "outrider-chain", {"route": "alike"})
    yield BUNDLED, _Event(ours, "outrider-chain", {"route": "orders"})
