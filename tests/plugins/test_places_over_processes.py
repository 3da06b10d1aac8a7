"""The places that all workers share, under several processes: never one too many is given out, whoever dies when."""

import json
import signal
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pytest

from harness.child import child, said
from outrider_plugins.places import NO_PLACE, Places, place_table

LEASE, LIMIT = 60, 3
KEY = b"alice"

TAKE_AND_GIVE_BACK = """
import asyncio, json, random, sys, time
from pathlib import Path
from outrider_plugins.places import NO_PLACE, open_places

async def main(path, seed, rounds):
    places, dice, held, told = open_places(Path(path), 60), random.Random(int(seed)), [], []
    for _ in range(int(rounds)):
        begun = time.monotonic_ns()
        if held and dice.random() < 0.5:
            asked, got, term = held.pop(dice.randrange(len(held)))
            await places.give_back(b"alice", term)
            told.append((asked, got, begun, time.monotonic_ns()))
            continue
        term = await places.take(b"alice", 3)
        done = time.monotonic_ns()
        if term == NO_PLACE:
            told.append((begun, done))
        else:
            held.append((begun, done, term))
        if dice.random() < 0.1:
            await asyncio.sleep(0)
    for asked, got, term in held:
        begun = time.monotonic_ns()
        await places.give_back(b"alice", term)
        told.append((asked, got, begun, time.monotonic_ns()))
    print(json.dumps(told))

asyncio.run(main(*sys.argv[1:]))
"""

TAKE_TWO = """
import sys
from pathlib import Path
from outrider_plugins.places import open_places

places = open_places(Path(sys.argv[1]), 60)
assert places.try_take(b"alice", 3) is not None and places.try_take(b"alice", 3) is not None
print("taken", flush=True)
sys.stdin.read()
"""

STOP_WITH_THE_LOCK = """
import os, signal, sys
from pathlib import Path
from outrider_plugins.places import place_table

def work(moment):
    print("held", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)

place_table(Path(sys.argv[1])).locked(work)
"""

DIE_AT_EACH_LINE = """
import asyncio, os, signal, sys
from pathlib import Path
from outrider_plugins.places import NO_PLACE, Held, Places, place_table

now, path = 1000.0, Path(sys.argv[1])
FILES = ("places.py", "shared_table.py")

def opened():
    return Places(place_table(path, slots=128, clock=lambda: now), 70)

def in_flight(places, key):
    terms = []
    while (term := places.try_take(key, 10)) != NO_PLACE:
        terms.append(term)
    for term in terms:
        places.try_give_back(key, term)
    return 10 - len(terms)

async def live(places, key):
    global now
    held = Held(key, places.try_take(key, 10))
    held.count = 1
    now += 30
    await places.renew([held])
    places.try_give_back(key, held.term)
    places.try_take(b"new" + key, 10)

def die_at(number, key):
    lines = 0
    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code.co_filename.endswith(FILES):
            lines += event == "line"
            if lines == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace
    places = opened()
    loop = asyncio.new_event_loop()
    sys.settrace(trace)
    loop.run_until_complete(live(places, key))
    sys.settrace(None)
    os._exit(0)

places = opened()
number, killed, seen = 1, True, set()
while killed:
    now, key = 1000.0, b"%d" % number
    terms = [places.try_take(key, 10) for _ in range(2)]
    pid = os.fork()
    if pid == 0:
        die_at(number, key)
    killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    now += 30
    seen.add(taken := in_flight(places, key))
    for term in terms:
        places.try_give_back(key, term)
    assert in_flight(places, key) == taken - 2
    assert in_flight(places, b"new" + key) in (0, 1)
    now += 80
    assert not in_flight(places, key) and not in_flight(places, b"new" + key)
    number += 1
print(number, *sorted(seen))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "places"


def is_full(path: Path, limit: int, later: float = 0.0) -> bool:
    """Whether another process would be refused, so many seconds from now."""
    places = Places(place_table(path, clock=lambda: time.monotonic() + later), LEASE)
    term = places.try_take(KEY, limit)
    assert term is not None
    return term == NO_PLACE or not places.try_give_back(KEY, term)


class Counts:
    """How many intervals hold at each moment."""

    def __init__(self, intervals: Sequence[tuple[int, int]]) -> None:
        changes = sorted([(begin, 1) for begin, _ in intervals] + [(end, -1) for _, end in intervals])
        self._moments = [moment for moment, _ in changes]
        self._counts = list(accumulate(change for _, change in changes))

    def most(self, begin: int = 0, end: int = 2**63) -> int:
        first = bisect_right(self._moments, begin) - 1
        return max([0, *self._counts[max(first, 0) : bisect_right(self._moments, end)]])


def test_processes_never_have_more_places_than_the_limit_and_are_refused_only_where_all_are_taken(path: Path) -> None:
    command = [sys.executable, "-c", TAKE_AND_GIVE_BACK, str(path)]
    workers = [subprocess.Popen([*command, seed, "1000"], stdout=subprocess.PIPE, text=True) for seed in "123"]
    told = [line for worker in workers for line in json.loads(worker.communicate()[0])]
    # Each had its place from some moment of asking for it to some moment of giving it back.
    had = [(asked, got, gave, given) for asked, got, gave, given in (line for line in told if len(line) == 4)]
    surely = Counts([(got, gave) for _, got, gave, _ in had])
    perhaps = Counts([(asked, given) for asked, _, _, given in had])
    assert surely.most() == LIMIT
    refused = [line for line in told if len(line) == 2]
    assert refused
    assert all(perhaps.most(begin, end) >= LIMIT for begin, end in refused)
    assert not is_full(path, 1)


def test_places_of_a_killed_worker_come_back_when_their_lease_is_over(path: Path) -> None:
    with child(TAKE_TWO, path) as worker:
        assert said(worker) == "taken"
        worker.kill()
    assert is_full(path, 2)
    assert not is_full(path, 3)
    assert is_full(path, 2, later=LEASE - 1)
    assert not is_full(path, 1, later=LEASE * 8 / 7 + 1)


def test_a_worker_that_was_stopped_while_it_had_the_table_keeps_nobody_waiting(path: Path) -> None:
    places = Places(place_table(path), LEASE)
    term = places.try_take(KEY, 1)
    assert term is not None
    with child(STOP_WITH_THE_LOCK, path) as worker:
        assert said(worker) == "held"
        assert places.try_take(KEY, 1) is None
        assert not places.try_give_back(KEY, term)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        assert places.try_give_back(KEY, term)


def test_a_worker_killed_at_any_line_gives_back_nobody_elses_place(path: Path) -> None:
    with child(DIE_AT_EACH_LINE, path) as worker:
        lines, *seen = map(int, said(worker).split())
    assert lines > 60
    # The survivor's two, and those of the dead one: none, the one that it had, or that one twice, in mid-renewal.
    assert seen == [2, 3, 4]
