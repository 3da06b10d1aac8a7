"""The `outrider` command as a process: a whole gateway between a raw client and an upstream."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import yaml

from harness import http1
from harness.process import until
from harness.wheels import wheel

COMMAND = str(Path(sys.executable).with_name("outrider"))

Config = dict[str, Any]


def outrider(*arguments: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Runs a command that ends by itself."""
    command = [COMMAND, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def free_port() -> int:
    """A port that nobody listens on, below the range that the kernel gives to whoever asks for any."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _environment(transport: str | None) -> Mapping[str, str]:
    """`engine` or `grpcio`, or either `behind` another wheel's Envoy, which comes first where it is looked for."""
    if transport is None:
        return os.environ
    name, _, pin = transport.partition(" behind ")
    other = {"PYTHONPATH": str(wheel(pin))} if pin else {}
    return os.environ | {"OUTRIDER_TRANSPORT": name} | other


def service(name: str, upstream: int, *plugins: Config, routes: list[Config] | None = None, **fields: Any) -> Config:
    """A service with one route at /NAME, unless told otherwise, and its plugins."""
    return {
        "name": name,
        "url": f"http://127.0.0.1:{upstream}",
        "routes": routes or [{"name": name, "paths": [f"/{name}"], "strip_path": False}],
        "plugins": list(plugins),
        **fields,
    }


def plugin(name: str, **config: Any) -> Config:
    return {"name": name, "config": config}


class Outrider:
    """A running `outrider run`, or another command that keeps running; `with` ends it and all its children."""

    def __init__(self, folder: Path, config: Config, *command: str, transport: str | None = None) -> None:
        self.port, self.metrics_port = free_port(), free_port()
        gateway = {
            "listen": f"127.0.0.1:{self.port}",
            "metrics": f"127.0.0.1:{self.metrics_port}",
            "workers": 2,
            "concurrency": 1,
            **config.get("gateway", {}),
        }
        self.folder = folder
        self.file = folder / "outrider.yaml"
        self.file.write_text(yaml.safe_dump({"_format_version": "3.0", **config, "gateway": gateway}))
        self._errors = folder / "stderr"
        with (folder / "stdout").open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                self.command(*command),
                stdout=output,
                stderr=errors,
                env=_environment(transport),
                # As a shell starts it: in a process group of its own.
                process_group=0,
            )
        self._seen: set[int] = set()

    def command(self, *given: str) -> list[str]:
        """What is started."""
        return [COMMAND, *(given or ("run",)), str(self.file)]

    @property
    def log(self) -> str:
        """All that it wrote to standard error."""
        return self._errors.read_text(errors="replace")

    @property
    def records(self) -> list[dict[str, Any]]:
        """Its log lines."""
        return [json.loads(line) for line in self.log.splitlines()]

    def request(self, path: str = "/", *headers: tuple[str, str], **fields: Any) -> http1.Message:
        """One well-formed request on a connection of its own."""
        return http1.request(self.port, path, *headers, **fields)

    def page(self, path: str) -> http1.Message:
        """What operators see."""
        return http1.request(self.metrics_port, path)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of all series of a name that have these labels."""
        lines = self.page("/metrics").body.decode().splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        rows = [line for line in lines if re.match(rf"{name}[{{ ]", line) and all(each in line for each in wanted)]
        return sum(float(row.rpartition(" ")[2]) for row in rows)

    def children(self) -> dict[int, str]:
        """The command line of each process right below it."""
        lines = processes_below(self.process.pid)
        self._seen.update(lines)
        return lines

    def workers(self) -> list[int]:
        return [pid for pid, line in self.children().items() if "outrider_cli.worker" in line]

    def envoy(self) -> int:
        [pid] = (pid for pid, line in self.children().items() if line.partition(" ")[0].endswith("envoy"))
        return pid

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.page("/readyz").status == 200
        except OSError:
            return False

    def ready(self) -> Self:
        """Waits until it takes requests."""
        until(self.is_ready, 40.0)
        if not self._seen:
            self.children()
        return self

    def idle(self) -> None:
        """Waits until no plugin is at work on any request."""
        until(lambda: self.metric("outrider_requests_in_flight") == 0)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and gives the exit code."""
        self.children()
        self.process.send_signal(number)
        return self.process.wait(40)

    def left(self) -> list[int]:
        """Processes that it started and that still run."""
        return [pid for pid in self._seen if is_alive(pid)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self.process.poll() is None:
                self.stop()
        finally:
            self.process.kill()
            self.process.wait()
            for pid in self.left():
                os.kill(pid, signal.SIGKILL)


def peak_memory(pid: int) -> int:
    """The largest resident size of a process since its start or `forget_peak`, in bytes (proc(5), VmHWM)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", _read(pid, "status"))
    assert found, f"process {pid} is gone"
    return int(found[1]) * 1024


def forget_peak(pid: int) -> None:
    """Lets `peak_memory` begin anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    return _stat(pid)[0] != "Z"


def processes_below(parent: int) -> dict[int, str]:
    """The command line of each process that another one has started."""
    lines = {pid: _command_line(pid) for pid in _processes() if _parent(pid) == parent}
    return {pid: line for pid, line in lines.items() if line}


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _parent(pid: int) -> int:
    return int(_stat(pid)[1])


def _stat(pid: int) -> list[str]:
    """The state of a process, its parent and more (proc(5)); a process that is gone looks like a dead one."""
    return (_read(pid, "stat") or "0 (gone) Z 0").rpartition(")")[2].split()


def _command_line(pid: int) -> str:
    return _read(pid, "cmdline").replace("\0", " ").strip()


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
