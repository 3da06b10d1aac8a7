"""Runs one hook: no longer than it may take, and with an answer that the contract knows."""

import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, cast

from outrider.errors import ContractError, ReplyError
from outrider.logs import current_request
from outrider.narrow_request import NarrowRequest
from outrider.needs import BODY_HOOKS, CHUNK_HOOKS, Hook
from outrider.request import Request
from outrider.response import Response
from outrider.step import HookMethod, Step
from outrider.verdict import materialized
from outrider.waiting import CANCELLATIONS, Wait, begin

clock = time.perf_counter

THE_BYTES: Final = "return the bytes that go on"


class _Body:
    """Yielded by a walk that needs the whole body of its message; send it in, or None where there is none."""


BODY: Final = _Body()

TellSlow = Callable[[str, Hook, float, float], None]
Work = Generator[_Body | Wait, bytes | None, Any]


class HookRun:
    """The hooks of one request, one after the other; `hook` is the one that ran last.

    `unheard` if that one let its message on, and the request was broken off before the chain took its answer.
    """

    __slots__ = ("_began", "_budget", "_deadline", "_slow", "_tell_slow", "hook", "request", "unheard")

    def __init__(self, request: Request, budget: float, slow: float, tell_slow: TellSlow) -> None:
        self.request = request
        self.hook: Hook = "on_request"
        self.unheard = False
        self._budget = budget
        self._slow = slow
        self._tell_slow = tell_slow
        self._began = self._deadline = clock()

    def new_message(self) -> None:
        """The gateway sent something: the hooks have the time of a message again."""
        current_request.set(self.request)
        self._deadline = clock() + self._budget

    def seen_by(self, step: Step) -> Request:
        """The request as the step's plugin may see it."""
        return NarrowRequest(self.request, step.hidden) if step.hidden else self.request

    def run(self, step: Step, hook: Hook, method: HookMethod, *seen: object) -> Work:
        """One hook and what its answer means: a copy of its reply, the bytes that go on, or None."""
        answer = self.call(step, hook, method, *seen)
        return None if answer is None else (yield from self.weigh(step, hook, answer, *seen))

    def call(self, step: Step, hook: Hook, method: HookMethod, *seen: object) -> object:
        """One hook, timed. None lets the message on, as most hooks do; anything else is for `weigh` to judge."""
        self.hook = hook
        self._began = began = clock()
        try:
            answer = method(*seen)
        except CANCELLATIONS as error:
            raise ContractError("the hook was cancelled from inside") from error
        if answer is None:
            self._took(step, hook, clock() - began)
        return answer

    def weigh(self, step: Step, hook: Hook, answer: object, *seen: object) -> Work:
        """What a hook's answer means: a copy of its reply, the bytes that a hook on a body may return, or None."""
        began = self._began
        if not isinstance(answer, (Response, bytes)):
            answer = yield from self._settled(step, answer)
        self._took(step, hook, clock() - began)
        if answer is None or (isinstance(answer, bytes) and hook in BODY_HOOKS):
            return answer
        if isinstance(answer, Response):
            # A hook that returns the response that it was given lets it on.
            return None if any(answer is one for one in seen) else materialized(self.request, answer)
        remedy = THE_BYTES if hook in CHUNK_HOOKS else "return a Response, or None to let the message on"
        raise ReplyError(f"{hook} returned {type(answer).__name__}: {remedy}")

    def report(self, step: Step, error: BaseException) -> None:
        """The hook that ran last has failed."""
        step.report(self.hook, error)
        self._weigh_time(step, self.hook, clock() - self._began)

    def _took(self, step: Step, hook: Hook, seconds: float) -> None:
        step.took(hook, seconds)
        self._weigh_time(step, hook, seconds)

    def _weigh_time(self, step: Step, hook: Hook, seconds: float) -> None:
        if seconds > self._slow:
            self._tell_slow(step.name, hook, self._began, seconds)

    def _settled(self, step: Step, answer: object) -> Work:
        """Waits for an async hook, no longer than it and its message may take."""
        if not isinstance(answer, Awaitable):
            return answer
        seconds = min(step.seconds, self._deadline - clock())
        waiting = begin(cast("Awaitable[object]", answer), seconds)
        if not isinstance(waiting, Wait):
            return waiting.value
        try:
            yield waiting
        except GeneratorExit:
            self.unheard = waiting.ended and not isinstance(waiting.take(), Response)
            self._give_up(step, waiting)
            raise
        current_request.set(self.request)
        return waiting.take()

    def _give_up(self, step: Step, waiting: Wait) -> None:
        try:
            waiting.close()
        except BaseException as error:
            step.report(self.hook, error)
