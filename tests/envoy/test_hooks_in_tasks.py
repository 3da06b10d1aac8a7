"""Hooks find a task and a context of their own around them, whatever speaks gRPC with Envoy."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest

from harness import ask
from harness.chains import acts
from harness.streams import is_untouched, sets
from harness.worker import Worker, both_transports, done, served, told
from outrider import Request

pytestmark = both_transports
AsyncHook = Callable[[Request], Awaitable[None]]
tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


async def waits(request: Request) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(asyncio.sleep(0))
    token = tenant.set("somebody")
    await asyncio.sleep(0)
    tenant.reset(token)
    request.headers["x-done"] = "yes"


async def waits_for_nothing(request: Request) -> None:
    request.headers["x-done"] = "yes"


@pytest.mark.parametrize("hook", [waits, waits_for_nothing])
def test_an_async_hook_may_use_what_belongs_to_a_task_and_needs_not_wait(hook: AsyncHook, transport: str) -> None:
    async def test(worker: Worker) -> None:
        stream = worker.stream()
        answer = await told(stream, ask.request_headers(end=True))
        assert sets(answer.request_headers.response) == [("x-done", b"yes", False)]
        await done(stream)

    served(transport, test, acts(on_request=hook))


def test_what_one_request_puts_into_a_context_variable_is_not_there_for_the_next(transport: str) -> None:
    seen: list[str] = []

    def hook(request: Request) -> None:
        seen.append(tenant.get())
        tenant.set(request.path)

    async def test(worker: Worker) -> None:
        for path in ("/first", "/second"):
            stream, message = worker.stream(), ask.request_headers(path=path, end=True)
            assert is_untouched(await told(stream, message), message)
            await done(stream)

    served(transport, test, acts(on_request=hook))
    assert seen == ["nobody", "nobody"]


def test_a_request_keeps_its_context_variables_for_its_response(transport: str) -> None:
    seen: list[str] = []

    async def test(worker: Worker) -> None:
        stream = worker.stream()
        for message in (ask.request_headers(end=True), ask.response_headers(end=True)):
            await told(stream, message)
        await done(stream)

    def before(_: Request) -> None:
        tenant.set("alice")

    def after(*_: object) -> None:
        seen.append(tenant.get())

    served(transport, test, acts(on_request=before, on_response=after))
    assert seen == ["alice"]
