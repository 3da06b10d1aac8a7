"""Counts in servers that stand in for each other: sentinels name another one, and a cluster moves keys."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar, cast

import pytest

from harness.process import DEADLINE
from harness.redis_many import Watched, caught_up, cluster, watched
from harness.redis_server import PATIENT, SOME, RedisServer
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.redis import cluster as clusters
from outrider_plugins.counting.redis import pipeline
from outrider_plugins.counting.redis.address import Node, RedisAddress
from outrider_plugins.counting.redis.command import SCRIPT, take
from outrider_plugins.counting.redis.sentinel import Sentinels
from outrider_plugins.counting.redis.storage import RedisStorage, open_redis
from outrider_plugins.counting.rule import Charge
from outrider_plugins.counting.storage import StorageError

_ResultT = TypeVar("_ResultT")

LIMIT = 10_000
YEARLY = FixedWindow(LIMIT, 366 * 86_400)


@pytest.fixture(autouse=True)
def brief_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pipeline, clusters):
        monkeypatch.setattr(module, "PAUSE", 0.1)


@pytest.fixture(scope="module", params=SOME)
def nodes(request: pytest.FixtureRequest) -> Iterator[list[RedisServer]]:
    with cluster(request.param) as started:
        yield started


@pytest.fixture(params=SOME)
def servers(request: pytest.FixtureRequest) -> Iterator[Watched]:
    with watched(request.param) as started:
        yield started


async def left(storage: RedisStorage, key: bytes = b"key") -> int:
    [usage] = await storage.take([Charge(YEARLY, key)])
    return usage.remaining


async def until_it_counts(storage: RedisStorage, key: bytes = b"key") -> int:
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await left(storage, key)
            except StorageError:
                await asyncio.sleep(0.01)


def run(address: str, test: Callable[[RedisStorage], Awaitable[_ResultT]], timeout: float = PATIENT) -> _ResultT:
    async def main() -> _ResultT:
        storage = open_redis(address, timeout=timeout)
        try:
            return await test(storage)
        finally:
            await storage.close()

    return asyncio.run(main())


def is_master(server: RedisServer) -> bool:
    return bool(server.ask("ROLE")[0] == b"master")


def test_after_a_failover_in_mid_load_the_replica_goes_on_counting(servers: Watched) -> None:
    passed, failed, stop = 0, 0, False

    async def load(storage: RedisStorage) -> None:
        nonlocal passed, failed
        while not stop:
            try:
                await left(storage)
            except StorageError:
                failed += 1
                await asyncio.sleep(0.01)
            else:
                passed += 1

    async def test(storage: RedisStorage) -> int:
        nonlocal stop
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(load(storage))
            while passed < 200:
                await asyncio.sleep(0.01)
            servers.master.kill()
            before = passed
            async with asyncio.timeout(DEADLINE):
                while passed < before + 200:
                    await asyncio.sleep(0.01)
            stop = True
        return before

    before = run(servers.address, test, 0.5)
    [key] = servers.replica.ask("KEYS", "*")
    counted = int(servers.replica.ask("GET", key).split()[1])
    # What the master answered last may not have come to its replica; four answers may have been on their way.
    assert passed - before - 4 <= counted <= passed + failed


def test_a_server_that_was_demoted_is_left_for_the_one_that_counts_now(servers: Watched) -> None:
    master, replica, _ = servers
    named = master

    async def sentinel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert b"get-master-addr-by-name" in await reader.read(1000)
        writer.write(b"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n%05d\r\n" % named.port)
        writer.close()

    async def main() -> None:
        nonlocal named
        async with await asyncio.start_server(sentinel, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            storage = open_redis(f"redis+sentinel://127.0.0.1:{port}/main", timeout=PATIENT)
            assert await left(storage) == LIMIT - 1
            caught_up(replica, master)
            replica.ask("REPLICAOF", "NO", "ONE")
            master.ask("REPLICAOF", "127.0.0.1", replica.port)
            named = replica
            assert await until_it_counts(storage) == LIMIT - 2
            await storage.close()

    asyncio.run(main())


def test_sentinels_that_want_a_password_are_told_the_servers() -> None:
    heard: list[bytes] = []
    ended: list[asyncio.Task[None]] = []

    async def sentinel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(cast("asyncio.Task[None]", asyncio.current_task()))
        known = False
        while piece := await reader.read(1000):
            heard.append(piece)
            known = known or b"right-horse" in piece
            answer = b"+OK\r\n" if b"AUTH" in piece else b"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n"
            writer.write(answer if known else b"-NOAUTH Authentication required.\r\n")
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        async with await asyncio.start_server(sentinel, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            asked = RedisAddress.parse(f"redis+sentinel://:right-horse@127.0.0.1:{port}/main")
            assert await Sentinels(asked).master() == Node("127.0.0.1", 6379)
            with pytest.raises(StorageError, match="no sentinel knows a server of that name"):
                await Sentinels(replace(asked, password=None)).master()
            await asyncio.gather(*ended)

    asyncio.run(main())
    assert b"right-horse" not in heard[0]


def address(nodes: Sequence[RedisServer]) -> str:
    return f"redis+cluster://127.0.0.1:{nodes[1].port}"


def keys(name: bytes) -> list[bytes]:
    return [b"%b %d" % (name, number) for number in range(40)]


def owner(nodes: Sequence[RedisServer], key: bytes) -> RedisServer:
    """The node that has a key's slot, as the second node says."""
    slot = take(SCRIPT, b"outrider", [Charge(YEARLY, key)], owed=False).slot
    for first, last, master, *_ in nodes[1].ask("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return next(node for node in nodes if node.port == master[1])
    raise AssertionError(slot)


def test_each_key_is_counted_in_the_node_that_has_it(nodes: list[RedisServer]) -> None:
    async def test(storage: RedisStorage) -> None:
        before = [node.calls("evalsha") for node in nodes]
        for round_ in (1, 2):
            answers = await asyncio.gather(*(left(storage, key) for key in keys(b"spread")))
            assert set(answers) == {LIMIT - round_}
        added = [node.calls("evalsha") - count for node, count in zip(nodes, before, strict=True)]
        assert sum(added) == 80
        assert len([count for count in added if count]) == 3

    run(address(nodes), test)


def test_a_key_that_moved_to_another_node_is_followed(nodes: list[RedisServer]) -> None:
    async def test(storage: RedisStorage) -> None:
        await left(storage, b"before")
        old = owner(nodes, b"moved")
        new = next(node for node in nodes if node is not old and is_master(node))
        slot = take(SCRIPT, b"outrider", [Charge(YEARLY, b"moved")], owed=False).slot
        # A slot that is imported gets a new epoch, without which the nodes might agree on the old one again.
        new.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", old.ask("CLUSTER", "MYID"))
        old.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", new.ask("CLUSTER", "MYID"))
        for node in (new, old, *(other for other in nodes if other not in (old, new) and is_master(other))):
            node.ask("CLUSTER", "SETSLOT", slot, "NODE", new.ask("CLUSTER", "MYID"))
        before = new.calls("evalsha")
        assert [await left(storage, b"moved") for _ in range(3)] == [LIMIT - 1, LIMIT - 2, LIMIT - 3]
        assert new.calls("evalsha") == before + 3

    run(address(nodes), test)


def test_a_node_that_is_lost_costs_only_its_own_keys_until_its_replica_has_them(nodes: list[RedisServer]) -> None:
    replica = next(node for node in nodes if not is_master(node))
    lost = next(node for node in nodes if node.port == replica.ask("ROLE")[2])
    its = [key for key in keys(b"lost") if owner(nodes, key) is lost]
    others = [key for key in keys(b"lost") if owner(nodes, key) is not lost]

    async def test(storage: RedisStorage) -> None:
        await asyncio.gather(*(left(storage, key) for key in its + others))
        caught_up(replica, lost)
        lost.kill()
        with pytest.raises(StorageError, match=r"closed the connection|can't be reached"):
            await left(storage, its[0])
        assert set(await asyncio.gather(*(left(storage, key) for key in others))) == {LIMIT - 2}
        assert await until_it_counts(storage, its[1]) == LIMIT - 2

    run(f"redis+cluster://127.0.0.1:{lost.port},127.0.0.1:{next(n.port for n in nodes if n is not lost)}", test)
    # The others are enough for the other tests.
    nodes.remove(lost)


def test_a_cluster_that_is_not_there_is_an_error() -> None:
    async def test(storage: RedisStorage) -> None:
        for _ in range(3):
            with pytest.raises(StorageError, match=r"redis\+cluster://127.0.0.1:1 "):
                await left(storage)

    run("redis+cluster://:hunter2@127.0.0.1:1", test)
