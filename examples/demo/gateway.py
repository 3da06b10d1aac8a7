"""Starts a gateway as a process, and talks to it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from stand_in import stand_in


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Gateway:
    """A running gateway."""

    process: subprocess.Popen[bytes]
    port: int
    metrics_port: int
    is_kong: bool = False
    """Whether it is the Kong stand-in and no Envoy."""

    def get(self, target: str, **headers: str) -> Answer:
        """One request on a connection of its own; `_` in a header's name stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", target, headers={name.replace("_", "-"): v for name, v in headers.items()})
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()

    def is_ready(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=5)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the gateway did not start")
            time.sleep(0.05)

    def workers(self) -> list[int]:
        """The process ids of the plugin workers."""
        return self.children("worker")

    def children(self, kind: str) -> list[int]:
        """The process ids of what runs below the gateway and has that word in its program."""
        command = ["ps", "-A", "-o", "pid=,ppid=,command="]
        rows = _processes() if Path("/proc").is_dir() else subprocess.check_output(command, text=True).splitlines()
        split = {int(pid): (int(parent), line) for pid, parent, line in (row.split(maxsplit=2) for row in rows)}
        # The workers behind the stand-in are its server's.
        own = {self.process.pid, *(pid for pid, (parent, _) in split.items() if parent == self.process.pid)}
        return [pid for pid, (parent, line) in split.items() if parent in own and kind in _program(line)]

    def kill_workers(self) -> list[int]:
        """Ends every worker with SIGKILL."""
        pids = self.workers()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return pids


@contextmanager
def running(file: Path, *, behind_kong: bool = False) -> Generator[Gateway]:
    """`outrider run FILE`, or the Kong stand-in with FILE's plugins, from ready to stopped."""
    settings = yaml.safe_load(file.read_text(encoding="utf-8"))["gateway"]
    port, metrics_port = (int(settings[name].rpartition(":")[2]) for name in ("listen", "metrics"))
    run = [str(Path(sys.executable).with_name("outrider")), "run", str(file)]
    process = subprocess.Popen(stand_in(file) if behind_kong else run)
    gateway = Gateway(process, port, metrics_port, behind_kong)
    try:
        gateway.wait_until_ready()
        yield gateway
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program(command: str) -> str:
    """The program and, for Python, its module."""
    return " ".join(command.split()[:3])


def _processes() -> Iterator[str]:
    """Process id, parent's id and command line of every process, as `ps` has them, which may not be installed."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            yield f"{folder.name} {parent} {command or '-'}"
