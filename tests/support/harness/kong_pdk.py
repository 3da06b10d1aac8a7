"""The real kong-pdk with the modules that `render kong --pdk` writes, between the stand-in and an upstream."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from harness import http1
from harness.kong_process import StandIn
from harness.outrider import service
from harness.process import until
from harness.sample import YEAR
from harness.upstream import Upstream
from outrider_cli import kong_config

MODES = {"threads": (), "gevent": ("-g",), "multiprocessing": ("-m",), "python-style": ("-g", "--no-lua-style")}

FAULTS = '''
import os, time
from outrider import Plugin, Request, Response

class Faults(Plugin):
    """Does what x-do says."""

    def on_request(self, request: Request) -> Response | None:
        match request.headers.get("x-do"):
            case "refuse":
                return Response(403, headers={"x-refused": "yes"}, body=b"no")
            case "raise":
                raise RuntimeError("a secret")
            case "exit":
                raise SystemExit
            case "die":
                os._exit(9)
            case "hang":
                time.sleep(60)
            case _:
                request.headers["x-seen"] = request.method + " " + request.target
        return None

    def on_response(self, request: Request, response: Response) -> None:
        if "x-bad" in response.headers:
            raise RuntimeError
        response.headers["x-after"] = request.headers["x-seen"]
'''


class Gateway:
    """A route `/r` with key-auth and the plugin above; its key is alice-key. `/limited` and `/open` need none."""

    def __init__(self, kong: StandIn, socket: Path, upstream: Upstream) -> None:
        self.kong, self.upstream = kong, upstream
        self._socket = socket

    def request(self, *headers: tuple[str, str], target: str = "/r", **fields: Any) -> http1.Message:
        """A request with the key."""
        return http1.request(self.kong.port, target, ("x-api-key", "alice-key"), *headers, **fields)

    def anonymous(self, target: str = "/r", *headers: tuple[str, str]) -> http1.Message:
        """A request without it."""
        return http1.request(self.kong.port, target, *headers)

    def is_well(self) -> bool:
        """Whether a request with the key passes."""
        return self.request().status == 200

    def kill(self) -> None:
        """Ends kong-pdk's server."""
        for pid in self.kong.servers():
            os.kill(pid, signal.SIGKILL)
        until(self._is_gone)

    def _is_gone(self) -> bool:
        try:
            http1.connect(str(self._socket)).close()
        except OSError:
            return True
        return False


@contextmanager
def gateway(folder: Path, *options: str, conf: str = "") -> Generator[Gateway]:
    """Starts all of it; `folder` has a short path."""
    with Upstream() as upstream:
        file, modules, socket = _file(folder, upstream), folder / "modules", folder / "s"
        rendered = kong_config.kong_conf(file, f"unix:{socket}", (), modules)
        started = rendered.replace(" -g ", f" {' '.join(options)} ")
        with StandIn(folder, kong_config.kong_yml(file, modules), started + conf) as kong:
            yield Gateway(kong, socket, upstream)


def _file(folder: Path, upstream: Upstream) -> Path:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "faults.py").write_text(FAULTS)
    file = folder / "outrider.yaml"
    credentials = {"username": "alice", "keyauth_credentials": [{"key": "alice-key"}]}
    limit = {"name": "rate-limit", "config": {"limit": 3, "window": YEAR, "by": "ip"}}
    routes: list[dict[str, Any]] = [
        {"name": "r", "paths": ["/r"], "strip_path": False, "plugins": [{"name": "faults"}, {"name": "key-auth"}]},
        {"name": "limited", "paths": ["/limited"], "plugins": [limit]},
        {"name": "open", "paths": ["/open"]},
    ]
    config = {
        "_format_version": "3.0",
        "gateway": {"plugin_dirs": ["plugins"]},
        "services": [service("s", upstream.port, routes=routes)],
        "consumers": [credentials],
    }
    file.write_text(yaml.safe_dump(config))
    return file
