"""Answers of Redis and Valkey that come late, by halves, twice, or are none: no check ever gets another's."""

import asyncio

import pytest

from harness.redis_proxy import Proxy, left, through_a_proxy
from harness.redis_server import RedisServer
from outrider_plugins.counting.redis.storage import RedisStorage
from outrider_plugins.counting.storage import StorageError, StorageTimeoutError


def test_an_answer_that_comes_late_is_never_taken_for_anothers(redis_server: RedisServer) -> None:
    async def test(between: Proxy, storage: RedisStorage) -> None:
        assert await left(storage, b"a", 10) == 990
        between.gate.clear()
        with pytest.raises(StorageTimeoutError, match="did not answer in time"):
            await left(storage, b"a", 10)
        between.gate.set()
        assert await left(storage, b"b") == 999
        # What was given up was counted.
        assert await left(storage, b"a", 10) == 970

    through_a_proxy(redis_server, test, 0.2)


def test_a_check_that_is_given_up_leaves_the_others_their_answers(redis_server: RedisServer) -> None:
    async def test(between: Proxy, storage: RedisStorage) -> None:
        await left(storage)
        between.asked.clear()
        between.gate.clear()
        tasks = [asyncio.create_task(left(storage, b"%d" % number, number)) for number in range(1, 6)]
        await between.until_asked(1)
        tasks[2].cancel()
        tasks.append(asyncio.create_task(left(storage, b"6", 6)))
        await between.until_asked(2)
        tasks += [asyncio.create_task(left(storage, b"%d" % number, number)) for number in (7, 8)]
        await asyncio.sleep(0)
        tasks[6].cancel()
        between.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [answer for answer in answers if isinstance(answer, int)] == [999, 998, 996, 995, 994, 992]
        # The first was sent and is counted; the second was not.
        assert [await left(storage, b"3"), await left(storage, b"7")] == [996, 999]

    through_a_proxy(redis_server, test)


@pytest.mark.parametrize(
    "garbage",
    [
        *(
            b"+OK\r\n",
            b":1\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"$3\r\nabc\r\n",
            b"*1\r\n$3\r\n1 1\r\n",
            # Nothing was counted, though there is room; a number that no double tells; one that Python won't read.
            b"$24\r\n1700000020000000 0 0 0 0\r\n",
            b"$25\r\n17000000200000000 1 0 0 0\r\n",
            b"$5008\r\n%b 1 0 0 0\r\n" % (b"9" * 5000),
            b"-\r\n",
            b"-ERR no\r\n",
        ),
        *(b"?\r\n", b"$x\r\n", b"\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"*9999999\r\n", b"\xff" * 100_000),
    ],
)
def test_garbage_is_an_error_and_the_next_check_is_good(redis_server: RedisServer, garbage: bytes) -> None:
    async def test(between: Proxy, storage: RedisStorage) -> None:
        await left(storage)
        between.change = lambda piece: garbage
        with pytest.raises(StorageError):
            await left(storage)
        between.change = bytes
        assert await left(storage) == 997

    through_a_proxy(redis_server, test, 0.5)


def test_an_answer_too_many_is_taken_for_nobodys(redis_server: RedisServer) -> None:
    async def test(between: Proxy, storage: RedisStorage) -> None:
        await left(storage)
        between.change = lambda piece: 2 * piece
        assert await left(storage, b"a") == 999
        between.change = bytes
        assert [await left(storage, b"b"), await left(storage, b"c", 2)] == [999, 998]

    through_a_proxy(redis_server, test)


@pytest.mark.parametrize("passes", [0, 1, 20])
def test_half_an_answer_is_an_error_and_the_next_check_is_good(redis_server: RedisServer, passes: int) -> None:
    async def test(between: Proxy, storage: RedisStorage) -> None:
        await left(storage)
        between.change = lambda piece: piece[:passes]
        between.ends = True
        with pytest.raises(StorageError):
            await left(storage)
        between.change, between.ends = bytes, False
        assert await left(storage) == 997

    through_a_proxy(redis_server, test)
