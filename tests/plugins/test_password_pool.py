"""The threads in which passwords are hashed: how many at once, how many wait, and who makes room when."""

import asyncio
import os
import threading
from threading import Event

import pytest

from outrider_plugins.password_pool import NICENESS, PasswordPool, PoolFullError, shared_pool


class Work:
    """Something that takes until the test says so."""

    def __init__(self) -> None:
        self.begun, self.may_end = Event(), Event()

    def __call__(self) -> bool:
        self.begun.set()
        assert self.may_end.wait(30)
        return True

    async def has_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 30)


async def settled() -> None:
    """Lets every task run up to where it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


def begin(pool: PasswordPool, *works: Work) -> list[asyncio.Task[bool]]:
    return [asyncio.create_task(pool.run(work)) for work in works]


async def cancelled(task: asyncio.Task[bool]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_answer_comes_from_another_thread() -> None:
    async def main() -> None:
        pool = PasswordPool()
        here = threading.get_ident()
        assert await pool.run(lambda: threading.get_ident() != here)
        assert not await pool.run(lambda: False)

    asyncio.run(main())


def test_what_the_work_raises_is_raised_and_its_thread_is_free_again() -> None:
    def fail() -> bool:
        raise OSError("of the library")

    async def main() -> None:
        pool = PasswordPool(threads=1, waiting=0)
        for _ in range(3):
            with pytest.raises(OSError, match="of the library"):
                await pool.run(fail)
            await settled()
        assert await pool.run(lambda: True)

    asyncio.run(main())


def test_no_more_run_at_once_than_there_are_threads_and_the_others_wait() -> None:
    async def main() -> None:
        pool, first, second, third = PasswordPool(threads=2, waiting=1), Work(), Work(), Work()
        tasks = begin(pool, first, second, third)
        await first.has_begun()
        await second.has_begun()
        await settled()
        assert not third.begun.is_set()
        second.may_end.set()
        await third.has_begun()
        first.may_end.set()
        third.may_end.set()
        assert await asyncio.gather(*tasks) == [True] * 3

    asyncio.run(main())


@pytest.mark.parametrize("waiting", [0, 1, 3])
def test_where_nobody_may_wait_any_more_the_next_is_told_at_once(waiting: int) -> None:
    async def main() -> None:
        pool, work = PasswordPool(threads=1, waiting=waiting), Work()
        tasks = begin(pool, *[work] * (1 + waiting))
        await work.has_begun()
        await settled()
        with pytest.raises(PoolFullError):
            await pool.run(work)
        work.may_end.set()
        assert all(await asyncio.gather(*tasks))
        assert await pool.run(work)

    asyncio.run(main())


def test_who_is_cancelled_while_it_waits_makes_room_at_once_and_is_never_run() -> None:
    async def main() -> None:
        pool, first, second, third = PasswordPool(threads=1, waiting=1), Work(), Work(), Work()
        running, waiting = begin(pool, first, second)
        await first.has_begun()
        await settled()
        await cancelled(waiting)
        [last] = begin(pool, third)
        first.may_end.set()
        third.may_end.set()
        assert [await running, await last] == [True, True]
        assert not second.begun.is_set()

    asyncio.run(main())


def test_who_is_cancelled_in_its_thread_keeps_the_thread_until_that_is_done() -> None:
    async def main() -> None:
        pool, first, second = PasswordPool(threads=1, waiting=1), Work(), Work()
        [running] = begin(pool, first)
        await first.has_begun()
        await cancelled(running)
        [next_one] = begin(pool, second)
        await settled()
        with pytest.raises(PoolFullError):
            await pool.run(second)
        assert not second.begun.is_set()
        first.may_end.set()
        second.may_end.set()
        assert await next_one

    asyncio.run(main())


def test_many_that_come_and_go_leave_all_threads_free() -> None:
    async def main() -> None:
        pool = PasswordPool(threads=2, waiting=4)
        for _ in range(50):
            works = [Work() for _ in range(6)]
            tasks = begin(pool, *works)
            await works[0].has_begun()
            for task in tasks[::2]:
                task.cancel()
            for work in works:
                work.may_end.set()
            await asyncio.gather(*tasks, return_exceptions=True)
        both = [Work(), Work()]
        tasks = begin(pool, *both)
        for work in both:
            await work.has_begun()
            work.may_end.set()
        assert await asyncio.gather(*tasks) == [True, True]

    asyncio.run(main())


def test_threads_that_can_not_be_had_are_a_fault_and_take_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        pool = PasswordPool(threads=1, waiting=0)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", unable)
            for _ in range(2):
                with pytest.raises(RuntimeError, match="can't start new thread"):
                    await pool.run(lambda: True)
        assert await pool.run(lambda: True)

    asyncio.run(main())


def test_the_threads_step_back_behind_the_event_loop() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    async def main() -> None:
        before = niceness()
        assert await PasswordPool().run(lambda: niceness() == max(before, NICENESS))
        assert niceness() == before

    asyncio.run(main())


def test_the_threads_end_with_the_pool() -> None:
    others = set(threading.enumerate())
    own: list[threading.Thread] = []

    async def use() -> None:
        await PasswordPool().run(lambda: True)
        own.extend(set(threading.enumerate()) - others)

    asyncio.run(use())
    for thread in own:
        thread.join(30)
    assert own
    assert not any(thread.is_alive() for thread in own)


def test_all_plugins_of_a_worker_share_one_pool() -> None:
    async def main() -> PasswordPool:
        pool = shared_pool()
        assert shared_pool() is pool
        return pool

    assert asyncio.run(main()) is not asyncio.run(main())
