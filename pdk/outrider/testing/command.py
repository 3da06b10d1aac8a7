"""A gateway as a process: started, waited for, ended."""

import http.client
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from outrider.errors import StartError

_LOOK = 0.02  # seconds
_DRAIN = 20.0  # seconds that it may take to end
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_STAND_IN = re.compile(r"stand-in: (?:(DEBUG|INFO|WARNING|ERROR): )?(.*)")
_HOPELESS = ("external pluginserver", "can't be listened on")
"""What is in the log where the gateway itself would go on trying."""


class Command:
    """A command that runs a gateway. Its log lines are logged again in this process, where a test's tool shows them.

    `log` is the file for all that it writes, `metrics_port` that of the page that says whether it is ready.
    """

    def __init__(self, arguments: Sequence[str], log: Path, metrics_port: int) -> None:
        self._port = metrics_port
        self._log = log
        self._told = 0
        self._kept = ""
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - no shell is involved
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
                # A Ctrl-C is for the test, which ends the gateway.
                process_group=0,
            )

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self._kept or self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float) -> None:
        """Waits until it takes requests. Raises `StartError` with its own words if it does not."""
        deadline = time.monotonic() + seconds
        while not self._is_ready():
            if not self.runs or any(words in self.log for words in _HOPELESS):
                raise StartError(f"the gateway did not start: {self._words() or self._process.returncode}")
            if time.monotonic() > deadline:
                raise StartError(
                    f"the gateway was not ready within {seconds:g} s: {self._words() or 'it says nothing'}"
                )
            time.sleep(_LOOK)

    def tell(self) -> list[str]:
        """Logs what it wrote since the last call, and gives the messages that are errors of plugins."""
        lines = self.log.split("\n")[:-1]
        new, self._told = lines[self._told :], len(lines)
        return [message for line in new if (message := _logged(line)) is not None]

    def stop(self) -> None:
        """Lets requests in flight finish, and ends it with all its children."""
        self._process.terminate()
        try:
            self._process.wait(_DRAIN)
        except subprocess.TimeoutExpired:
            # The server behind the stand-in is of its group; whatever that one starts is tied to it.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self.tell()
        # The file goes with its folder.
        self._kept = self.log

    def _is_ready(self) -> bool:
        # Before it says so, another's page may be at the port.
        if '"ready on ' not in self.log:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5.0)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _words(self) -> str:
        """What it wrote, for a person."""
        return "\n".join(_record(line)[2] for line in self.log.splitlines())


def environment() -> dict[str, str]:
    """That of this process, for one that finds the same modules."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}


def program(extra: str) -> str:
    """The command of the environment that this process runs in, else of the PATH.

    Raises `StartError`, which names the distribution with `extra`, if there is none.
    """
    beside = Path(sys.executable).with_name("outrider")
    if found := (str(beside) if beside.exists() else shutil.which("outrider")):
        return found
    raise StartError(f"there is no command outrider: install the distribution outrider[{extra}]")


def _record(line: str) -> tuple[str, int, str]:
    """The logger, the level and the message of a line; what a plugin prints is none of a logger's."""
    try:
        record = json.loads(line)
        return record["logger"], _LEVELS.get(record["level"], logging.ERROR), record["message"]
    except (ValueError, KeyError, TypeError):
        if told := _STAND_IN.match(line):
            return "outrider.testing.stand_in", _LEVELS[(told[1] or "error").lower()], told[2]
        return "outrider.testing", logging.WARNING, line


def _logged(line: str) -> str | None:
    logger, level, message = _record(line)
    if logger.startswith("envoy.") and level < logging.ERROR:
        # It warns that it was told to stop.
        level = logging.INFO
    logging.getLogger(logger).log(level, "%s", message)
    is_fault = level >= logging.ERROR and logger in ("outrider.plugin", "outrider.supervisor")
    return message if is_fault else None
