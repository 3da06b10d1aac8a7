"""Many checks at once over few connections to one server: each waits so long and no longer."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from outrider_plugins.circuit_breaker import CircuitBreaker
from outrider_plugins.counting.redis.command import Command
from outrider_plugins.counting.redis.connection import RedisConnection
from outrider_plugins.counting.redis.errors import DemotedError, UnknownScriptError
from outrider_plugins.counting.storage import StorageError, StorageTimeoutError

CONNECTIONS: Final = 2
"""Connections of one worker to one server: while one waits for its answers, the other sends."""
WAITING: Final = 1024
"""How many checks may wait for a free connection. Further ones fail at once."""
FAILURES: Final = 3
"""After so many failures in a row the server is asked once in each `PAUSE`, and all other checks fail at once."""
PAUSE: Final = 1.0
"""In seconds."""

_BATCH = 128


class _Check(NamedTuple):
    command: Command
    answer: "asyncio.Future[object]"


class Pipeline:
    """What is asked while all connections are busy goes out together, with the first one that is free.

    A check takes at most `timeout` seconds, with all that it waits for. One that is given up while it waits is not
    sent; one that was sent is counted, and its answer thrown away. `where` names the server in errors.
    """

    def __init__(self, where: str, connections: Sequence[RedisConnection], timeout: float) -> None:
        self._where, self._timeout = where, timeout
        self._connections, self._free = connections, list(connections)
        self._breaker = CircuitBreaker(FAILURES, PAUSE)
        self._failure = StorageError(where)
        self._waiting: deque[_Check] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def ask(self, command: Command) -> object:
        """What the server answers. Raises `StorageError`."""
        self._check()
        loop = asyncio.get_running_loop()
        check = _Check(command, loop.create_future())
        self._waiting.append(check)
        # The task begins in the loop's next turn, and takes along all that was asked in this one.
        if self._free:
            task = loop.create_task(self._work(self._free.pop()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        timer = loop.call_later(self._timeout, self._give_up, check)
        try:
            said = await check.answer
        finally:
            # If downstream has left, nobody waits for it any more.
            check.answer.cancel()
            timer.cancel()
        if isinstance(said, StorageError):
            raise said
        return said

    async def close(self) -> None:
        """Ends all connections. What waits for an answer fails, and so does whatever is asked from now on."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        _fail(self._waiting, self._closed())
        for connection in self._connections:
            await connection.close()

    def _check(self) -> None:
        if self._is_closed:
            raise self._closed()
        if len(self._waiting) >= WAITING:
            raise StorageError(f"{self._where} is too slow: {WAITING} checks wait for it already")
        if not self._breaker.allows():
            raise StorageError(f"{self._failure}, and is left alone for a moment")

    def _closed(self) -> StorageError:
        return StorageError(f"the connections to {self._where} are closed")

    def _late(self) -> StorageTimeoutError:
        return StorageTimeoutError(f"{self._where} did not answer in time")

    def _give_up(self, check: _Check) -> None:
        _answer(check, self._late())

    async def _work(self, connection: RedisConnection) -> None:
        try:
            while batch := self._next():
                await self._exchange(connection, batch)
        finally:
            self._free.append(connection)

    def _next(self) -> list[_Check]:
        batch: list[_Check] = []
        while self._waiting and len(batch) < _BATCH:
            check = self._waiting.popleft()
            if not check.answer.done():
                batch.append(check)
        return batch

    async def _exchange(self, connection: RedisConnection, batch: list[_Check]) -> None:
        try:
            await connection.open()
            # Connecting may take longer than a check.
            batch = [check for check in batch if not check.answer.done()]
            if not batch:
                return
            async with asyncio.timeout(self._timeout):
                answers = await _ask(connection, [check.command for check in batch])
        except (StorageError, TimeoutError) as error:
            failure = error if isinstance(error, StorageError) else self._late()
            _fail(batch, failure)
            await self._failed(connection, failure)
        except asyncio.CancelledError:
            _fail(batch, self._closed())
            raise
        else:
            for check, answer in zip(batch, answers, strict=True):
                _answer(check, answer)
            await self._judge(connection, answers)

    async def _judge(self, connection: RedisConnection, answers: list[object]) -> None:
        for answer in answers:
            if isinstance(answer, DemotedError):
                return await self._failed(connection, answer)
        self._breaker.succeeded()
        return None

    async def _failed(self, connection: RedisConnection, failure: StorageError) -> None:
        self._failure = failure
        self._breaker.failed()
        await connection.close()


async def _ask(connection: RedisConnection, commands: Sequence[Command]) -> list[object]:
    answers = await connection.ask([command.packed for command in commands]) if commands else []
    unknown = [place for place, answer in enumerate(answers) if isinstance(answer, UnknownScriptError)]
    if unknown:
        again = await connection.ask([commands[place].whole for place in unknown])
        for place, answer in zip(unknown, again, strict=True):
            answers[place] = answer
    return answers


def _answer(check: _Check, answer: object) -> None:
    if not check.answer.done():
        check.answer.set_result(answer)


def _fail(checks: Iterable[_Check], failure: StorageError) -> None:
    for check in checks:
        # One for each: an error that is raised in many places gathers all their tracebacks.
        _answer(check, type(failure)(str(failure)))
