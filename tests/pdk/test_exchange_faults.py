"""What a plugin that fails costs: its own request, in every way to fail that we know."""

import asyncio
import json
import sys
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from harness.chains import HookFunction, acts, acts_in, returns
from outrider import Request, Response
from outrider.testing import run


def raises(error: BaseException) -> HookFunction:
    def hook(*_: object) -> None:
        raise error

    return hook


def raises_after_a_wait(error: BaseException) -> HookFunction:
    async def hook(*_: object) -> None:
        await asyncio.sleep(0)
        raise error

    return hook


def async_raises(error: BaseException) -> HookFunction:
    async def hook(*_: object) -> None:
        raise error

    return hook


def returns_later(value: object) -> HookFunction:
    async def hook(*_: object) -> object:
        await asyncio.sleep(0)
        return value

    return hook


def recursive(*args: object) -> None:
    recursive(*args)


def exits(*_: object) -> None:
    sys.exit(0)


class BadAwaitable:
    """Waits for something that is nothing to wait for."""

    def __await__(self) -> Generator[Any, None, None]:
        yield 42


def sleeps(*_: object) -> Coroutine[Any, Any, None]:
    """No coroutine function, and yet it returns a coroutine."""
    return asyncio.sleep(0)


class GoodAwaitable:
    """Waits once, then lets the request on."""

    def __await__(self) -> Generator[Any, None, None]:
        yield from asyncio.sleep(0).__await__()


async def overdue(*_: object) -> None:
    await asyncio.Event().wait()


async def swallows_its_cancellation(*_: object) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return


async def fails_at_its_cancellation(*_: object) -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise RuntimeError from None


async def cancels_what_it_waits_for(*_: object) -> None:
    inner = asyncio.ensure_future(asyncio.Event().wait())
    inner.cancel()
    await inner


FAULTS: dict[str, HookFunction] = {
    "an exception": raises(RuntimeError("x")),
    "an exception of an async hook": async_raises(RuntimeError("x")),
    "an exception after a wait": raises_after_a_wait(RuntimeError("x")),
    "an exit": exits,
    "an exit of an async hook": async_raises(SystemExit(0)),
    "an exit after a wait": raises_after_a_wait(SystemExit(0)),
    "no end of recursion": recursive,
    "a cancellation": raises(asyncio.CancelledError()),
    "a cancellation of an async hook": async_raises(asyncio.CancelledError()),
    "a cancellation after a wait": raises_after_a_wait(asyncio.CancelledError()),
    "a cancelled task inside": cancels_what_it_waits_for,
    "a generator's exit": raises(GeneratorExit()),
    "a generator's exit of an async hook": async_raises(GeneratorExit()),
    "the end of an iteration": raises(StopIteration()),
    "the end of an async hook's iteration": async_raises(StopIteration()),
    "its own time-out": raises(TimeoutError()),
    "its own time-out after a wait": raises_after_a_wait(TimeoutError()),
    "True": returns(value=True),
    "False": returns(value=False),
    "a number": returns(42),
    "a text": returns("no"),
    "a list": returns([]),
    "a class": returns(Response),
    "a number after a wait": returns_later(42),
    "a text after a wait": returns_later("no"),
    "a bad awaitable": returns(BadAwaitable()),
    "an exception class": returns(RuntimeError),
}

ONLY_BYTES_MAY = {"bytes": returns(b"no"), "bytes after a wait": returns_later(b"no")}

HOOKS = ["on_request", "on_request_body", "on_response", "on_response_body"]


def assert_refused(hook: str, function: HookFunction, status: int = 500, timeout: int = 10_000) -> None:
    later: list[object] = []
    plugin = acts_in({hook: function}, timeout=timeout)
    outcome = run([plugin, acts(on_request=later.append)], Request("POST"), b"body")
    assert outcome.status == status
    assert set(json.loads(outcome.body)) == {"message", "request_id"}
    if hook.startswith("on_request"):
        assert outcome.upstream is None
        assert not later


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_hook_that_fails_refuses_its_request(hook: str, name: str) -> None:
    assert_refused(hook, FAULTS[name])


@pytest.mark.parametrize("hook", ["on_request", "on_response"])
@pytest.mark.parametrize("name", ONLY_BYTES_MAY)
def test_only_a_body_hook_may_return_bytes(hook: str, name: str) -> None:
    assert_refused(hook, ONLY_BYTES_MAY[name])


@pytest.mark.parametrize("hook", ["on_request_body", "on_response_body"])
@pytest.mark.parametrize("value", [bytearray(b"no"), memoryview(b"no"), "no"])
def test_a_body_hook_returns_no_other_kind_of_bytes(hook: str, value: object) -> None:
    assert_refused(hook, returns(value))


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("function", [overdue, swallows_its_cancellation, fails_at_its_cancellation])
def test_an_async_hook_over_its_time_refuses_with_503(hook: str, function: HookFunction) -> None:
    assert_refused(hook, function, 503, timeout=1)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_whose_finally_waits_is_waited_for(hook: str) -> None:
    cleaned: list[str] = []

    async def cleans_up(*_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    assert_refused(hook, cleans_up, 503, timeout=1)
    assert cleaned == ["up"]


def test_two_slow_hooks_have_the_time_of_both() -> None:
    """The chain's budget is the sum: a slow plugin takes nothing from the next one's time."""

    async def lets_on(_: Request) -> None:
        await asyncio.sleep(0)

    slow, fine = acts(timeout=1, on_error="continue", on_request=overdue), acts(on_request=lets_on)
    assert run([slow, fine], Request()).status == 200


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    "made",
    [returns_later(None), returns(GoodAwaitable()), sleeps],
    ids=["async", "object", "def"],
)
def test_whatever_can_be_awaited_is_awaited(hook: str, made: HookFunction) -> None:
    assert run(acts_in({hook: made}), Request("POST"), b"body").status == 200


def test_an_async_hook_can_reply_after_a_wait() -> None:
    assert run(acts(on_request=returns_later(Response(418))), Request()).status == 418


def test_an_awaitable_may_return_an_awaitable_only_once() -> None:
    async def lets_on() -> None:
        await asyncio.sleep(0)

    inner = lets_on()
    assert_refused("on_request", returns_later(inner))
    inner.close()


@pytest.mark.parametrize("value", ["", "two\nlines", "a b", "x" * 129, None, 7, object()])
def test_an_id_that_can_not_stand_in_a_log_line_is_a_fault(value: Any) -> None:
    def renames(request: Request, *_: object) -> None:
        request.id = value

    assert_refused("on_request", renames)
