"""How the supervisor keeps its workers, with a program in their place."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from outrider.metrics import Metrics
from outrider_cli import workers
from outrider_cli.folder import Shift
from outrider_cli.workers import Workers

PROGRAM = """
import pathlib, signal, sys, time
from outrider.metrics import Metrics
metrics, stopped = Metrics(pathlib.Path(sys.argv[1])), []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(time.monotonic()))
metrics.beat(time.monotonic())
metrics.set_ready(True)
while not stopped or time.monotonic() < stopped[0] + 0.5:
    time.sleep(0.02)
    metrics.beat(time.monotonic())
    if stopped:
        metrics.set_ready(False)
pathlib.Path(sys.argv[2]).touch()
"""


def test_a_worker_that_finishes_its_requests_is_not_taken_for_one_that_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = tmp_path / "finished"
    shift = Shift(tmp_path, "a")
    program = [sys.executable, "-c", PROGRAM, str(shift.metrics(0)), str(finished)]

    def command(*_: object) -> list[str]:
        return program

    monkeypatch.setattr(workers, "_command", command)

    async def kept() -> None:
        team = Workers(shift, ["nowhere"], 30.0, Metrics(slots=64), patience=2.0)
        keeping = asyncio.ensure_future(team.keep())
        await team.started()
        # As old as one that would be too late to start.
        old = time.monotonic() + 2.0
        while time.monotonic() < old:
            await asyncio.sleep(0.02)
        await team.stop()
        await keeping

    asyncio.run(kept())
    assert finished.exists()
