"""`make bench`, Kong's part: plugin servers driven as a worker of Kong's drives them, side by side in one run.

The same plugin, which reads a header and sets two, in kong-pdk's three modes and in ours; and two chains of four in
one event: of plugins like it, and of bundled ones (correlation-id, key-auth, rate-limit, request-transform). One
worker of Kong's, so many connections, one event at a time on each. The rows run in turn, round by round, so that a
slow minute hits all of them.
"""

import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from gateway import free_port
from gateways import spread
from kong_load import drive, instance
from kong_servers import FOR_KONG_PDK, Config, Running, kong_pdk, outrider

ROUNDS, SECONDS, CONNECTIONS = 5, 2.0, 16


@dataclass
class Row:
    """A plugin in a plugin server, and what was measured round by round."""

    name: str
    server: Running
    plugin: str
    config: Config
    number: int = -1
    rates: list[float] = field(default_factory=list[float])
    costs: list[float] = field(default_factory=list[float])
    p50: list[float] = field(default_factory=list[float])
    p99: list[float] = field(default_factory=list[float])

    def run(self) -> None:
        """One round."""
        server = self.server
        if self.number < 0:
            self.number = uvloop.run(instance(server.kind, server.socket, self.plugin, self.config))
        before = server.cpu()
        load = uvloop.run(drive(server.kind, server.socket, self.number, connections=CONNECTIONS, seconds=SECONDS))
        events, took = len(load.took), sorted(load.took)
        self.rates.append(events / load.seconds)
        self.costs.append((server.cpu() - before) / events * 1e6)
        self.p50.append(took[events // 2] * 1e6)
        self.p99.append(took[events * 99 // 100] * 1e6)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        rows = _rows(stack, folder)
        for row in rows:
            # The first events load what a server loads late.
            row.run()
        for row in rows:
            for values in (row.rates, row.costs, row.p50, row.p99):
                values.clear()
        for _ in range(rounds):
            for row in rows:
                row.run()
    print(f"Plugin servers as one worker of Kong's drives them, {CONNECTIONS} connections, microseconds")
    print("\n".join(_table(rows)))


def _rows(stack: ExitStack, folder: Path) -> list[Row]:
    plugin = "read-one-set-two"
    theirs = {
        f"kong-pdk, {mode}": stack.enter_context(kong_pdk(folder, plugin, FOR_KONG_PDK, *options))
        for mode, options in (("threads", ()), ("gevent", ("-g",)), ("multiprocessing", ("-m",)))
    }
    ours = stack.enter_context(outrider(folder, free_port()))
    return [
        *(Row(name, server, plugin, {}) for name, server in theirs.items()),
        Row("ours, the same plugin", ours, f"outrider-{plugin}", {}),
        Row("ours, four of its kind", ours, "outrider-chain", {"route": "alike"}),
        Row("ours, four bundled ones", ours, "outrider-chain", {"route": "orders"}),
    ]


def _table(rows: list[Row]) -> Iterator[str]:
    threads, gevent, _, one, *_ = rows
    heads = f"{'events/s':>22} {'CPU/event':>20} {'p50':>22} {'p99':>24} {'CPU : one':>9}"
    yield f"{'':24} {'x threads':>9} {'x gevent':>9} {heads}"
    for row in rows:
        ratios = f"{_ratio(row.rates, threads.rates):9.2f} {_ratio(row.rates, gevent.rates):9.2f}"
        figures = f"{spread(row.rates):>22} {spread(row.costs):>20} {spread(row.p50):>22} {spread(row.p99):>24}"
        yield f"{row.name:24} {ratios} {figures} {_ratio(row.costs, one.costs):9.2f}"


def _ratio(values: list[float], base: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(values, base, strict=True))


if __name__ == "__main__":
    main()
