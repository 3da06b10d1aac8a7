"""Plugin servers as processes, each with the plugin that it is measured with."""

import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clocks import family_time
from kong_load import MessagePack, ProtoBuf

BIN = Path(sys.executable).parent

FOR_KONG_PDK = '''
version = "1.0.0"
priority = 800
Schema = []

class Plugin:
    """Reads one header and sets two."""

    def __init__(self, config):
        self.config = config

    def access(self, kong):
        team = kong.request.get_header("x-team")
        kong.service.request.set_header("x-seen-team", team)
        kong.service.request.set_header("x-gateway", "kong")
'''
"""As the users of kong-pdk write it."""

FOR_US = '''
from outrider import Plugin, Request

class ReadOneSetTwo(Plugin):
    """Reads one header and sets two."""

    def on_request(self, request: Request) -> None:
        request.headers["x-seen-team"] = request.headers.get("x-team", "")
        request.headers["x-gateway"] = "outrider"
'''
ALIKE = ("ReadOneSetTwo", "ReadTwoSetTwo", "ReadThreeSetTwo", "ReadFourSetTwo")
"""Four plugins of its kind, each with headers of its own."""

FILE = """
_format_version: "3.0"
gateway: {metrics: 127.0.0.1:%d, workers: 1, plugin_dirs: [%s]}
services:
  - name: orders
    url: http://127.0.0.1:9001
    routes: [{name: orders, paths: [/orders]}]
    plugins:
      - {name: correlation-id}
      - {name: key-auth}
      - {name: rate-limit, config: {limit: 1000000000, window: 3600, by: consumer}}
      - {name: request-transform, config: {add: {headers: {x-gateway: outrider}}, remove: {headers: [x-team]}}}
  - name: alike
    url: http://127.0.0.1:9001
    routes: [{name: alike, paths: [/alike]}]
    plugins:
      - {name: read-one-set-two}
      - {name: read-two-set-two}
      - {name: read-three-set-two}
      - {name: read-four-set-two}
consumers:
  - {username: alice, keyauth_credentials: [{key: the key of alice}]}
"""


@dataclass(frozen=True)
class Running:
    """A plugin server that takes events."""

    pid: int
    socket: Path
    kind: type[ProtoBuf | MessagePack]

    def cpu(self) -> float:
        """CPU seconds that it has used, with all processes below it."""
        return family_time(self.pid)


Config = dict[str, Any]


@contextmanager
def kong_pdk(folder: Path, name: str, plugins: str, *options: str) -> Generator[Running]:
    """kong-pdk's own server with the plugin `NAME.py`."""
    place = folder / f"{name}{''.join(options)}"
    place.mkdir()
    (place / f"{name}.py").write_text(plugins)
    command = [str(BIN / "kong-python-pluginserver"), "-d", str(place), "-p", str(folder), *options]
    socket = folder / f"{place.name}.sock"
    with _process([*command, "--socket-name", socket.name], socket) as pid:
        yield Running(pid, socket, MessagePack)


@contextmanager
def outrider(folder: Path, port: int) -> Generator[Running]:
    """Ours, with one worker."""
    (folder / "plugins").mkdir()
    for name in ALIKE:
        plugin = FOR_US.replace(ALIKE[0], name)
        if name != ALIKE[0]:
            plugin = plugin.replace('"x-', f'"x-{name.lower()}-')
        (folder / "plugins" / f"{name}.py").write_text(plugin)
    file, socket = folder / "outrider.yaml", folder / "outrider.sock"
    file.write_text(FILE % (port, folder / "plugins"))
    with _process([str(BIN / "outrider"), "serve", "kong", str(file), "--listen", f"unix:{socket}"], socket) as pid:
        yield Running(pid, socket, ProtoBuf)


@contextmanager
def _process(command: list[str], socket: Path) -> Generator[int]:
    with socket.with_suffix(".log").open("wb") as log:
        started = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(socket, started)
        yield started.pid
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(timeout=30)


def _wait(socket: Path, started: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while not socket.exists():
        if started.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{started.args!r} did not start:\n{socket.with_suffix('.log').read_text()}")
        time.sleep(0.05)
