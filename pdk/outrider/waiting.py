"""Async hooks, driven without a task: only one that really waits costs the event loop anything."""

import asyncio
import types
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, Final, cast

from outrider.errors import ContractError, OverdueError

CANCELLATIONS = (asyncio.CancelledError, GeneratorExit)
"""What ends a hook from outside. Raised by the hook itself it is a fault like any other."""
GRACE = 0.1
"""How long a hook may go on after it was cancelled, in seconds."""
NOT_BEGUN: Final = object()


class Wait:
    """A hook that waits for something. A transport awaits `settle`; then the chain takes what came of it.

    `pending` is what it waits for, `NOT_BEGUN` if it waits for a task to begin in.
    """

    __slots__ = ("_coroutine", "_error", "_pending", "_seconds", "_value")

    def __init__(self, coroutine: Coroutine[Any, Any, object], pending: object, seconds: float) -> None:
        self._coroutine = coroutine
        self._pending = pending
        self._seconds = seconds
        self._value: object = None
        self._error: BaseException | None = ContractError("the hook never settled")

    async def settle(self) -> None:
        """Waits until the hook has ended or its time is over; raises if the surrounding task is cancelled."""
        scope = asyncio.timeout(self._seconds)
        try:
            # One that swallows its cancellation may tidy up for a moment, and is closed then.
            async with asyncio.timeout(self._seconds + GRACE), scope:
                self._value = await _resumed(self._coroutine, self._pending)
            self._error = None
        except asyncio.CancelledError as error:
            if _cancelled_from_outside():
                raise
            self._error = ContractError("the hook was cancelled from inside")
            self._error.__cause__ = error
        except GeneratorExit:
            raise
        except BaseException as error:
            self._error = error
        if scope.expired():
            # Whatever the hook made of its cancellation.
            self._error = OverdueError("the hook took too long").with_traceback(_waited(self._error))

    def take(self) -> object:
        """What the hook returned; raises what it raised, OverdueError if its time was over."""
        if self._error is not None:
            raise self._error
        return self._value

    @property
    def ended(self) -> bool:
        """Whether the hook has come to its own end, without an error."""
        return self._error is None

    def close(self) -> None:
        """Ends the hook where it waits: nobody needs its answer any more."""
        self._coroutine.close()


def begin(awaitable: Awaitable[object], seconds: float) -> "Wait | Done":
    """Runs an async hook up to its first wait; or only to its begin where no task is around it.

    A transport may run hooks from a callback of the event loop: there, what belongs to a task, such as
    `asyncio.timeout` and `asyncio.TaskGroup`, raises.
    """
    coroutine: Coroutine[Any, Any, object] = (
        cast("Coroutine[Any, Any, object]", awaitable) if isinstance(awaitable, Coroutine) else _awaiting(awaitable)
    )
    if _between_tasks():
        return Wait(coroutine, NOT_BEGUN, seconds)
    try:
        pending: object = coroutine.send(None)
    except StopIteration as stop:
        return Done(stop.value)
    except CANCELLATIONS as error:
        raise ContractError("the hook was cancelled from inside") from error
    return Wait(coroutine, pending, seconds)


def _between_tasks() -> bool:
    try:
        return asyncio.current_task() is None
    except RuntimeError:
        # No loop at all: what needs none may run.
        return False


class Done:
    """An async hook that ended without a wait."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


async def _awaiting(awaitable: Awaitable[object]) -> object:
    return await awaitable


@types.coroutine
def _resumed(coroutine: Coroutine[Any, Any, object], pending: object) -> Generator[object, Any, object]:
    """Goes on with a coroutine that already ran up to `pending`, which the task around it now waits for."""
    cancelled = False
    try:
        if pending is NOT_BEGUN:
            pending = coroutine.send(None)
        while True:
            try:
                sent = yield pending
            except GeneratorExit:
                coroutine.close()
                raise
            except asyncio.CancelledError as error:
                if cancelled:
                    coroutine.close()
                    raise
                cancelled = True
                pending = coroutine.throw(error)
            except BaseException as error:
                pending = coroutine.throw(error)
            else:
                pending = coroutine.send(sent)
    except StopIteration as stop:
        return stop.value


def _waited(error: BaseException | None) -> types.TracebackType | None:
    """The way to the line that a hook waited in when its time was over."""
    # asyncio.timeout raises its own error over the cancellation that went through the hook; in 3.11.2 without `from`.
    while error is not None and (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error.__traceback__ if error is not None else None


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
