"""The counters that all workers share, under several processes: exact, whoever dies or hangs when."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.child import child, said
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.shared_memory import SharedCounters
from outrider_plugins.counting.storage import StorageTimeoutError

FOREVER = 10**9
NOON = 1_700_000_020.0  # 20 seconds before a full minute

TAKE_MANY = """
import asyncio, sys
from pathlib import Path
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.shared_memory import SharedCounters

async def main():
    counters = SharedCounters(Path(sys.argv[1]), clock=lambda: 1_700_000_020.0, patience=30)
    passed = 0
    for _ in range(int(sys.argv[2])):
        usages = await counters.take([Charge(FixedWindow(1000, 60), b"key")])
        passed += usages[0].passed
    print(passed)

asyncio.run(main())
"""

TAKE_FOREVER = """
import sys
from pathlib import Path
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.shared_memory import SharedCounters

counters = SharedCounters(Path(sys.argv[1]), clock=lambda: 1_700_000_020.0)
while True:
    if counters.try_take([Charge(FixedWindow(10**9, 60), b"key")]):
        print("one", flush=True)
"""

HOLD_THE_LOCK = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""

DIE_AT_EACH_LINE = """
import os, signal, sys
from pathlib import Path
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.shared_memory import SharedCounters

path = Path(sys.argv[1])

def take(counters, number):
    minute = FixedWindow(10**9, 60)
    return counters.try_take([Charge(minute, b"old"), Charge(minute, b"new-%d" % number)])

def die_at(number):
    lines = 0
    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename.rpartition("/")[2] in ("shared_memory.py", "shared_table.py", "fixed_window.py"):
            lines += event == "line"
            if lines == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace
    counters = SharedCounters(path, clock=lambda: 1_700_000_020.0)
    sys.settrace(trace)
    take(counters, number)
    sys.settrace(None)
    os._exit(0)

counters = SharedCounters(path, clock=lambda: 1_700_000_020.0)
number, killed = 1, True
while killed:
    pid = os.fork()
    if pid == 0:
        die_at(number)
    killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    for answered in (1, 2, 3):
        old, new = take(counters, number)
        # The one that died was not answered: it may be counted, or not.
        assert 10**9 - new.remaining - answered in (0, 1), (number, new)
    number += 1
print(number, 10**9 - old.remaining)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters"


def said_at_last(worker: "subprocess.Popen[str]") -> int:
    assert worker.stdout is not None
    return len(worker.stdout.readlines())


def test_processes_that_start_at_once_count_exactly_together(path: Path) -> None:
    command = [sys.executable, "-c", TAKE_MANY, str(path), "500"]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    passed = [int(worker.communicate()[0]) for worker in workers]
    assert sum(passed) == 1000
    assert [file.name for file in path.parent.iterdir()] == ["counters"]


def test_a_worker_killed_while_it_counts_loses_nothing_that_it_answered(path: Path) -> None:
    with child(TAKE_FOREVER, path) as victim, child(TAKE_FOREVER, path) as survivor:
        answered = sum(said(worker) == "one" for _ in range(500) for worker in (victim, survivor))
        victim.kill()
        answered += sum(said(survivor) == "one" for _ in range(500))
        survivor.kill()
        answered += sum(said_at_last(worker) for worker in (victim, survivor))
    usages = SharedCounters(path, clock=lambda: NOON).try_take([Charge(FixedWindow(FOREVER, 60), b"key")])
    assert usages is not None
    counted = FOREVER - usages[0].remaining - 1
    assert answered <= counted <= answered + 2


def test_a_worker_killed_at_any_line_leaves_the_table_whole(path: Path) -> None:
    with child(DIE_AT_EACH_LINE, path) as worker:
        lines, counted = map(int, said(worker).split())
    rounds = lines - 1
    assert rounds > 20
    assert 3 * rounds <= counted <= 4 * rounds


async def hold_and_take(path: Path, stop: "signal.Signals | None") -> float:
    counters = SharedCounters(path, clock=lambda: NOON, patience=0.05)
    charge = [Charge(FixedWindow(2, 60), b"key")]
    await counters.take(charge)
    with child(HOLD_THE_LOCK, path) as holder:
        assert said(holder) == "held"
        if stop is not None:
            holder.send_signal(stop)
        begun = time.monotonic()
        with pytest.raises(StorageTimeoutError):
            await counters.take(charge)
        waited = time.monotonic() - begun
        holder.kill()
        holder.wait()
        assert [usage.passed for usage in await counters.take(charge)] == [True]
    return waited


@pytest.mark.parametrize("stop", [None, signal.SIGSTOP])
def test_a_lock_that_is_held_is_waited_for_no_longer_than_asked(path: Path, stop: "signal.Signals | None") -> None:
    assert 0.05 <= asyncio.run(hold_and_take(path, stop)) < 1


def test_whoever_waits_gets_the_lock_when_it_is_released(path: Path) -> None:
    async def main() -> list[bool]:
        counters = SharedCounters(path, clock=lambda: NOON, patience=30)
        with child(HOLD_THE_LOCK, path) as holder:
            assert said(holder) == "held"
            waiting = asyncio.create_task(counters.take([Charge(FixedWindow(1, 60), b"key")]))
            await asyncio.sleep(0)
            holder.kill()
            return [usage.passed for usage in await waiting]

    assert asyncio.run(main()) == [True]


def test_a_held_lock_never_blocks(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    with child(HOLD_THE_LOCK, path) as holder:
        assert said(holder) == "held"
        assert counters.try_take([Charge(FixedWindow(1, 60), b"key")]) is None
