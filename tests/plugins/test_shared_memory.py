"""The counters that all workers share: what they count, and the file that they are in."""

import os
from pathlib import Path

import pytest

from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.shared_memory import SharedCounters
from outrider_plugins.counting.storage import StorageError, StorageFullError

NOON = 1_700_000_020.0  # 20 seconds before a full minute


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters"


def fixed(key: bytes, limit: int, window: int) -> Charge:
    return Charge(FixedWindow(limit, window), key)


def take(counters: SharedCounters, *charges: Charge) -> list[bool]:
    usages = counters.try_take(charges)
    assert usages is not None
    return [usage.passed for usage in usages]


def test_the_limit_is_the_last_request_that_passes(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    charge = fixed(b"key", 2, 60)
    assert [take(counters, charge) for _ in range(3)] == [[True], [True], [False]]


def test_what_is_left_and_when_it_is_reset_is_told(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    assert counters.try_take([fixed(b"key", 5, 60)]) == [(True, 4, 20.0, 0.0)]


def test_each_key_has_its_own_count(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    assert take(counters, fixed(b"a", 1, 60)) == [True]
    assert take(counters, fixed(b"b", 1, 60)) == [True]


def test_the_next_window_begins_with_nothing_used(path: Path) -> None:
    now = [NOON]
    counters = SharedCounters(path, clock=lambda: now[0])
    charge = fixed(b"key", 1, 60)
    assert [take(counters, charge), take(counters, charge)] == [[True], [False]]
    now[0] += 19.9
    assert take(counters, charge) == [False]
    now[0] += 0.1
    assert [take(counters, charge), take(counters, charge)] == [[True], [False]]


def test_a_clock_that_was_set_back_by_less_than_a_window_goes_on_with_the_counts_that_there_are(path: Path) -> None:
    now = [NOON]
    counters = SharedCounters(path, clock=lambda: now[0])
    charge = fixed(b"key", 1, 60)
    take(counters, charge)
    now[0] += 20
    take(counters, charge)
    now[0] -= 20
    assert take(counters, charge) == [False]


def test_a_request_that_one_limit_refuses_is_counted_in_none(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    narrow, wide = fixed(b"key", 1, 60), fixed(b"key", 3, 3600)
    assert take(counters, narrow, wide) == [True, True]
    assert take(counters, narrow, wide) == [False, True]
    assert take(counters, narrow, wide) == [False, True]
    assert [take(counters, wide) for _ in range(3)] == [[True], [True], [False]]


def test_a_limit_that_is_named_twice_counts_once(path: Path) -> None:
    counters = SharedCounters(path, clock=lambda: NOON)
    charge = fixed(b"key", 2, 60)
    assert [take(counters, charge, charge) for _ in range(3)] == [[True] * 2, [True] * 2, [False] * 2]


def test_a_full_table_refuses_new_keys_and_goes_on_with_the_others(path: Path) -> None:
    now = [NOON]
    counters = SharedCounters(path, slots=64, clock=lambda: now[0])
    for number in range(64):
        take(counters, fixed(b"%d" % number, 2, 60))
    with pytest.raises(StorageFullError):
        take(counters, fixed(b"new", 2, 60))
    assert [take(counters, fixed(b"7", 2, 60)) for _ in range(2)] == [[True], [False]]
    now[0] += 20
    assert take(counters, fixed(b"new", 2, 60)) == [True]


def test_all_places_but_few_can_be_used(path: Path) -> None:
    counters = SharedCounters(path, slots=8192, clock=lambda: NOON)
    for number in range(8192 // 2):
        take(counters, fixed(b"%d" % number, 1, 60))


def test_a_full_table_charges_none_of_two_limits(path: Path) -> None:
    counters = SharedCounters(path, slots=64, clock=lambda: NOON)
    for number in range(63):
        take(counters, fixed(b"%d" % number, 1, 60))
    with pytest.raises(StorageFullError):
        take(counters, fixed(b"a", 1, 60), fixed(b"b", 1, 60))
    assert take(counters, fixed(b"a", 1, 60)) == [True]


def test_two_tables_do_not_place_keys_alike(tmp_path: Path) -> None:
    for name in ("a", "b"):
        take(SharedCounters(tmp_path / name, slots=1024, clock=lambda: NOON), fixed(b"key", 1, 60))
    first, second = ((tmp_path / name).read_bytes()[2048:] for name in ("a", "b"))
    assert first != second


def test_keys_do_not_stand_in_the_file(path: Path) -> None:
    take(SharedCounters(path), fixed(b"a key that is a secret", 1, 60))
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
