"""Four workers behind one Envoy with two threads: how evenly they share the work."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from clocks import processor_time
from four import Four
from gateways import chosen, file, upstream
from generators import wrk
from harness.outrider import Outrider
from measuring import Effort, Figures, Row, counted, interleaved
from noops import plugin_files

WORKERS, THREADS = 4, 2
CONNECTIONS = (1, 64)


def measure(effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(plugin_files(0))
        four, target = Four(folder), stack.enter_context(upstream())
        config = file(target, *four.plugins, workers=WORKERS, concurrency=THREADS)
        rows = [
            Row(
                f"{counted(connections, 'connection')}, {kind}", partial(_figures, gateway, four.headers, connections)
            )
            for kind in ("engine", "grpcio")
            for gateway in [stack.enter_context(_running(folder / kind, config, kind))]
            for connections in CONNECTIONS
        ]
        return interleaved(rows, effort)


def _running(folder: Path, config: dict[str, Any], kind: str) -> Outrider:
    folder.mkdir()
    return Outrider(folder, config, "run", *chosen(kind)).ready()


def _figures(gateway: Outrider, headers: dict[str, str], connections: int, seconds: float) -> Figures:
    workers = gateway.workers()
    before = [processor_time(pid) for pid in workers]
    load = wrk(gateway.port, headers, connections=connections, seconds=max(1, round(seconds)))
    used = [processor_time(pid) - start for pid, start in zip(workers, before, strict=True)]
    return {
        "rate": load.rate,
        "server": sum(used) / load.requests * 1e6,
        "least": min(used) / mean(used),
        "most": max(used) / mean(used),
    }
