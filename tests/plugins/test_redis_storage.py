"""Checks in Redis and Valkey: one round trip each, and many together over few connections."""

import asyncio
import subprocess
import sys

import pytest

from harness.process import DEADLINE
from harness.redis_proxy import Proxy, left, proxy, through_a_proxy
from harness.redis_server import PATIENT, RedisServer, redis_storage
from outrider import StartError
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.redis import pipeline
from outrider_plugins.counting.redis.storage import RedisStorage, open_redis
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.sliding_window import SlidingWindow
from outrider_plugins.counting.storage import StorageError

HOURLY = FixedWindow(1000, 3600)
DAILY = SlidingWindow(10_000, 86_400)

TAKE_MANY = """
import asyncio, sys
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.redis.storage import open_redis
from outrider_plugins.counting.rule import Charge

async def main():
    storage = open_redis(sys.argv[1], namespace="processes", timeout=20)
    charges = [Charge(FixedWindow(1000, 366 * 86_400), b"key")]
    answers = await asyncio.gather(*(storage.take(charges) for _ in range(500)))
    await storage.close()
    print(sum(usages[0].passed for usages in answers))

asyncio.run(main())
"""


def test_a_check_takes_one_call(redis_server: RedisServer) -> None:
    async def main() -> None:
        storage = redis_storage(redis_server)
        for _ in range(10):
            await storage.take([Charge(HOURLY, b"key"), Charge(DAILY, b"key")])
        await storage.close()

    redis_server.ask("SCRIPT", "FLUSH")
    before = redis_server.calls("evalsha"), redis_server.calls("eval")
    asyncio.run(main())
    # Only a server that does not know the script is asked twice.
    assert (redis_server.calls("evalsha"), redis_server.calls("eval")) == (before[0] + 10, before[1] + 1)


def test_nothing_is_counted_without_waiting(redis_server: RedisServer) -> None:
    assert redis_storage(redis_server).try_take([Charge(HOURLY, b"key")]) is None


def test_a_server_that_forgot_the_script_is_told_again(redis_server: RedisServer) -> None:
    async def main() -> list[int]:
        storage = redis_storage(redis_server)
        first = await left(storage)
        redis_server.ask("SCRIPT", "FLUSH")
        rest = await asyncio.gather(*(left(storage) for _ in range(5)))
        await storage.close()
        return [first, *rest]

    assert asyncio.run(main()) == [999, 998, 997, 996, 995, 994]


def test_processes_count_exactly_together(redis_server: RedisServer) -> None:
    command = [sys.executable, "-c", TAKE_MANY, redis_server.address]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(worker.communicate()[0]) for worker in workers) == 1000


def test_checks_at_once_go_out_together_over_few_connections(redis_server: RedisServer) -> None:
    async def test(between: Proxy, storage: RedisStorage) -> None:
        assert await left(storage) == 999
        between.asked.clear()
        assert sorted(await asyncio.gather(*(left(storage) for _ in range(100)))) == list(range(899, 999))
        assert len(between.asked) == 1
        assert between.connections <= pipeline.CONNECTIONS

    through_a_proxy(redis_server, test)


def test_what_is_asked_while_all_connections_are_busy_goes_out_with_the_first_that_is_free(
    redis_server: RedisServer,
) -> None:
    async def test(between: Proxy, storage: RedisStorage) -> None:
        await left(storage)
        between.asked.clear()
        between.gate.clear()
        tasks = [asyncio.create_task(left(storage))]
        await between.until_asked(1)
        tasks.append(asyncio.create_task(left(storage)))
        await between.until_asked(2)
        tasks += [asyncio.create_task(left(storage)) for _ in range(20)]
        await asyncio.sleep(0)
        between.gate.set()
        assert sorted(await asyncio.gather(*tasks)) == list(range(977, 999))
        assert len(between.asked) == 3

    through_a_proxy(redis_server, test)


def test_more_checks_than_may_wait_fail_at_once(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "WAITING", 3)

    async def test(between: Proxy, storage: RedisStorage) -> None:
        await left(storage)
        between.asked.clear()
        between.gate.clear()
        tasks: list[asyncio.Task[int]] = []
        for busy in range(pipeline.CONNECTIONS):
            tasks.append(asyncio.create_task(left(storage)))
            await between.until_asked(busy + 1)
        tasks += [asyncio.create_task(left(storage)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(StorageError, match="too slow: 3 checks wait"):
            await left(storage)
        between.gate.set()
        assert len(await asyncio.gather(*tasks)) == 5

    through_a_proxy(redis_server, test)


def test_connections_that_ended_while_nobody_asked_are_made_again(redis_server: RedisServer) -> None:
    async def main() -> list[int]:
        storage = redis_storage(redis_server)
        answers = [await left(storage)]
        assert redis_server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") == 1
        await until_it_has_ended()
        answers.append(await left(storage))
        await storage.close()
        return answers

    async def until_it_has_ended() -> None:
        # The end comes over the socket like everything else, and the loop reads it when it turns.
        reader, writer = await asyncio.open_unix_connection(redis_server.socket)
        writer.write(b"PING\r\n")
        assert await reader.readline() == b"+PONG\r\n"
        writer.close()

    assert asyncio.run(main()) == [999, 998]


def test_plugins_that_name_the_same_server_share_its_connections(redis_server: RedisServer) -> None:
    async def test(between: Proxy, storage: RedisStorage) -> None:
        other = open_redis(f"unix://{redis_server.folder}/proxy-{id(between)}", namespace="other", timeout=PATIENT)
        assert [await left(storage), await left(other)] == [999, 999]
        assert between.connections == 1
        await other.close()
        assert await left(storage) == 998

    through_a_proxy(redis_server, test)


def test_nothing_is_counted_once_it_is_closed(redis_server: RedisServer) -> None:
    async def test(between: Proxy, storage: RedisStorage) -> None:
        await left(storage)
        between.asked.clear()
        between.gate.clear()
        waiting = asyncio.create_task(left(storage))
        await between.until_asked(1)
        await storage.close()
        for late in (waiting, left(storage)):
            with pytest.raises(StorageError, match="are closed"):
                await asyncio.wait_for(late, DEADLINE)

    async def main() -> None:
        async with proxy(redis_server) as (between, address):
            await test(between, open_redis(address, timeout=PATIENT))

    asyncio.run(main())


def test_without_the_library_it_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio.connection", None)
    with pytest.raises(StartError, match=r"install outrider\[redis\]"):
        open_redis("redis://cache")


@pytest.mark.parametrize("namespace", ["", "a:b", "a{b}", "a b", "ä", "a\n", 65 * "a"])
def test_a_namespace_is_a_plain_name(namespace: str) -> None:
    with pytest.raises(ValueError, match="use 1 to 64 letters"):
        open_redis("redis://cache", namespace=namespace)
