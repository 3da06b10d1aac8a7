"""Good tokens through a real Envoy while bad ones come, each a different one, and while as much else comes."""

import os
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, islice
from pathlib import Path
from typing import Any

from clocks import memory, processor_time, stolen_time
from four import ISSUER, Four
from gateways import Gateway, file, outrider, seen, upstream
from generators import Load, wrk
from harness.bad_tokens import KINDS
from harness.outrider import plugin
from measuring import Effort, Figures, Row, interleaved
from noops import plugin_files

CORES = os.cpu_count() or 1
SCRIPT = Path(__file__).with_name("steady.lua")
MINUTE = 60
MANY = 100_000
"""Bad tokens a minute."""
STEADY, STEADY_CONNECTIONS = 100, 4
"""Good tokens a second whose latency is measured."""
FLOOD_CONNECTIONS = 64
LONGER = 1
"""Seconds that the flood lasts longer, half of them before."""
ALONE, AS_MUCH = "good tokens alone", "with as many good ones"
BAD = [f"with {kind}" for kind in KINDS]
A_MINUTE = "with bad ones of all kinds, for a minute"


@dataclass(frozen=True)
class Flooded:
    """A gateway, and the files of tokens that come to it."""

    gateway: Gateway
    folder: Path
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def __post_init__(self) -> None:
        good = self.gateway.headers["authorization"].removeprefix("Bearer ")
        self._write(AS_MUCH, iter([good]))
        makers = [make(good) for make in KINDS.values()]
        for name, make in zip(BAD, KINDS.values(), strict=True):
            self._write(name, islice(make(good), MANY // len(KINDS)))
        # One after another of each kind.
        self._write(A_MINUTE, islice(chain.from_iterable(zip(*makers, strict=True)), MANY))

    def measure(self, name: str, seconds: float) -> Figures:
        """The latency of good tokens while the others come."""
        worker = self.gateway.server
        assert worker is not None
        lasts, before = max(1, round(seconds)), memory(worker)
        flood = None if name == ALONE else self.pool.submit(self._flood, name, lasts + LONGER)
        time.sleep(LONGER / 2)
        used, stolen = processor_time(worker), stolen_time()
        load = self._load(AS_MUCH, STEADY, STEADY_CONNECTIONS, lasts)
        return {
            "p50": load.p50,
            "p99": load.p99,
            "rate": load.rate,
            "server": (processor_time(worker) - used) / lasts,
            "stolen": (stolen_time() - stolen) / lasts / CORES,
            "before": before,
            "flood": flood.result().rate if flood else 0.0,
            "came": flood.result().requests if flood else 0,
            "memory": memory(worker),
        }

    def _flood(self, name: str, seconds: int) -> Load:
        return self._load(name, MANY / MINUTE, FLOOD_CONNECTIONS, seconds, refused=name != AS_MUCH)

    def _load(self, name: str, rate: float, connections: int, seconds: int, *, refused: bool = False) -> Load:
        arguments = [f"{rate:g}", str(self._file(name))]
        return wrk(
            self.gateway.port,
            {},
            connections=connections,
            seconds=seconds,
            script=SCRIPT,
            arguments=arguments,
            refused=refused,
        )

    def _write(self, name: str, tokens: Iterator[str]) -> None:
        self._file(name).write_text("\n".join(tokens) + "\n")

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.tokens"


def measure(effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(plugin_files(0))
        flooded = stack.enter_context(_flooded(folder))
        # What the first requests need is no growth.
        flooded.measure(AS_MUCH, 2)
        minute = flooded.measure(A_MINUTE, 1 if effort.quick else MINUTE - LONGER)
        rows = [Row(name, partial(flooded.measure, name)) for name in (ALONE, AS_MUCH, *BAD)]
        found = interleaved(rows, effort)
        found["rows"][A_MINUTE] = {name: [value] for name, value in minute.items()}
        return found


@contextmanager
def _flooded(folder: Path) -> Generator[Flooded]:
    """A gateway with jwt-auth alone, whose issuer has its keys at an address: unknown ones make it look again."""
    four = Four(folder)
    with upstream() as target, _serving(four.keys.encode()) as address:
        config = file(target, plugin("jwt-auth", issuers=[{"issuer": ISSUER, "jwks": address}]))
        with outrider(folder / "gateway", config, "engine", four.headers) as gateway:
            seen(gateway)
            yield Flooded(gateway, folder)


@contextmanager
def _serving(keys: bytes) -> Generator[str]:
    """The address of the keys."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(keys)))
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(keys)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
        server.shutdown()
