"""What every storage does, with every algorithm: in memory, in Redis, in Valkey, on a clock that the test sets."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest

from harness.counting import Reference
from harness.redis_server import PRODUCTS, RedisServer, redis_storage
from outrider.counting import Algorithm
from outrider_plugins.counting.algorithm import rule
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.shared_memory import SharedCounters
from outrider_plugins.counting.storage import Storage

NOON = 1_700_000_020  # 20 seconds before a full minute
ALGORITHMS: tuple[Algorithm, ...] = ("fixed-window", "sliding-window", "gcra")
every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


class Counted:
    """A storage and its clock, which stands still until somebody moves it."""

    def __init__(self, made: Callable[[Callable[[], float]], Storage]) -> None:
        self.now = float(NOON)
        self._made = made

    def run(self, test: Callable[[Storage], Coroutine[None, None, None]]) -> None:
        """Runs a test with counts that nobody else has."""

        async def main() -> None:
            storage = self._made(lambda: self.now)
            try:
                await test(storage)
            finally:
                await storage.close()

        asyncio.run(main())


@pytest.fixture(scope="session", params=["memory", *PRODUCTS])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer | None]:
    if request.param == "memory":
        yield None
    else:
        with RedisServer(request.param) as started:
            yield started


@pytest.fixture
def counted(server: RedisServer | None, tmp_path: Path) -> Counted:
    if server is None:
        return Counted(lambda clock: SharedCounters(tmp_path / "counters", slots=1024, clock=clock))
    return Counted(lambda clock: redis_storage(server, clock))


async def passes(storage: Storage, *charges: Charge) -> bool:
    usages = storage.try_take(charges)
    if usages is None:
        usages = await storage.take(charges)
    assert len(usages) == len(charges)
    return all(usage.passed for usage in usages)


@every_algorithm
def test_the_limit_is_the_last_request_that_passes(counted: Counted, algorithm: Algorithm) -> None:
    async def test(storage: Storage) -> None:
        charge = Charge(rule(algorithm, 3, 60), b"key")
        assert [await passes(storage, charge) for _ in range(5)] == [True, True, True, False, False]

    counted.run(test)


@every_algorithm
def test_keys_have_counts_of_their_own(counted: Counted, algorithm: Algorithm) -> None:
    async def test(storage: Storage) -> None:
        for key in (b"a", b"b", b"a" * 250, b"\xff\x00 {}", "ключ".encode()):
            charge = Charge(rule(algorithm, 1, 60), key)
            assert [await passes(storage, charge) for _ in range(2)] == [True, False]

    counted.run(test)


@every_algorithm
def test_what_passes_over_time_is_what_the_definition_says(counted: Counted, algorithm: Algorithm) -> None:
    async def test(storage: Storage) -> None:
        chance = random.Random(algorithm)  # noqa: S311 - chance, no secret
        charge, reference = rule(algorithm, 10, 7), Reference(algorithm, 10, 7, 10)
        for _ in range(150):
            counted.now += chance.choice([0, 0.1, 0.7, 0.7, 3.5]) * chance.random()
            cost = chance.choice([1, 1, 2])
            expected = reference.take(int(counted.now * 1_000_000), cost)
            assert await passes(storage, Charge(charge, b"key", cost)) == expected

    counted.run(test)


@every_algorithm
def test_a_request_that_one_limit_refuses_is_counted_in_none(counted: Counted, algorithm: Algorithm) -> None:
    async def test(storage: Storage) -> None:
        narrow, wide = Charge(rule(algorithm, 1, 60), b"key"), Charge(rule(algorithm, 3, 3600), b"key")
        assert [await passes(storage, narrow, wide) for _ in range(3)] == [True, False, False]
        assert [await passes(storage, wide) for _ in range(3)] == [True, True, False]

    counted.run(test)


@every_algorithm
def test_who_is_refused_is_told_which_limit_it_was_and_when_to_come_again(
    counted: Counted, algorithm: Algorithm
) -> None:
    async def test(storage: Storage) -> None:
        charges = [Charge(rule(algorithm, limit, window), b"key") for limit, window in ((1, 60), (3, 3600))]
        await passes(storage, *charges)
        narrow, wide = await storage.take(charges)
        assert (narrow.passed, narrow.remaining, wide.passed, wide.remaining) == (False, 0, True, 2)
        assert wide.retry == 0 < narrow.retry
        counted.now += narrow.retry
        assert await passes(storage, *charges)

    counted.run(test)


@every_algorithm
def test_what_is_owed_is_counted_whether_there_is_room_or_not(counted: Counted, algorithm: Algorithm) -> None:
    async def test(storage: Storage) -> None:
        one = rule(algorithm, 10, 60)
        [usage] = await storage.take([Charge(one, b"key", 25)], owed=True)
        assert usage.remaining == 0
        assert not await passes(storage, Charge(one, b"key"))
        assert await passes(storage, Charge(one, b"another"))

    counted.run(test)


@every_algorithm
def test_a_cost_of_nothing_only_looks(counted: Counted, algorithm: Algorithm) -> None:
    async def test(storage: Storage) -> None:
        one = rule(algorithm, 2, 60)
        for left in (2, 1, 0):
            [usage] = await storage.take([Charge(one, b"key", 0)])
            assert (usage.passed, usage.remaining) == (True, left)
            assert await passes(storage, Charge(one, b"key")) == (left > 0)

    counted.run(test)


@pytest.mark.parametrize("algorithm", ["fixed-window", "sliding-window"])
def test_a_window_whose_limit_was_changed_goes_on_counting(counted: Counted, algorithm: Algorithm) -> None:
    async def test(storage: Storage) -> None:
        assert [await passes(storage, Charge(rule(algorithm, 2, 60), b"key")) for _ in range(2)] == [True, True]
        assert [await passes(storage, Charge(rule(algorithm, 3, 60), b"key")) for _ in range(2)] == [True, False]

    counted.run(test)


def test_algorithms_and_windows_have_counts_of_their_own(counted: Counted) -> None:
    async def test(storage: Storage) -> None:
        for algorithm in ALGORITHMS:
            for window in (60, 61):
                charge = Charge(rule(algorithm, 1, window), b"key")
                assert [await passes(storage, charge) for _ in range(2)] == [True, False]

    counted.run(test)


@every_algorithm
def test_a_clock_that_goes_back_lets_nothing_through_twice_and_locks_nobody_out(
    counted: Counted, algorithm: Algorithm
) -> None:
    async def test(storage: Storage) -> None:
        charge = Charge(rule(algorithm, 2, 60), b"key")
        assert [await passes(storage, charge) for _ in range(3)] == [True, True, False]
        counted.now -= 30
        assert not await passes(storage, charge)
        counted.now -= 366 * 86_400
        await passes(storage, charge)
        counted.now += 120
        assert await passes(storage, charge)

    counted.run(test)


@every_algorithm
def test_the_largest_numbers_count(counted: Counted, algorithm: Algorithm) -> None:
    async def test(storage: Storage) -> None:
        one = rule(algorithm, 10**12, 366 * 86_400)
        assert await passes(storage, Charge(one, b"key", 10**12 - 1))
        assert [await passes(storage, Charge(one, b"key")) for _ in range(2)] == [True, False]
        await storage.take([Charge(one, b"key", 10**12)], owed=True)
        assert not await passes(storage, Charge(one, b"key"))

    counted.run(test)
