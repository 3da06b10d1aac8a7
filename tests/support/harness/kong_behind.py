"""The same as `Outrider`, with Kong's stand-in in Envoy's place: what `render kong` prints, and `serve kong`."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.outrider import Config, Outrider, outrider, processes_below


def behind(folder: Path, config: Config, transport: str | None = None) -> Outrider:
    """A gateway for `protocol` of the configuration, which may be kong too; `transport` is for Envoy alone."""
    gateway = dict(config.get("gateway", {}))
    if gateway.get("protocol") != "kong":
        return Outrider(folder, config, transport=transport)
    del gateway["protocol"]
    return BehindKong(folder, {**config, "gateway": gateway})


class BehindKong(Outrider):
    """A stand-in that starts the plugin server, as Kong does; its standard error has the server's log lines, too."""

    def __init__(self, folder: Path, config: Config) -> None:
        # Not the test's own folder: a unix socket's path must be short.
        self._short = TemporaryDirectory(prefix="kong-")
        self._socket = Path(self._short.name) / "outrider.sock"
        super().__init__(folder, config)

    def command(self, *_: str) -> list[str]:
        """What `kong start` would be: both files are made anew."""
        kong_yml, kong_conf = self.folder / "kong.yml", self.folder / "kong.conf"
        for file, options in ((kong_yml, ()), (kong_conf, ("--conf",))):
            rendered = outrider("render", "kong", self.file, "--listen", f"unix:{self._socket}", *options)
            assert rendered.returncode == 0, rendered.stderr
            file.write_text(rendered.stdout)
        stand_in = [sys.executable, "-m", "outrider_kong.stand_in", str(kong_yml), "--conf", str(kong_conf)]
        return [*stand_in, "--listen", f"127.0.0.1:{self.port}"]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The server's log lines."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]

    def children(self) -> dict[int, str]:
        """The command line of each process below it: the server and its workers."""
        lines = super().children()
        for server in [*lines]:
            lines |= processes_below(server)
        self._seen.update(lines)
        return lines

    def is_ready(self) -> bool:
        """Whether the server takes requests, where Kong asks it."""
        return super().is_ready() and self._socket.is_socket()

    def __exit__(self, *error: object) -> None:
        try:
            super().__exit__(*error)
        finally:
            self._short.cleanup()
