"""Decisions asked for over one connection straight into a worker: what it costs without an Envoy."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clocks import processor_time
from four import Four
from gateways import file
from generators import h2load
from harness.outrider import service
from measuring import Effort, Figures, Row, interleaved
from messages import CHECK, PROCESS, body_file, check, request_headers, response_headers
from noops import plugin_files
from outrider_envoy.proto.ext_authz_pb2 import CheckResponse
from outrider_envoy.proto.ext_proc_pb2 import ProcessingResponse
from outrider_envoy.selection import ROUTE_KEY
from workers import Worker, answers, bare, outrider

STREAMS = 32
NOOPS = (1, 4, 16)
TRANSPORTS = ("engine", "grpcio")


@dataclass(frozen=True)
class Ask:
    """What is asked of a worker again and again."""

    path: str
    route: str
    body: Path

    def of(self, worker: Worker, seconds: float, *, streams: int = STREAMS) -> Figures:
        """One round."""
        before = processor_time(worker.pid)
        load = h2load(worker.socket, self.path, self.body, self.metadata, streams=streams, seconds=seconds)
        return {"rate": load.rate, "server": (processor_time(worker.pid) - before) / load.requests * 1e6}

    def is_answered(self, worker: Worker) -> bool:
        """Whether a real gRPC client gets a yes to it."""
        found = answers(worker, self.path, self.body.read_bytes(), self.metadata)
        if self.path == CHECK:
            return len(found) == 1 and CheckResponse.FromString(found[0]).HasField("ok_response")
        kinds = [ProcessingResponse.FromString(one).WhichOneof("response") for one in found]
        return kinds in (["request_headers"], ["request_headers", "response_headers"])

    @property
    def metadata(self) -> dict[str, str]:
        return {ROUTE_KEY: self.route}


def measure(effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(plugin_files(max(NOOPS)))
        four = Four(folder)
        asks = dict(_asks(folder, four))
        ours = {kind: stack.enter_context(outrider(folder / kind, _file(folder, four), kind)) for kind in TRANSPORTS}
        bares = {kind: stack.enter_context(bare(folder / f"bare-{kind}", kind)) for kind in ("aio", "threads")}
        rows = [_row(f"{name}, {kind}", ask, worker) for name, ask in asks.items() for kind, worker in ours.items()]
        rows += [_row(f"{name}, bare {kind}", asks[name], bares[kind]) for name, kind in BARE]
        return interleaved(rows, effort)


BARE = [
    ("ext_proc, a no-op plugin", "aio"),
    ("ext_proc, two messages", "aio"),
    ("ext_authz, a no-op plugin", "aio"),
    ("ext_proc, a no-op plugin", "threads"),
]


def _asks(folder: Path, four: Four) -> Iterator[tuple[str, Ask]]:
    headers = request_headers(four.headers)
    one = body_file(folder, "one", headers)
    two = body_file(folder, "two", headers, response_headers())
    checked = body_file(folder, "check", check(four.headers))
    yield "ext_proc, a no-op plugin", Ask(PROCESS, "noop1", one)
    yield "ext_proc, four no-op plugins", Ask(PROCESS, "noop4", one)
    yield "ext_proc, sixteen no-op plugins", Ask(PROCESS, "noop16", one)
    yield "ext_proc, the four plugins", Ask(PROCESS, "chain", one)
    yield "ext_proc, two messages", Ask(PROCESS, "two", two)
    yield "ext_authz, a no-op plugin", Ask(CHECK, "noop1", checked)
    yield "ext_authz, the four plugins", Ask(CHECK, "chain", checked)


def _file(folder: Path, four: Four) -> dict[str, Any]:
    """All chains in one file: the route says which one is asked."""
    noops = [service(f"noop{count}", 1, *({"name": f"noop{n}"} for n in range(1, count + 1))) for count in NOOPS]
    two, chain = service("two", 1, {"name": "both-phases"}), service("chain", 1, *four.plugins)
    config = file(1, plugin_dirs=[str(folder / "plugins")])
    return config | {"services": [*noops, two, chain]}


def _row(name: str, ask: Ask, worker: Worker) -> Row:
    if not ask.is_answered(worker):
        raise SystemExit(f"{name}: the worker does not say yes")
    return Row(name, lambda seconds: ask.of(worker, seconds))
