"""Chains of plugins that do what a test says, driven without a gateway."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from outrider import Headers, LogRecord, Needs, Plugin, Request, Response
from outrider.auth import IDENTITY_HEADERS
from outrider.chain import Chain
from outrider.exchange import Walk
from outrider.metrics import Metrics
from outrider.needs import CHUNK_HOOKS, REWRITES, Fact, Hook, Rewrite
from outrider.received import Route
from outrider.slot import Slot
from outrider.step import Step
from outrider.verdict import Verdict
from outrider.waiting import Wait

HookFunction = Callable[..., Any]

_METRICS = Metrics(slots=1 << 16)


class Acts(Plugin):
    """Does in each hook what a test gives it, and has no other hooks."""

    hook_functions: dict[Hook, HookFunction]
    known: frozenset[Fact] = Needs().facts
    replies: tuple[str, ...] = ()
    resizes: bool = False
    rewrites: frozenset[Rewrite] = REWRITES

    def needs(self) -> Needs:
        return Needs(
            facts=self.known,
            hooks=frozenset(self.hook_functions),
            reply_headers=self.replies,
            resizes=CHUNK_HOOKS if self.resizes else frozenset(),
            rewrites=self.rewrites,
        )

    def on_request(self, request: Request, /) -> Any:
        return self.hook_functions["on_request"](request)

    def on_request_body(self, request: Request, body: bytes, /) -> Any:
        return self.hook_functions["on_request_body"](request, body)

    def on_request_chunk(self, request: Request, chunk: bytes, last: bool, /) -> Any:
        return self.hook_functions["on_request_chunk"](request, chunk, last)

    def on_response(self, request: Request, response: Response, /) -> Any:
        return self.hook_functions["on_response"](request, response)

    def on_response_body(self, request: Request, response: Response, body: bytes, /) -> Any:
        return self.hook_functions["on_response_body"](request, response, body)

    def on_response_chunk(self, request: Request, response: Response, chunk: bytes, last: bool, /) -> Any:
        return self.hook_functions["on_response_chunk"](request, response, chunk, last)

    def on_log(self, request: Request, log: LogRecord, /) -> None:
        self.hook_functions["on_log"](request, log)


def acts_in(
    hooks: Mapping[str, HookFunction],
    *,
    on_error: Literal["deny", "continue"] = "deny",
    timeout: int = 10_000,
    replies: tuple[str, ...] = (),
    resizes: bool = False,
) -> Acts:
    """A plugin that has just these hooks; `replies` are the reply headers that it declares."""
    functions = cast("dict[Hook, HookFunction]", dict(hooks))
    return Acts(hook_functions=functions, replies=replies, on_error=on_error, timeout=timeout, resizes=resizes)


def acts(  # noqa: PLR0913 - one for each hook
    *,
    on_request: Callable[[Request], Any] | None = None,
    on_request_body: Callable[[Request, bytes], Any] | None = None,
    on_request_chunk: Callable[[Request, bytes, bool], Any] | None = None,
    on_response: Callable[[Request, Response], Any] | None = None,
    on_response_body: Callable[[Request, Response, bytes], Any] | None = None,
    on_response_chunk: Callable[[Request, Response, bytes, bool], Any] | None = None,
    on_log: Callable[[Request, LogRecord], None] | None = None,
    on_error: Literal["deny", "continue"] = "deny",
    timeout: int = 10_000,
    replies: tuple[str, ...] = (),
    resizes: bool = False,
) -> Acts:
    """`acts(on_request=lambda request: Response(418))`."""
    hooks: dict[str, HookFunction | None] = {
        "on_request": on_request,
        "on_request_body": on_request_body,
        "on_request_chunk": on_request_chunk,
        "on_response": on_response,
        "on_response_body": on_response_body,
        "on_response_chunk": on_response_chunk,
        "on_log": on_log,
    }
    given = {name: function for name, function in hooks.items() if function is not None}
    return acts_in(given, on_error=on_error, timeout=timeout, replies=replies, resizes=resizes)


def chain(*plugins: Plugin, route: str = "orders") -> Chain:
    """A chain of plugins of equal priority, which run in the order that is given."""
    steps = [Step(f"plugin-{place}", plugin, route, _METRICS) for place, plugin in enumerate(plugins)]
    return Chain(Route(route, f"{route}-service"), [Slot([step]) for step in steps], IDENTITY_HEADERS)


def passes(*_: object) -> None:
    """A hook that lets its message on."""


def returns(value: object) -> HookFunction:
    """A hook that returns just that."""
    return lambda *_: value  # pyright: ignore[reportUnknownLambdaType]


def change(headers: Headers, *steps: str) -> None:
    """Changes headers word by word: `set x-a one`, `append x-a two`, `discard x-b`."""
    for step in steps:
        verb, name, *value = step.split(" ", 2)
        match verb:
            case "set":
                headers[name] = value[0]
            case "append":
                headers.append(name, value[0])
            case _:
                headers.discard(name)


async def walked(walk: Walk, body: bytes = b"") -> Verdict:
    """Drives a walk to its end; every body that it wants is `body`."""
    sent: bytes | None = None
    try:
        while True:
            wanted = walk.send(sent)
            sent = None if isinstance(wanted, Wait) else body
            if isinstance(wanted, Wait):
                await wanted.settle()
    except StopIteration as stop:
        return cast("Verdict", stop.value)


def walk_of(walk: Walk, body: bytes = b"") -> Verdict:
    """The same for a test that is no coroutine."""
    return asyncio.run(walked(walk, body))
