"""Events that kill workers: the third worker refuses them, and nobody else's."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.chains import acts
from harness.kong_instances import kong
from outrider import Request
from outrider_kong.crashes import PLACES, REMEMBERED, SECONDS, Crashes, PoisonedError, event_mark

POISON, OTHER = event_mark("orders access", "one"), event_mark("orders access", "other")

DIES = """
import os, sys
from pathlib import Path
from outrider_kong.crashes import Crashes
with Crashes(Path(sys.argv[1]), sys.argv[2]).during(int(sys.argv[3])):
    os._exit(7)
"""


DIES_TWICE = """
import os, sys
from pathlib import Path
from outrider_kong.crashes import Crashes
crashes, mark = Crashes(Path(sys.argv[1]), sys.argv[2]), int(sys.argv[3])
with crashes.during(mark), crashes.during(mark):
    os._exit(7)
"""
DIED = 7


def dies(folder: Path, name: str, mark: int, code: str = DIES) -> None:
    """A worker that an event kills."""
    done = subprocess.run([sys.executable, "-c", code, str(folder), name, str(mark)], check=False)
    assert done.returncode == DIED


def is_refused(crashes: Crashes, mark: int) -> bool:
    try:
        with crashes.during(mark):
            return False
    except PoisonedError:
        return True


def test_an_event_is_refused_once_it_has_killed_two_workers(tmp_path: Path) -> None:
    third = Crashes(tmp_path, "third")
    dies(tmp_path, "first", POISON)
    third.look()
    assert not is_refused(third, POISON)
    dies(tmp_path, "second", POISON)
    third.look()
    assert is_refused(third, POISON)
    assert not is_refused(third, OTHER)


def test_workers_that_start_again_remember_what_killed_them(tmp_path: Path) -> None:
    for _ in range(2):
        dies(tmp_path, "only", POISON)
    again = Crashes(tmp_path, "only")
    assert is_refused(again, POISON)
    assert not is_refused(again, OTHER)


def test_a_worker_that_dies_with_an_event_twice_at_work_died_once(tmp_path: Path) -> None:
    dies(tmp_path, "only", POISON, code=DIES_TWICE)
    assert not is_refused(Crashes(tmp_path, "only"), POISON)


def test_a_crash_is_forgotten_after_a_while(tmp_path: Path) -> None:
    for _ in range(2):
        dies(tmp_path, "only", POISON)
    now = [0.0]
    again = Crashes(tmp_path, "only", lambda: now[0])
    now[0] = 2e9 + SECONDS
    assert not is_refused(again, POISON)


def test_the_same_event_at_work_elsewhere_is_no_crash(tmp_path: Path) -> None:
    first, second, third = (Crashes(tmp_path, name) for name in ("first", "second", "third"))
    third.look()
    with first.during(POISON), second.during(POISON):
        assert not is_refused(third, POISON)


def test_an_event_that_ended_has_killed_nobody(tmp_path: Path) -> None:
    first = Crashes(tmp_path, "first")
    with first.during(POISON), first.during(OTHER):
        pass
    assert not any(first.marks)


def test_more_events_than_there_are_places_for_are_not_noted(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path, "first")
    running = [crashes.during(mark) for mark in range(1, PLACES + 10)]
    for one in running:
        one.__enter__()
    for one in running:
        one.__exit__()
    assert not any(crashes.marks)


def test_the_list_of_crashes_has_an_end(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path, "first")
    crashes.remember(range(1, REMEMBERED * 2))
    assert (tmp_path / "crashes").stat().st_size == REMEMBERED * 16


def test_a_poisonous_request_is_answered_with_500(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noted: list[int] = []

    def hook(_: Request) -> None:
        noted.extend(Crashes(tmp_path / "crashes", "looks").others())

    peer = kong(tmp_path, acts(on_request=hook))
    peer.event()
    assert peer.exit is None
    for name in ("a", "b"):
        dies(tmp_path / "crashes", name, noted[0])
    peer.connection.instances.start("outrider-chain-response", b"{}")
    peer.event()
    assert peer.exit is not None
    assert peer.exit.status == 500
    assert "it has killed workers before" in caplog.text
