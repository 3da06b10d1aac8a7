"""Places for requests in flight: as many as the limit, given back once, and back by themselves after their lease."""

import asyncio
import logging
import random
from pathlib import Path

import pytest

from harness.callers import somebody_has
from outrider import Runtime
from outrider.quiet_log import QuietLog
from outrider_plugins.counting.shared_table import SharedTable
from outrider_plugins.counting.storage import StorageFullError, StorageTimeoutError
from outrider_plugins.held_places import HeldPlaces
from outrider_plugins.places import NO_PLACE, TERMS, Places, place_table

LEASE = 70  # so a term lasts 10 seconds
KEY, LIMIT = b"alice", 3


class Clock:
    """The machine's clock, in seconds."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(tmp_path: Path, clock: Clock) -> SharedTable:
    return place_table(tmp_path / "places", slots=128, clock=clock)


@pytest.fixture
def places(table: SharedTable) -> Places:
    return Places(table, LEASE, patience=0.002)


def taken(places: Places, limit: int = LIMIT, key: bytes = KEY) -> int:
    term = places.try_take(key, limit)
    assert term is not None
    return term


def is_full(places: Places, limit: int = LIMIT, key: bytes = KEY) -> bool:
    """Whether a further request would be refused; it changes nothing."""
    if (term := taken(places, limit, key)) == NO_PLACE:
        return True
    places.try_give_back(key, term)
    return False


def test_as_many_places_as_the_limit_are_given_out(places: Places) -> None:
    assert NO_PLACE not in [taken(places) for _ in range(LIMIT)]
    assert taken(places) == taken(places) == NO_PLACE


def test_a_place_that_was_given_back_is_given_out_again(places: Places) -> None:
    terms = [taken(places) for _ in range(LIMIT)]
    assert places.try_give_back(KEY, terms[0])
    assert [taken(places) == NO_PLACE for _ in range(2)] == [False, True]


def test_keys_have_places_of_their_own(places: Places) -> None:
    assert [taken(places, 1, key) == NO_PLACE for key in (b"a", b"b", b"a", b"b")] == [False, False, True, True]


def test_a_limit_that_was_lowered_holds_for_those_who_are_there(places: Places) -> None:
    terms = [taken(places) for _ in range(LIMIT)]
    assert is_full(places, 1)
    for term in terms[1:]:
        places.try_give_back(KEY, term)
        assert is_full(places, 1)
    places.try_give_back(KEY, terms[0])
    assert not is_full(places, 1)


@pytest.mark.parametrize("later", [0, 9.999, 10, 35, 69.999])
def test_a_place_is_kept_for_its_whole_lease(places: Places, clock: Clock, later: float) -> None:
    for begin in (1000.0, 1004.0, 1009.999):
        clock.now = begin
        key = b"%f" % begin
        taken(places, 1, key)
        clock.now += later
        assert is_full(places, 1, key)


def test_a_place_that_nobody_gives_back_comes_back_within_a_seventh_after_its_lease(
    places: Places, clock: Clock
) -> None:
    taken(places, 1)
    clock.now += LEASE * 8 / 7
    assert not is_full(places, 1)


def test_a_place_that_is_given_back_late_takes_nobody_elses(places: Places, clock: Clock) -> None:
    late = taken(places, 1)
    clock.now += LEASE
    for _ in range(2 * TERMS):
        clock.now += 10
        term = taken(places, 1)
        places.try_give_back(KEY, late)
        assert is_full(places, 1)
        places.try_give_back(KEY, term)


def test_what_was_never_taken_can_not_be_given_back(places: Places) -> None:
    term = taken(places, 1)
    for key, other in ((b"nobody", term), (KEY, term - 1), (KEY, term + TERMS), (KEY, 0)):
        assert places.try_give_back(key, other)
    assert is_full(places, 1)
    for _ in range(3):
        places.try_give_back(KEY, term)
    assert taken(places, 1) != NO_PLACE
    assert is_full(places, 1)


def test_a_lease_of_another_length_counts_apart(places: Places, table: SharedTable) -> None:
    other = Places(table, 60)
    for key, one, another in ((b"a", places, other), (b"b", other, places)):
        taken(one, 1, key)
        assert not is_full(another, 1, key)


def test_in_a_full_table_a_new_key_is_an_error_until_leases_are_over(places: Places, clock: Clock) -> None:
    with pytest.raises(StorageFullError):
        [taken(places, 2, b"%d" % number) for number in range(129)]
    # Who has a place finds the next one.
    assert taken(places, 2, b"0") != NO_PLACE
    clock.now += LEASE * 8 / 7
    assert taken(places, 2, b"new") != NO_PLACE


def test_no_crowd_of_others_takes_the_place_of_a_request_in_flight(places: Places, clock: Clock) -> None:
    places.try_give_back(KEY, taken(places))
    other = taken(places)
    taken(places)
    places.try_give_back(KEY, other)
    clock.now += LEASE - 1
    with pytest.raises(StorageFullError):
        [taken(places, 1, b"%d" % number) for number in range(129)]
    assert is_full(places, 1)


def test_any_order_of_taking_and_giving_back_agrees_with_a_plain_list(places: Places, clock: Clock) -> None:
    dice = random.Random(7)  # noqa: S311 - no secret
    model: dict[bytes, list[int]] = {b"a": [], b"b": []}
    for _ in range(5000):
        clock.now += dice.choice((0, 0.1, 1, 15))
        key = dice.choice((b"a", b"b"))
        now = int(clock.now // 10)
        live = [term for term in model[key] if term > now - TERMS]
        if dice.random() < 0.6:
            expected = NO_PLACE if len(live) >= LIMIT else now
            assert taken(places, LIMIT, key) == expected
            model[key] = live + ([now] if expected != NO_PLACE else [])
        elif model[key]:
            places.try_give_back(key, model[key].pop(dice.randrange(len(model[key]))))


def test_a_held_table_never_blocks(places: Places, tmp_path: Path) -> None:
    term = taken(places)
    with somebody_has(tmp_path / "places"):
        assert places.try_take(KEY, LIMIT) is None
        assert not places.try_give_back(KEY, term)


def test_a_held_table_is_waited_for_no_longer_than_is_patient(places: Places, tmp_path: Path) -> None:
    async def main() -> None:
        for waits in (places.take(KEY, 1), places.give_back(KEY, 1), places.renew([])):
            with pytest.raises(StorageTimeoutError):
                await waits

    with somebody_has(tmp_path / "places"):
        asyncio.run(main())


def held_by(places: Places, *, sees_endings: bool = True) -> HeldPlaces:
    runtime = Runtime(sees_endings=sees_endings)
    return HeldPlaces(places, runtime, LEASE, QuietLog(logging.getLogger("outrider.test")))


async def after_many_leases(places: Places, held: HeldPlaces, clock: Clock) -> None:
    for _ in range(100):
        clock.now += LEASE / 4
        await held.renew()


@pytest.mark.parametrize("sees_endings", [True, False])
def test_a_request_that_outlasts_its_lease_keeps_its_place_where_its_ending_will_be_seen(
    places: Places, clock: Clock, sees_endings: bool
) -> None:
    async def main() -> None:
        held = held_by(places, sees_endings=sees_endings)
        held.add(KEY, taken(places, 1))
        await after_many_leases(places, held, clock)

    asyncio.run(main())
    assert is_full(places, 1) is sees_endings


def test_places_that_were_renewed_are_given_back_once_each(places: Places, clock: Clock) -> None:
    async def main() -> None:
        held = held_by(places)
        terms: list[int] = []
        for _ in range(LIMIT):
            terms.append(taken(places))
            held.add(KEY, terms[-1])
            clock.now += 10
        await after_many_leases(places, held, clock)
        for left in range(LIMIT, 0, -1):
            assert is_full(places, left)
            held.give_back(KEY, terms.pop())
            assert not is_full(places, left)
        await after_many_leases(places, held, clock)
        assert not is_full(places, 1)

    asyncio.run(main())


def test_callers_that_have_left_take_no_room_when_others_are_renewed(places: Places, clock: Clock) -> None:
    async def main() -> None:
        held = held_by(places)
        for number in range(1000):
            key = b"%d" % number
            term = taken(places, 1, key)
            held.add(key, term)
            held.give_back(key, term)
        await after_many_leases(places, held, clock)
        assert not is_full(places)

    asyncio.run(main())


def test_a_renewal_that_fails_is_made_up_for_by_the_next(
    places: Places, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        held = held_by(places)
        held.add(KEY, taken(places, 1))
        for _ in range(20):
            clock.now += LEASE / 4
            await held.renew()
            clock.now += LEASE / 4
            with somebody_has(tmp_path / "places"):
                await held.renew()

    asyncio.run(main())
    assert is_full(places, 1)
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_worker_that_slept_through_its_leases_counts_its_requests_again(places: Places, clock: Clock) -> None:
    async def main() -> None:
        held = held_by(places)
        held.add(KEY, taken(places, 1))
        clock.now += 10 * LEASE
        other = taken(places, 1)
        await held.renew()
        places.try_give_back(KEY, other)
        assert is_full(places, 1)

    asyncio.run(main())


def test_a_place_that_can_not_be_given_back_at_once_comes_back_a_little_later(
    places: Places, tmp_path: Path, clock: Clock
) -> None:
    async def main() -> None:
        held = held_by(places)
        terms = [taken(places), taken(places, LIMIT), taken(places, LIMIT)]
        for term in terms:
            held.add(KEY, term)
        with somebody_has(tmp_path / "places"):
            for term in terms:
                held.give_back(KEY, term)
            await asyncio.sleep(0)
        async with asyncio.timeout(15):
            while is_full(places, 1):
                await asyncio.sleep(0)
        await after_many_leases(places, held, clock)
        assert not is_full(places, 1)

    asyncio.run(main())
