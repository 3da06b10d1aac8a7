"""What limits let through, by definition: all requests are remembered, and reckoned with fractions."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil
from pathlib import Path

from harness.counting_worker import ANSWER
from outrider.counting import Algorithm

MICRO = 1_000_000


@dataclass
class Reference:
    """One key under one limit. Moments are in microseconds."""

    algorithm: Algorithm
    limit: int
    window: int
    burst: int
    log: Counter[int] = field(default_factory=Counter[int])
    arrival: Fraction = Fraction(0)

    def take(self, moment: int, cost: int = 1) -> bool:
        """Whether a request passes."""
        take = {"fixed-window": self._fixed, "sliding-window": self._sliding, "gcra": self._gcra}[self.algorithm]
        return take(moment, cost)

    def _fixed(self, moment: int, cost: int) -> bool:
        number = moment // (self.window * MICRO)
        passes = self.log[number] + cost <= self.limit
        self.log[number] += cost * passes
        return passes

    def _sliding(self, moment: int, cost: int) -> bool:
        length = self.window * MICRO
        number, gone = divmod(moment, length)
        before = ceil(Fraction(self.log[number - 1] * (length - gone), length))
        passes = before + self.log[number] + cost <= self.limit
        self.log[number] += cost * passes
        return passes

    def _gcra(self, moment: int, cost: int) -> bool:
        # Virtual scheduling: a theoretical arrival time, an increment, and how early one may come.
        increment = Fraction(self.window * MICRO, self.limit)
        arrival = max(self.arrival, Fraction(moment)) + cost * increment
        if arrival - moment > self.burst * increment:
            return False
        self.arrival = arrival
        return True


@dataclass
class Workers:
    """Processes that count one key in one storage, as fast as they can."""

    storage: str
    algorithm: Algorithm
    limit: int
    window: int
    folder: Path
    workers: int = 4

    def answers(self, requests: int, *, kill: bool = False) -> list[tuple[int, bool]]:
        """When each of so many requests was answered, and whether it passed; with `kill` one worker dies midway."""
        logs = [self.folder / f"log{number}" for number in range(self.workers)]
        with ExitStack() as stack:
            started = [stack.enter_context(self._worker(log, requests // self.workers)) for log in logs]
            for worker in started:
                assert worker.stdout is not None
                assert worker.stdout.readline() == "ready\n"
            for worker in started:
                assert worker.stdin is not None
                worker.stdin.write("go\n")
                worker.stdin.flush()
            if kill:
                half = requests // self.workers // 2 * ANSWER.size
                while logs[0].stat().st_size < half:
                    assert started[0].poll() is None
                started[0].kill()
            assert [worker.wait() for worker in started[kill:]] == [0] * (self.workers - kill)
        return sorted((answer for log in logs for answer in _answers(log)), key=_order)

    def reference(self, answers: Sequence[tuple[int, bool]]) -> list[bool]:
        """What should have become of requests that were answered at these moments."""
        one = Reference(self.algorithm, self.limit, self.window, self.limit)
        return [one.take(moment) for moment, _ in answers]

    def _worker(self, log: Path, count: int) -> "subprocess.Popen[str]":
        task = {"storage": self.storage, "rule": [self.algorithm, self.limit, self.window]}
        written = json.dumps({**task, "log": str(log), "count": count})
        command = [sys.executable, "-m", "harness.counting_worker", written]
        path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        pipe, around = subprocess.PIPE, {**os.environ, "PYTHONPATH": path}
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=around)


def _answers(log: Path) -> list[tuple[int, bool]]:
    raw = log.read_bytes()
    return list(ANSWER.iter_unpack(raw[: len(raw) - len(raw) % ANSWER.size]))


def _order(answer: tuple[int, bool]) -> tuple[int, bool]:
    # Of requests within a microsecond those passed that came first.
    return answer[0], not answer[1]
