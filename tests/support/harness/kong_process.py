"""The Kong stand-in as a process."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from harness.process import until


class StandIn:
    """Runs with a kong.yml and a kong.conf, both given as text, in a folder."""

    def __init__(self, folder: Path, kong_yml: str, kong_conf: str) -> None:
        (folder / "kong.yml").write_text(kong_yml)
        (folder / "kong.conf").write_text(kong_conf)
        self._output, self._errors = folder / "stdout", folder / "stderr"
        command = [sys.executable, "-m", "outrider_kong.stand_in", str(folder / "kong.yml")]
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [*command, "--conf", str(folder / "kong.conf"), "--listen", "127.0.0.1:0"],
                stdout=output,
                stderr=errors,
            )
        try:
            self.port = until(self._port, 40.0)
        except BaseException:
            self.stop()
            raise

    @property
    def log(self) -> str:
        """All that it and its plugin server wrote."""
        return self._output.read_text(errors="replace") + self._errors.read_text(errors="replace")

    def servers(self) -> list[int]:
        """The plugin servers that it started."""
        pid = self.process.pid
        tasks = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(40)

    def _port(self) -> int:
        assert self.process.poll() is None, self.log
        lines = [line for line in self._output.read_text().splitlines() if "listening on" in line]
        return int(lines[0].rpartition(":")[2]) if lines else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
