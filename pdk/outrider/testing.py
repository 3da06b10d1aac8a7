"""Runs a plugin in a test as a gateway would, with no gateway and no network.

outcome = run(AddHeader(name="x-team", value="blue"), Request("GET", "/orders"))
assert outcome.upstream.headers["x-team"] == "blue"
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self, cast

from outrider.auth import IDENTITY_HEADERS
from outrider.chain import Chain
from outrider.consumer import Consumers
from outrider.exchange import Exchange, Walk
from outrider.metrics import Metrics
from outrider.plugin import Plugin, plugin_name
from outrider.request import Request
from outrider.response import Response
from outrider.runtime import Runtime
from outrider.slot import Slot
from outrider.step import Step
from outrider.verdict import Reply, Verdict
from outrider.waiting import Wait

__all__ = ["Outcome", "Runner", "run"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request.

    `status`, `headers` and `body` are what downstream got. `upstream` is the request as it went on, None if a plugin
    answered; `upstream_body` is the body that went with it.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    upstream: Request | None
    upstream_body: bytes = b""


@dataclass(slots=True)
class Runner:
    """A chain of plugins in a worker of its own. Use it as an async context manager to keep it over many requests."""

    plugins: Sequence[Plugin]
    runtime: Runtime = field(default_factory=Runtime)
    metrics: Metrics = field(default_factory=Metrics)

    async def __aenter__(self) -> Self:
        for plugin in self.plugins:
            plugin.check(self.runtime.consumers)
            await plugin.start(self.runtime)
        return self

    async def __aexit__(self, *_: object) -> None:
        for plugin in self.plugins:
            await plugin.stop()
        await self.runtime.stop()

    async def send(self, request: Request, body: bytes = b"", response: Response | None = None) -> Outcome:
        """One request through the chain; `response` is what upstream answers (default: 200, empty)."""
        exchange = self._chain(request).begin(request)
        verdict = await _walk(exchange.request_phase(), body)
        upstream = None if isinstance(verdict, Reply) else request
        answer = response or Response()
        sent = exchange.new_request_body if exchange.new_request_body is not None else body
        if not isinstance(verdict, Reply):
            arrived = Response.received(answer.status, answer.headers.copy())
            arrived.body = answer.body
            verdict = await _walk(exchange.response_phase(arrived), answer.body)
            answer = arrived
        exchange.end(aborted=False)
        return _outcome(exchange, verdict, answer, upstream, sent)

    def _chain(self, request: Request) -> Chain:
        names = [name for plugin in self.plugins for name in plugin.needs().identity_headers]
        slots = [Slot([Step(plugin_name(type(one)), one, request.route.name, self.metrics)]) for one in self.plugins]
        return Chain(request.route, slots, {*IDENTITY_HEADERS, *names})


def run(
    plugins: Plugin | Sequence[Plugin],
    request: Request,
    body: bytes = b"",
    *,
    response: Response | None = None,
    consumers: Consumers | None = None,
) -> Outcome:
    """Starts the plugins, sends one request through them, stops them, and tells what came of it."""

    async def once() -> Outcome:
        chain = [plugins] if isinstance(plugins, Plugin) else plugins
        async with Runner(chain, Runtime(consumers or Consumers())) as runner:
            return await runner.send(request, body, response)

    return asyncio.run(once())


async def _walk(walk: Walk, body: bytes) -> Verdict:
    try:
        wanted = next(walk)
        while True:
            if isinstance(wanted, Wait):
                await wanted.settle()
                wanted = next(walk)
            else:
                wanted = walk.send(body)
    except StopIteration as stop:
        return cast("Verdict", stop.value)


def _outcome(
    exchange: Exchange, verdict: Verdict, answer: Response, upstream: Request | None, sent: bytes
) -> Outcome:
    if isinstance(verdict, Reply):
        return Outcome(verdict.status, _joined(verdict.headers), verdict.body, upstream, sent)
    for name, values in exchange.request.reply_changes():
        answer.headers.discard(name)
        for value in values:
            answer.headers.append(name, value)
    body = exchange.new_response_body if exchange.new_response_body is not None else answer.body
    return Outcome(answer.status, _joined(answer.headers.fields()), body, upstream, sent)


def _joined(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in fields:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
