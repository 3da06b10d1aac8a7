"""What a plugin that fails costs: its own request, in every way to fail that we know."""

import asyncio
import json
import sys
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.chains import HookFunction, acts, acts_in
from outrider import Headers, Refusal, Request, Response
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


def returns(value: object) -> HookFunction:
    return lambda *_: value


def async_returns(value: object) -> HookFunction:
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
    "True": returns(True),
    "False": returns(False),
    "a number": returns(42),
    "a text": returns("no"),
    "a list": returns([]),
    "a class": returns(Response),
    "a number after a wait": async_returns(42),
    "a text after a wait": async_returns("no"),
    "a bad awaitable": returns(BadAwaitable()),
    "an exception class": returns(RuntimeError),
}

ONLY_BYTES_MAY = {"bytes": returns(b"no"), "bytes after a wait": async_returns(b"no")}

HOOKS = ["on_request", "on_request_body", "on_response", "on_response_body"]


def assert_refused(hook: str, function: HookFunction, status: int = 500, timeout: int = 10_000) -> None:
    later: list[object] = []
    plugin = acts(timeout=timeout, **{hook: function})
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
    [async_returns(None), returns(GoodAwaitable()), lambda *_: asyncio.sleep(0)],
    ids=["async", "object", "def"],
)
def test_whatever_can_be_awaited_is_awaited(hook: str, made: HookFunction) -> None:
    assert run(acts_in({hook: made}), Request("POST"), b"body").status == 200


def test_an_async_hook_can_reply_after_a_wait() -> None:
    assert run(acts(on_request=async_returns(Response(418))), Request()).status == 418


def test_an_awaitable_may_return_an_awaitable_only_once() -> None:
    async def lets_on() -> None:
        await asyncio.sleep(0)

    inner = lets_on()
    assert_refused("on_request", async_returns(inner))
    inner.close()


def broken(change: str, value: object) -> HookFunction:
    """A reply that was good until `change` got another value."""

    def hook(*_: object) -> Response:
        response = Response(403, body=b"no")
        setattr(response, change, value)
        return response

    return hook


def replies(status: Any = 200, **given: Any) -> HookFunction:
    return lambda *_: Response(status, **given)


def refusal_with(value: Any) -> HookFunction:
    def hook(*_: object) -> Response:
        refusal = Refusal(403, "No")
        refusal.message = value
        return refusal

    return hook


BAD_REPLIES: dict[str, HookFunction] = {
    "status 0": replies(0),
    "status 101": replies(101),
    "status 199": replies(199),
    "status 600": replies(600),
    "status True": replies(True),
    "status 200.0": replies(200.0),
    "status '200'": replies("200"),
    "status None": replies(None),
    "a status set later": broken("status", 99),
    "a body of numbers": replies(body=[1]),
    "a body of the wrong type": broken("body", "text"),
    "no body": broken("body", None),
    "headers of garbage": broken("headers", "x-a: 1"),
    "no headers": broken("headers", None),
    "headers that are a dict": broken("headers", {"content-length": "3"}),
    "headers that look like some": broken("headers", SimpleNamespace(fields=lambda: [("content-length", "3")])),
    "a header of the gateway": replies(headers={"Content-Length": "3"}),
    "a pseudo-header": replies(headers={":status": "200"}),
    "a line break in a header": replies(headers={"x-a": "1\r\nx-b: 2"}),
    "a header that is no text": replies(headers={"x-a": 1}),
    "a refusal that is no text": refusal_with(object()),
}


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("name", BAD_REPLIES)
def test_a_reply_that_no_gateway_could_send_is_a_fault(hook: str, name: str) -> None:
    assert_refused(hook, BAD_REPLIES[name])


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("value", [None, "garbage", {}, {"x": "y"}, Headers({"x": "y"})])
@pytest.mark.parametrize("then", ["goes on", "fails"])
def test_replacing_the_requests_headers_is_a_fault_of_who_did_it(hook: str, value: object, then: str) -> None:
    def breaks(request: Request, *_: object) -> None:
        request.headers = cast("Headers", value)
        if then == "fails":
            raise RuntimeError

    assert_refused(hook, breaks)


@pytest.mark.parametrize("hook", ["on_response", "on_response_body"])
@pytest.mark.parametrize("change", ["headers", "body"])
@pytest.mark.parametrize("answered_by", ["upstream", "plugin"])
def test_breaking_a_response_is_a_fault_of_who_did_it(hook: str, change: str, answered_by: str) -> None:
    def breaks(_: Request, response: Response, *__: object) -> None:
        setattr(response, change, "garbage")

    answers = acts(on_request=lambda _: Response(200) if answered_by == "plugin" else None)
    outcome = run([acts_in({hook: breaks}), answers], Request())
    assert (outcome.status, set(json.loads(outcome.body))) == (500, {"message", "request_id"})


def test_a_context_that_can_not_be_copied_stops_a_plugin_that_may_fail() -> None:
    def breaks(request: Request) -> None:
        request.context["x"] = (one for one in "no JSON")

    outcome = run([acts(on_request=breaks), acts(on_request=returns(None), on_error="continue")], Request())
    assert outcome.status == 500
