"""The counters that all workers share: exact, whoever dies when."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from outrider_plugins.counters import (
    Charge,
    SharedCounters,
    StorageError,
    StorageFullError,
    StorageTimeoutError,
)

FOREVER = 10**9
NOON = 1_700_000_020.0  # 20 seconds before a full minute

TAKE_MANY = """
import asyncio, sys
from pathlib import Path
from outrider_plugins.counters import Charge, SharedCounters

async def main():
    counters = SharedCounters(Path(sys.argv[1]), clock=lambda: 1_700_000_020.0)
    passed = 0
    for _ in range(int(sys.argv[2])):
        usages = await counters.take([Charge(b"key", 1000, 60)], patience=30)
        passed += usages[0].passed
    print(passed)

asyncio.run(main())
"""

TAKE_FOREVER = """
import sys
from pathlib import Path
from outrider_plugins.counters import Charge, SharedCounters

counters = SharedCounters(Path(sys.argv[1]), clock=lambda: 1_700_000_020.0)
while True:
    if counters.try_take([Charge(b"key", 10**9, 60)]):
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
from outrider_plugins.counters import Charge, SharedCounters

path = Path(sys.argv[1])

def said_at_last(worker: "subprocess.Popen[str]") -> int:
    assert worker.stdout is not None
    return len(worker.stdout.readlines())


def take(counters, number):
    return counters.try_take([Charge(b"old", 10**9, 60), Charge(b"new-%d" % number, 10**9, 60)])

def die_at(number):
    lines = 0
    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename.endswith("counters.py"):
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


@contextmanager
def process(code: str, *arguments: object) -> Generator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def said(worker: "subprocess.Popen[str]") -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def said_at_last(worker: "subprocess.Popen[str]") -> int:
    assert worker.stdout is not None
    return len(worker.stdout.readlines())


def take(counters: SharedCounters, *charges: Charge) -> list[bool]:
    usages = counters.try_take(charges)
    assert usages is not None
    return [usage.passed for usage in usages]


def test_the_limit_is_the_last_request_that_passes(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    charge = Charge(b"key", 2, 60)
    assert [take(counters, charge) for _ in range(3)] == [[True], [True], [False]]


def test_what_is_left_and_when_it_is_reset_is_told(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    assert counters.try_take([Charge(b"key", 5, 60)]) == [(5, 4, 20.0, True)]


def test_each_key_has_its_own_count(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    assert take(counters, Charge(b"a", 1, 60)) == [True]
    assert take(counters, Charge(b"b", 1, 60)) == [True]


def test_the_next_window_begins_with_nothing_used(path: Path) -> None:
    now = [NOON]
    counters = SharedCounters(path, clock=lambda: now[0])
    charge = Charge(b"key", 1, 60)
    assert [take(counters, charge), take(counters, charge)] == [[True], [False]]
    now[0] += 19.9
    assert take(counters, charge) == [False]
    now[0] += 0.1
    assert [take(counters, charge), take(counters, charge)] == [[True], [False]]


def test_a_clock_that_was_set_back_finds_the_counts_of_that_window(path: Path) -> None:
    now = [NOON]
    counters = SharedCounters(path, clock=lambda: now[0])
    charge = Charge(b"key", 1, 60)
    take(counters, charge)
    now[0] += 20
    take(counters, charge)
    now[0] -= 20
    assert take(counters, charge) == [False]


def test_a_request_that_one_limit_refuses_is_counted_in_none(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    narrow, wide = Charge(b"key", 1, 60), Charge(b"key", 3, 3600)
    assert take(counters, narrow, wide) == [True, True]
    assert take(counters, narrow, wide) == [False, True]
    assert take(counters, narrow, wide) == [False, True]
    assert [take(counters, wide) for _ in range(3)] == [[True], [True], [False]]


def test_a_limit_that_is_named_twice_counts_once(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    charge = Charge(b"key", 2, 60)
    assert [take(counters, charge, charge) for _ in range(3)] == [[True] * 2, [True] * 2, [False] * 2]


def test_a_full_table_refuses_new_keys_and_goes_on_with_the_others(path: Path) -> None:
    now = [NOON]
    counters = SharedCounters(path, slots=64, clock=lambda: now[0])
    for number in range(64):
        take(counters, Charge(b"%d" % number, 2, 60))
    with pytest.raises(StorageFullError):
        take(counters, Charge(b"new", 2, 60))
    assert [take(counters, Charge(b"7", 2, 60)) for _ in range(2)] == [[True], [False]]
    now[0] += 20
    assert take(counters, Charge(b"new", 2, 60)) == [True]


def test_all_places_but_few_can_be_used(path: Path) -> None:
    counters = SharedCounters(path, slots=8192, clock=lambda: NOON)
    for number in range(8192 // 2):
        take(counters, Charge(b"%d" % number, 1, 60))


def test_a_full_table_charges_none_of_two_limits(path: Path) -> None:
    counters = SharedCounters(path, slots=64, clock=lambda: NOON)
    for number in range(63):
        take(counters, Charge(b"%d" % number, 1, 60))
    with pytest.raises(StorageFullError):
        take(counters, Charge(b"a", 1, 60), Charge(b"b", 1, 60))
    assert take(counters, Charge(b"a", 1, 60)) == [True]


def test_processes_that_start_at_once_count_exactly_together(path: Path) -> None:
    command = [sys.executable, "-c", TAKE_MANY, str(path), "500"]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    passed = [int(worker.communicate()[0]) for worker in workers]
    assert sum(passed) == 1000
    assert [file.name for file in path.parent.iterdir()] == ["counters"]


def test_a_worker_killed_while_it_counts_loses_nothing_that_it_answered(path: Path) -> None:
    with process(TAKE_FOREVER, path) as victim, process(TAKE_FOREVER, path) as survivor:
        answered = sum(said(worker) == "one" for _ in range(500) for worker in (victim, survivor))
        victim.kill()
        answered += sum(said(survivor) == "one" for _ in range(500))
        survivor.kill()
        answered += sum(said_at_last(worker) for worker in (victim, survivor))
    usages = SharedCounters(path, clock=lambda: NOON).try_take([Charge(b"key", FOREVER, 60)])
    assert usages is not None
    counted = FOREVER - usages[0].remaining - 1
    assert answered <= counted <= answered + 2


def test_a_worker_killed_at_any_line_leaves_the_table_whole(path: Path) -> None:
    with process(DIE_AT_EACH_LINE, path) as worker:
        lines, counted = map(int, said(worker).split())
    rounds = lines - 1
    assert rounds > 20
    assert 3 * rounds <= counted <= 4 * rounds


async def hold_and_take(path: Path, stop: "signal.Signals | None") -> float:
    counters = SharedCounters(path, clock=lambda: NOON)
    charge = [Charge(b"key", 2, 60)]
    await counters.take(charge)
    with process(HOLD_THE_LOCK, path) as holder:
        assert said(holder) == "held"
        if stop is not None:
            holder.send_signal(stop)
        begun = time.monotonic()
        with pytest.raises(StorageTimeoutError):
            await counters.take(charge, patience=0.05)
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
        counters = SharedCounters(path, clock=lambda: NOON)
        with process(HOLD_THE_LOCK, path) as holder:
            assert said(holder) == "held"
            waiting = asyncio.create_task(counters.take([Charge(b"key", 1, 60)], patience=30))
            await asyncio.sleep(0)
            holder.kill()
            return [usage.passed for usage in await waiting]

    assert asyncio.run(main()) == [True]


def test_a_held_lock_never_blocks(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    with process(HOLD_THE_LOCK, path) as holder:
        assert said(holder) == "held"
        assert counters.try_take([Charge(b"key", 1, 60)]) is None


def test_two_tables_do_not_place_keys_alike(tmp_path: Path) -> None:
    for name in ("a", "b"):
        take(SharedCounters(tmp_path / name, slots=1024, clock=lambda: NOON), Charge(b"key", 1, 60))
    first, second = ((tmp_path / name).read_bytes()[2048:] for name in ("a", "b"))
    assert first != second


def test_keys_do_not_stand_in_the_file(path: Path) -> None:
    take(SharedCounters(path), Charge(b"a key that is a secret", 1, 60))
    assert b"secret" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"something else", os.urandom(8192)])
def test_a_file_of_something_else_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StorageError, match="holds no counters"):
        SharedCounters(path)
    assert path.read_bytes() == content


def test_the_number_of_slots_fills_whole_buckets(path: Path) -> None:
    with pytest.raises(ValueError, match="multiple of 64"):
        SharedCounters(path, slots=100)
