"""The counters that all workers share: the table that they stand in, and its file."""

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


def test_a_table_that_is_half_full_has_a_place_for_every_new_key(path: Path) -> None:
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


def test_a_key_whose_window_is_over_loses_its_place_to_no_other_key_of_its_request(path: Path) -> None:
    now = [NOON]
    counters = SharedCounters(path, slots=64, clock=lambda: now[0])
    old = fixed(b"old", 1, 60)
    take(counters, old)
    for number in range(63):
        take(counters, fixed(b"%d" % number, 1, 86_400))
    now[0] += 60
    with pytest.raises(StorageFullError):
        take(counters, old, fixed(b"new", 9, 86_400))
    assert [take(counters, old), take(counters, old)] == [[True], [False]]


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
    with pytest.raises(StorageError, match="is no table of the kind 'outrider counts2': remove it"):
        SharedCounters(path)
    assert path.read_bytes() == content


def test_the_number_of_slots_fills_whole_buckets(path: Path) -> None:
    with pytest.raises(ValueError, match="multiple of 64"):
        SharedCounters(path, slots=100)
