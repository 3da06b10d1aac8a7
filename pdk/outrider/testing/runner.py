"""Runs plugins as a gateway would, with no gateway and no network."""

import asyncio
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar, cast

from outrider.auth import IDENTITY_HEADERS
from outrider.chain import Chain
from outrider.consumer import Consumers
from outrider.exchange import Exchange
from outrider.metrics import Metrics
from outrider.needs import Hook
from outrider.plugin import Plugin, plugin_name
from outrider.request import Request
from outrider.response import Response
from outrider.runtime import Runtime
from outrider.slot import Slot
from outrider.step import Step
from outrider.testing.outcome import Body, Outcome, joined, whole
from outrider.verdict import Reply
from outrider.waiting import Wait

_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class Runner:
    """A chain of plugins in a worker of its own. Use it as an async context manager to keep it over many requests."""

    plugins: Sequence[Plugin]
    runtime: Runtime = field(default_factory=Runtime)

    async def __aenter__(self) -> Self:
        for plugin in self.plugins:
            plugin.check(self.runtime.consumers)
            await plugin.start(self.runtime)
        return self

    async def __aexit__(self, *_: object) -> None:
        for plugin in self.plugins:
            await plugin.stop()
        await self.runtime.stop()

    async def send(
        self,
        request: Request,
        body: Body = b"",
        response: Response | None = None,
        *,
        response_chunks: Sequence[bytes] = (),
    ) -> Outcome:
        """One request through the chain; `response` is what upstream answers (default: 200, empty).

        `response_chunks` are the pieces in which the response's body comes; else it is `response.body`.
        """
        errors: list[BaseException] = []
        request.headers.unseal()
        exchange = self._chain(request, errors).begin(request)
        try:
            outcome = await _through(exchange, body, response or Response(), response_chunks)
        finally:
            exchange.end(aborted=False)
        return replace(outcome, error=errors[0]) if errors else outcome

    def _chain(self, request: Request, errors: list[BaseException]) -> Chain:
        names = [name for plugin in self.plugins for name in plugin.needs().identity_headers]
        metrics, route = self.runtime.metrics, request.route.name
        slots = [Slot([_WatchedStep(one, route, metrics, errors)]) for one in self.plugins]
        return Chain(request.route, slots, {*IDENTITY_HEADERS, *names})


def run(
    plugins: Plugin | Sequence[Plugin],
    request: Request,
    body: Body = b"",
    *,
    response: Response | None = None,
    response_chunks: Sequence[bytes] = (),
    consumers: Consumers | None = None,
) -> Outcome:
    """Starts the plugins, sends one request through them, stops them, and tells what came of it."""

    async def once() -> Outcome:
        chain = [plugins] if isinstance(plugins, Plugin) else plugins
        async with Runner(chain, Runtime(consumers or Consumers())) as runner:
            return await runner.send(request, body, response, response_chunks=response_chunks)

    return asyncio.run(once())


class _WatchedStep(Step):
    """A step that keeps what its plugin raises."""

    __slots__ = ("_errors",)

    def __init__(self, plugin: Plugin, route: str, metrics: Metrics, errors: list[BaseException]) -> None:
        super().__init__(plugin_name(type(plugin)), plugin, route, metrics)
        self._errors = errors

    def report(self, hook: Hook, error: BaseException) -> None:
        self._errors.append(error)
        super().report(hook, error)


async def _through(exchange: Exchange, body: Body, answer: Response, chunks: Sequence[bytes]) -> Outcome:
    """One request, and upstream's answer to it."""
    sent = await _request(exchange, body)
    if isinstance(sent, Reply):
        return Outcome(sent.status, joined(sent.headers), (sent.body,), None)
    arrived = Response.received(answer.status, answer.headers.copy())
    arrived.body = answer.body
    return await _response(exchange, arrived, chunks or answer.body, sent)


async def _request(exchange: Exchange, body: Body) -> tuple[bytes, ...] | Reply:
    """What goes upstream as the body."""
    verdict = await _walk(exchange.request_phase(), whole(body))
    if isinstance(verdict, Reply):
        return verdict
    if exchange.new_request_body is not None:
        return (exchange.new_request_body,)
    if exchange.request_chunks is None:
        return (whole(body),)
    passed: list[bytes] = []
    for chunk, last in _pieces(body):
        answer = await _walk(exchange.request_chunk(chunk, last=last))
        if isinstance(answer, Reply):
            return answer
        passed.append(answer)
    return tuple(passed)


async def _response(exchange: Exchange, response: Response, body: Body, sent: tuple[bytes, ...]) -> Outcome:
    """What downstream gets of upstream's answer."""
    request = exchange.request
    verdict = await _walk(exchange.response_phase(response), whole(body))
    if isinstance(verdict, Reply):
        return Outcome(verdict.status, joined(verdict.headers), (verdict.body,), request, sent)
    headers = response.headers.copy()
    for name, values in request.reply_changes():
        headers.discard(name)
        for value in values:
            headers.append(name, value)
    passed: list[bytes] = []
    aborted = False
    if exchange.response_chunks is None:
        passed.append(whole(body) if exchange.new_response_body is None else exchange.new_response_body)
    else:
        for chunk, last in _pieces(body):
            answer = await _walk(exchange.response_chunk(chunk, last=last))
            if isinstance(answer, Reply):
                aborted = True
                break
            passed.append(answer)
    return Outcome(response.status, joined(headers.fields()), tuple(passed), request, sent, aborted)


def _pieces(body: Body) -> Iterator[tuple[bytes, bool]]:
    chunks = [body] if isinstance(body, bytes) else [*body] or [b""]
    for place, chunk in enumerate(chunks, 1):
        yield chunk, place == len(chunks)


async def _walk(walk: Generator[Any, bytes | None, _Answer], body: bytes = b"") -> _Answer:
    """Drives a walk to its end; every body that it wants is `body`."""
    sent: bytes | None = None
    try:
        while True:
            wanted = walk.send(sent)
            sent = None if isinstance(wanted, Wait) else body
            if isinstance(wanted, Wait):
                await wanted.settle()
    except StopIteration as stop:
        return cast("_Answer", stop.value)
