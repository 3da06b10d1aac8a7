"""Gateways as processes: Envoy before our worker, before a bare server, with its own filters, and alone."""

import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness import http1
from harness.bootstrap import FILTERS, Config, bootstrap, listener, typed
from harness.outrider import COMMAND, Outrider, free_port, service
from harness.process import Envoy, bundled_envoy, until

HERE = Path(__file__).parent
ECHO = "x-echo"
"""With it the upstream tells in its response what it was sent."""


@dataclass(frozen=True)
class Gateway:
    """A running gateway; `server` is the process that decides, none for an Envoy that has no such process."""

    port: int
    envoy: int
    server: int | None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """What its requests must carry."""


@contextmanager
def upstream() -> Generator[int]:
    """An Envoy that answers every request itself, once all of it is there: the cheapest upstream at hand."""
    buffer = typed(f"{FILTERS}.buffer.v3.Buffer", max_request_bytes=64 << 20)
    filters = [{"name": "envoy.filters.http.buffer", "typed_config": buffer}]
    answer = {"status": 200, "body": {"inline_string": "ok"}}
    told = ["authorization", "x-internal", "x-stage", "x-gateway", "x-region", "x-hops", "traceparent"]
    echo = {
        "match": {"prefix": "/", "headers": [{"name": ECHO, "present_match": True}]},
        "direct_response": answer,
        "response_headers_to_add": [{"header": {"key": f"saw-{name}", "value": f"%REQ({name})%"}} for name in told],
    }
    plain = {"match": {"prefix": "/"}, "direct_response": answer}
    document = bootstrap([listener(filters, [echo, plain], per_connection_buffer_limit_bytes=1 << 26)], [])
    with Envoy(bundled_envoy(), document) as envoy:
        yield envoy.ready().port()


def file(target: int, *plugins: Config, **gateway: Any) -> Config:
    """One route with these plugins before `target`; one worker and one thread of Envoy's, unless told otherwise."""
    route = {"name": "bench", "paths": ["/"], "strip_path": False}
    return {
        "gateway": {"workers": 1, "concurrency": 1, "log": {"level": "warning"}, **gateway},
        "services": [service("bench", target, *plugins, routes=[route])],
        "consumers": [{"username": "alice"}],
    }


@contextmanager
def outrider(folder: Path, config: Config, transport: str, headers: Mapping[str, str]) -> Generator[Gateway]:
    """`outrider run`, as users have it."""
    folder.mkdir()
    with Outrider(folder, config, "run", *chosen(transport)) as gateway:
        gateway.ready()
        (worker,) = gateway.workers()
        yield Gateway(gateway.port, gateway.envoy(), worker, headers)


def chosen(transport: str) -> list[str]:
    """The option for a transport; without it there is only grpcio."""
    help_text = subprocess.run([COMMAND, "run", "--help"], capture_output=True, text=True, check=True).stdout
    return ["--transport", transport] if "--transport" in help_text else []


def rendered(folder: Path, config: Config, listen: str = "127.0.0.1:9191") -> Config:
    """The bootstrap of `outrider render envoy`, on a port that Envoy chooses."""
    folder.mkdir()
    path = folder / "outrider.yaml"
    addresses = {name: f"127.0.0.1:{free_port()}" for name in ("listen", "metrics")}
    gateway = config["gateway"] | addresses
    path.write_text(yaml.safe_dump({"_format_version": "3.0", **config, "gateway": gateway}))
    text = subprocess.check_output([COMMAND, "render", "envoy", str(path), "--listen", listen], text=True)
    document: Config = yaml.safe_load(text)
    document["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = 0
    return document


@contextmanager
def alone(document: Config, headers: Mapping[str, str], server: int | None = None) -> Generator[Gateway]:
    """An Envoy with that bootstrap."""
    with Envoy(bundled_envoy(), document) as envoy:
        yield Gateway(envoy.ready().port("outrider"), envoy.process.pid, server, headers)


@contextmanager
def bare(folder: Path, config: Config, kind: str) -> Generator[Gateway]:
    """The Envoy of `config`, before a server that only says yes."""
    document = rendered(folder, config, f"unix:{folder}")
    for cluster in document["static_resources"]["clusters"]:
        # It knows no health checks.
        cluster.pop("health_checks", None)
    with bare_server(kind, folder / "worker-0.sock") as server, alone(document, {}, server) as gateway:
        yield gateway


@contextmanager
def bare_server(kind: str, socket: Path) -> Generator[int]:
    """`bare.py` on a unix socket, by its process id."""
    server = subprocess.Popen([sys.executable, str(HERE / "bare.py"), kind, f"unix:{socket}"])
    try:
        until(socket.exists)
        yield server.pid
    finally:
        server.kill()
        server.wait()


def seen(gateway: Gateway) -> dict[str, str]:
    """What upstream is sent for a request with the gateway's headers; ends the benchmark if it is not let on."""
    answer = until(lambda: _answer(gateway))
    assert answer is not None
    return {name.removeprefix("saw-"): value for name, value in answer.headers if name.startswith("saw-")}


def _answer(gateway: Gateway) -> http1.Message | None:
    answer = http1.request(gateway.port, "/", *gateway.headers.items(), (ECHO, "yes"))
    return answer if answer.status == 200 else None
