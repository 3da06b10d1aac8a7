"""What each phase that a plugin asks for adds to a request: one gateway for each, against a no-op plugin."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from clocks import processor_time
from gateways import HERE, Gateway, file, outrider, upstream
from generators import wrk
from harness.outrider import free_port
from measuring import Effort, Figures, Row, interleaved
from noops import plugin_files

CONNECTIONS = 16
NOOP = "a no-op plugin"

PLUGINS = '''
from outrider import Needs, Plugin, Request, Response

class Noop(Plugin):
    """Looks at nothing."""

    def on_request(self, request: Request) -> None: ...

class Tells(Plugin):
    """Says something to downstream, whoever answers."""

    def needs(self) -> Needs:
        return Needs(reply_headers=("x-told",))

    def on_request(self, request: Request) -> None:
        request.reply_headers["x-told"] = "yes"

class Responds(Plugin):
    """Says the same in the response phase."""

    def on_response(self, request: Request, response: Response) -> None:
        response.headers["x-told"] = "yes"

class Whole(Plugin):
    """Sees the response's whole body."""

    def on_response_body(self, request: Request, response: Response, body: bytes) -> None: ...

class Pieces(Plugin):
    """Sees the response's body as it passes."""

    def on_response_chunk(self, request: Request, response: Response, chunk: bytes, last: bool) -> bytes:
        return chunk

class Resizes(Pieces):
    """The same, and could change its length."""

    def needs(self) -> Needs:
        return Needs(resizes=frozenset({"on_response_chunk"}))

class Skips(Pieces):
    """Could see it, and passes over this one."""

    def on_response(self, request: Request, response: Response) -> None:
        response.skip_body()
'''

CASES = {
    NOOP: "{name: noop}",
    "a reply header": "{name: tells}",
    "a response hook": "{name: responds}",
    "the response's body, whole": "{name: whole}",
    "the response's body, STREAMED": "{name: pieces}",
    "the same, FULL_DUPLEX": "{name: resizes}",
    "the same, passed over": "{name: skips}",
    "tracing, headers only": "{name: tracing}",
    "tracing, spans to a collector": "{name: tracing, config: {endpoint: 'http://127.0.0.1:PORT', protocol: http}}",
}


def measure(effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(plugin_files(0))
        (folder / "plugins" / "phases.py").write_text(PLUGINS)
        target, collector = stack.enter_context(upstream()), stack.enter_context(_collector())
        rows = [
            Row(name, partial(_figures, stack.enter_context(outrider(folder / str(number), config, "engine", {}))))
            for number, (name, plugin) in enumerate(CASES.items())
            for config in [_config(target, plugin.replace("PORT", str(collector)), folder)]
        ]
        return interleaved(rows, effort)


def _config(target: int, plugin: str, folder: Path) -> dict[str, Any]:
    return file(target, yaml.safe_load(plugin), plugin_dirs=[str(folder / "plugins")])


@contextmanager
def _collector() -> Generator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(HERE / "collector.py"), str(port)])
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def _figures(gateway: Gateway, seconds: float) -> Figures:
    server, envoy = processor_time(gateway.server), processor_time(gateway.envoy)
    load = wrk(gateway.port, {}, connections=CONNECTIONS, seconds=max(1, round(seconds)))
    return {
        "server": (processor_time(gateway.server) - server) / load.requests * 1e6,
        "envoy": (processor_time(gateway.envoy) - envoy) / load.requests * 1e6,
    }
