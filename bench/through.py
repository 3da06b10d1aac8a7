"""Requests through a real Envoy with one worker thread: its own filters, our plugins, and bare servers."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from clocks import processor_time
from four import Four
from gateways import Gateway, alone, bare, file, outrider, rendered, seen, upstream
from generators import wrk
from measuring import Effort, Figures, Row, interleaved
from native import put_into
from noops import plugin_files

CONNECTIONS = (1, 64)
PLAIN, NATIVE, REMEMBERING = "plain Envoy", "native filters", "native filters, tokens remembered"
FOUR = {transport: f"four plugins on {transport}" for transport in ("engine", "grpcio")}
NOOP = {transport: f"a no-op plugin on {transport}" for transport in ("engine", "grpcio")}
BARE = {"aio": "bare grpc.aio no-op", "threads": "bare no-op on grpcio's threads"}


def measure(effort: Effort) -> dict[str, Any]:
    with gateways() as found:
        rows = [Row(name, partial(_figures, gateway)) for name, gateway in found.items()]
        return interleaved(rows, effort)


@contextmanager
def gateways() -> Generator[dict[str, Gateway]]:
    """Every gateway of the table, running."""
    with ExitStack() as stack:
        folder = stack.enter_context(plugin_files(1))
        four, target = Four(folder), stack.enter_context(upstream())
        plain = rendered(folder / "plain", file(target))
        noop = file(target, {"name": "noop1"}, plugin_dirs=[str(folder / "plugins")])
        chain = file(target, *four.plugins)
        made = {
            PLAIN: alone(plain, {}),
            NATIVE: alone(put_into(plain, four.keys, remembers=False), four.headers),
            REMEMBERING: alone(put_into(plain, four.keys, remembers=True), four.headers),
            **{name: outrider(folder / f"four-{kind}", chain, kind, four.headers) for kind, name in FOUR.items()},
            **{name: outrider(folder / f"noop-{kind}", noop, kind, {}) for kind, name in NOOP.items()},
            **{name: bare(folder / kind, noop, kind) for kind, name in BARE.items()},
        }
        running = {name: stack.enter_context(gateway) for name, gateway in made.items()}
        _check(running)
        yield running


def _check(running: dict[str, Gateway]) -> None:
    """Ends the benchmark where two chains that shall mean the same do not do the same."""
    saw = {name: seen(gateway) for name, gateway in running.items()}
    for one in saw.values():
        if "traceparent" in one:
            one["traceparent"] = "00-TRACE-SPAN-" + one["traceparent"][-2:]
    expected = saw[NATIVE]
    for name in (REMEMBERING, *FOUR.values()):
        if saw[name] != expected:
            raise SystemExit(f"{name} is not the same as {NATIVE}: {saw[name]} and {expected}")


def _figures(gateway: Gateway, seconds: float) -> Figures:
    """A round: one connection, then many."""
    return dict(item for connections in CONNECTIONS for item in _under(gateway, connections, seconds))


def _under(gateway: Gateway, connections: int, seconds: float) -> Iterator[tuple[str, float]]:
    envoy, server = processor_time(gateway.envoy), processor_time(gateway.server)
    load = wrk(gateway.port, gateway.headers, connections=connections, seconds=max(1, round(seconds)))
    yield f"rate {connections}", load.rate
    yield f"p50 {connections}", load.p50
    yield f"p99 {connections}", load.p99
    yield f"server {connections}", (processor_time(gateway.server) - server) / load.requests * 1e6
    yield f"envoy {connections}", (processor_time(gateway.envoy) - envoy) / load.requests * 1e6
