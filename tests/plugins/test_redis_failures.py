"""Servers of counts that are killed, frozen, full or replicas, or want a password: no long wait, no half a count."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from harness.process import DEADLINE
from harness.redis_server import PATIENT, PRODUCTS, RedisServer
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.redis import pipeline
from outrider_plugins.counting.redis.connection import CONNECTING
from outrider_plugins.counting.redis.pipeline import FAILURES
from outrider_plugins.counting.redis.storage import RedisStorage, open_redis
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.sliding_window import SlidingWindow
from outrider_plugins.counting.storage import StorageError, StorageTimeoutError

HOURLY = FixedWindow(1000, 3600)
DAILY = SlidingWindow(1000, 86_400)
TIMEOUT = 0.1


@pytest.fixture(params=PRODUCTS)
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """One that a test may break."""
    with RedisServer(request.param) as started:
        yield started


@pytest.fixture
def brief_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that failed is asked again after a tenth of a second."""
    monkeypatch.setattr(pipeline, "PAUSE", 0.1)


async def left(storage: RedisStorage) -> int:
    [usage] = await storage.take([Charge(HOURLY, b"key")])
    return usage.remaining


async def until_it_counts(storage: RedisStorage) -> int:
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await left(storage)
            except StorageError:
                await asyncio.sleep(0.01)


async def failures(storage: RedisStorage, number: int) -> list[StorageError]:
    """What so many checks fail with, one after the other."""
    found: list[StorageError] = []
    for _ in range(number):
        with pytest.raises(StorageError) as caught:
            await left(storage)
        found.append(caught.value)
    return found


def run(server: RedisServer, test: Callable[[RedisStorage], Awaitable[None]], timeout: float = PATIENT) -> None:
    async def main() -> None:
        storage = open_redis(server.address, timeout=timeout)
        try:
            await test(storage)
        finally:
            await storage.close()

    asyncio.run(main())


@pytest.mark.usefixtures("brief_pause")
def test_a_server_that_was_killed_and_started_again_counts_again(server: RedisServer) -> None:
    async def test(storage: RedisStorage) -> None:
        assert await left(storage) == 999
        server.kill()
        for error in await failures(storage, 10):
            assert re.search("closed the connection|can't be reached", str(error))
        server.start()
        # It has forgotten all counts, and the script.
        assert await until_it_counts(storage) == 999
        assert [await left(storage) for _ in range(5)] == [998, 997, 996, 995, 994]

    run(server, test)


def test_a_server_that_is_down_at_the_start_is_an_error_and_no_more(server: RedisServer) -> None:
    server.kill()

    async def test(storage: RedisStorage) -> None:
        [error] = await failures(storage, 1)
        assert str(error) == f"{server.address} can't be reached (No such file or directory)"

    run(server, test)


def test_a_frozen_server_costs_a_wait_only_a_few_times_and_counts_when_it_is_back(server: RedisServer) -> None:
    async def test(storage: RedisStorage) -> None:
        await left(storage)
        server.freeze()
        # A check is given up just before its connection is, and another may begin between the two.
        first = await failures(storage, FAILURES + 1)
        assert isinstance(first[0], StorageTimeoutError)
        begun = time.monotonic()
        rest = await failures(storage, 200)
        waited = [error for error in rest if "is left alone for a moment" not in str(error)]
        assert len(waited) <= 1 + (time.monotonic() - begun) / pipeline.PAUSE
        server.thaw()
        # What was sent before it froze, and has been given up, may be counted.
        assert 999 - FAILURES - 2 - len(waited) <= await until_it_counts(storage) <= 998

    run(server, test, TIMEOUT)


def test_a_frozen_server_is_waited_for_no_longer_than_the_time_out(server: RedisServer) -> None:
    async def test(storage: RedisStorage) -> None:
        await left(storage)
        server.freeze()
        begun = time.monotonic()
        answers = await asyncio.gather(*(left(storage) for _ in range(300)), return_exceptions=True)
        assert all(isinstance(answer, StorageError) for answer in answers)
        assert TIMEOUT <= time.monotonic() - begun < 10 * TIMEOUT

    run(server, test, TIMEOUT)


def test_a_server_that_is_frozen_while_it_is_connected_to_is_waited_for_no_longer(server: RedisServer) -> None:
    server.ask("CONFIG", "SET", "requirepass", "right-horse")
    server.freeze()

    async def main() -> None:
        storage = open_redis(f"unix://:right-horse@{server.socket}", timeout=TIMEOUT)
        begun = time.monotonic()
        [error] = await failures(storage, 1)
        assert isinstance(error, StorageTimeoutError)
        assert time.monotonic() - begun < CONNECTING
        await storage.close()

    asyncio.run(main())


def test_a_full_server_counts_nothing_by_halves(server: RedisServer) -> None:
    async def test(storage: RedisStorage) -> None:
        both = [Charge(HOURLY, b"key"), Charge(DAILY, b"key")]
        await left(storage)
        server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1")
        for _ in range(2 * FAILURES):
            with pytest.raises(StorageError, match="has no memory left"):
                await storage.take(both)
        server.ask("CONFIG", "SET", "maxmemory", "0")
        assert [usage.remaining for usage in await storage.take(both)] == [998, 999]

    run(server, test)


@pytest.mark.usefixtures("brief_pause")
def test_a_replica_counts_nothing(server: RedisServer) -> None:
    async def test(storage: RedisStorage) -> None:
        await left(storage)
        server.ask("REPLICAOF", "127.0.0.1", 1)
        for error in await failures(storage, 2):
            assert "is a replica, which can't count" in str(error)
        server.ask("REPLICAOF", "NO", "ONE")
        assert await until_it_counts(storage) == 998

    run(server, test)


@pytest.mark.parametrize(
    ("credentials", "complaint"),
    [
        ("", "wants a password"),
        (":wrong-horse@", "does not accept the user and the password"),
        ("nobody:right-horse@", "does not accept the user and the password"),
    ],
)
def test_a_wrong_password_is_an_error_that_does_not_show_it(
    server: RedisServer, credentials: str, complaint: str
) -> None:
    async def main(address: str) -> None:
        storage = open_redis(address, timeout=PATIENT)
        for error in await failures(storage, 2 * FAILURES):
            assert complaint in str(error)
            assert "horse" not in f"{error} {error.__cause__!r} {error.__context__!r}"
        await storage.close()

    server.ask("CONFIG", "SET", "requirepass", "right-horse")
    asyncio.run(main(f"unix://{credentials}{server.socket}"))


def test_a_password_opens(server: RedisServer) -> None:
    async def main(address: str) -> int:
        storage = open_redis(address, timeout=PATIENT)
        remaining = await left(storage)
        await storage.close()
        return remaining

    server.ask("CONFIG", "SET", "requirepass", "right-horse")
    assert asyncio.run(main(f"unix://default:right-horse@{server.socket}?db=3")) == 999


def test_the_user_in_the_manual_may_count_and_no_more(server: RedisServer) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "storage.md").read_text()
    [line] = re.findall(r"^    (ACL SETUSER .*)$", manual, re.MULTILINE)
    server.ask(*line.replace("PASSWORD", "right-horse").split())
    address = f"unix://outrider:right-horse@{server.socket}"

    async def main() -> int:
        storage, other = (open_redis(address, namespace=name, timeout=PATIENT) for name in ("outrider", "other"))
        remaining = await left(storage)
        with pytest.raises(StorageError, match="does not allow this user what counting needs"):
            await left(other)
        await storage.close()
        await other.close()
        return remaining

    assert asyncio.run(main()) == 999
