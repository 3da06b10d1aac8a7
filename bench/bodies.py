"""Request bodies of 1 KB to 10 MB through a real Envoy: unseen by plugins, seen whole, and seen in chunks."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from clocks import processor_time
from gateways import Gateway, file, outrider, upstream
from generators import wrk
from harness.outrider import forget_peak, peak_memory, service
from measuring import Effort, Figures, Row, interleaved
from noops import plugin_files

SIZES = {"1 KB": 1_000, "100 KB": 100_000, "1 MB": 1_000_000, "10 MB": 10_000_000}
CONNECTIONS = 4
PLUGINS = '''
from outrider import Plugin, Request

class Whole(Plugin):
    """Sees the body in one piece."""

    def on_request_body(self, request: Request, body: bytes) -> None: ...

class Pieces(Plugin):
    """Sees the body as it passes."""

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool) -> bytes:
        return chunk
'''
WAYS = {"unseen": "noop1", "whole": "whole", "in chunks": "pieces"}


def measure(effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(plugin_files(1))
        (folder / "plugins" / "bodies.py").write_text(PLUGINS)
        target = stack.enter_context(upstream())
        config = file(target, plugin_dirs=[str(folder / "plugins")])
        config["services"] = [service(plugin, target, {"name": plugin}) for plugin in WAYS.values()]
        rows = [
            row
            for kind in ("engine", "grpcio")
            for row in _rows(stack.enter_context(outrider(folder / kind, config, kind, {})), folder, kind)
        ]
        return interleaved(rows, effort)


def _rows(gateway: Gateway, folder: Path, kind: str) -> Iterator[Row]:
    for name, size in SIZES.items():
        script = _script(folder, size)
        for way, plugin in WAYS.items():
            yield Row(f"{name}, {way}, {kind}", partial(_figures, gateway, plugin, size, script))


def _script(folder: Path, size: int) -> Path:
    script = folder / f"{size}.lua"
    script.write_text(f'wrk.method = "POST"\nwrk.body = string.rep("x", {size})\n')
    return script


def _figures(gateway: Gateway, plugin: str, size: int, script: Path, seconds: float) -> Figures:
    assert gateway.server is not None
    forget_peak(gateway.server)
    server, envoy = processor_time(gateway.server), processor_time(gateway.envoy)
    taken = max(1, round(seconds))
    load = wrk(gateway.port, {}, connections=CONNECTIONS, seconds=taken, path=f"/{plugin}", script=script)
    return {
        "rate": load.rate,
        "throughput": load.rate * size / 1e6,
        "p50": load.p50,
        "server": (processor_time(gateway.server) - server) / load.requests * 1e6,
        "envoy": (processor_time(gateway.envoy) - envoy) / load.requests * 1e6,
        "memory": peak_memory(gateway.server),
    }
