"""A gateway whose file is changed while it runs, and callers that notice when an old one answers."""

import http.client
import os
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Self

import yaml

from harness.outrider import Config, Outrider
from harness.process import until

TAKEN, LEFT = "is taken over", "is not taken over"


class Changed(Outrider):
    """A gateway, and what becomes of its file."""

    def write(self, config: Config) -> None:
        """Changes the file in one step, as editors do, and keeps what only this gateway knows."""
        before: Config = yaml.safe_load(self.file.read_text())
        gateway = {**before["gateway"], **config.get("gateway", {})}
        new = self.file.with_suffix(".new")
        new.write_text(yaml.safe_dump({"_format_version": "3.0", **config, "gateway": gateway}))
        new.replace(self.file)

    def change(self, config: Config) -> None:
        """The same, and waits until it is taken over."""
        before = self.told(TAKEN)
        self.write(config)
        until(lambda: self.told(TAKEN) > before, 40.0)

    def refuse(self, config: Config) -> str:
        """The same, and waits until it is refused; gives what the log says of it."""
        before, known = self.told(LEFT), len(self.log)
        self.write(config)
        until(lambda: self.told(LEFT) > before, 40.0)
        return self.log[known:]

    def signal(self, number: int) -> None:
        """Sends a signal and waits until the file is taken over again."""
        before = self.told(TAKEN)
        os.kill(self.process.pid, number)
        until(lambda: self.told(TAKEN) > before, 40.0)

    def told(self, words: str) -> int:
        """How often the log has these words."""
        return self.log.count(words)


@dataclass
class Callers:
    """Threads that send requests one after the other, each on a connection that it keeps."""

    gateway: Outrider
    path: str
    threads: int = 2
    pause: float = 0.002
    """How long each waits between two requests, in seconds."""
    acknowledged: int = 0
    """The version that was told to be there: no request that begins after that may be answered by an older one."""
    answers: list[tuple[int, int, int]] = field(default_factory=list[tuple[int, int, int]])
    """Of each request: the version that it may expect, the status, and the version that answered."""
    faults: list[str] = field(default_factory=list[str])

    def __enter__(self) -> Self:
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(self.threads)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int = 50) -> None:
        """Waits for so many further answers."""
        end = len(self.answers) + count
        until(lambda: len(self.answers) >= end or self.faults)

    @property
    def stale(self) -> Sequence[tuple[int, int, int]]:
        return [one for one in self.answers if one[2] < one[0]]

    def _send(self) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=15)) as connection:
            while not self.faults and not self._done.wait(self.pause):
                expected = self.acknowledged
                try:
                    connection.request("GET", self.path)
                    answer = connection.getresponse()
                    body = answer.read()
                except (OSError, http.client.HTTPException) as error:
                    self.faults.append(repr(error))
                    return
                if answer.status != 200:
                    self.faults.append(f"{answer.status} {body!r} after {self.acknowledged}")
                self.answers.append((expected, answer.status, int(answer.headers.get("x-version", "-1"))))


def version(number: int) -> Config:
    """The plugin that marks answers with a version."""
    return {"name": "response-transform", "config": {"add": {"headers": {"x-version": str(number)}}}}
