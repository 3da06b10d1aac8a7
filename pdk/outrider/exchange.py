"""One request's way through its chain: every walk ends in a verdict, whatever a plugin does."""

import time
from collections.abc import Awaitable, Generator, Sequence
from typing import Any, Final, cast

from outrider.errors import ContractError, OverdueError, ReplyError
from outrider.log_record import Ending, LogRecord
from outrider.logs import current_request
from outrider.needs import Hook
from outrider.request import NarrowRequest, Request
from outrider.response import Refusal, Response
from outrider.slot import Slot
from outrider.step import HookMethod, Step
from outrider.verdict import PASS, UNCHECKED, Verdict, check, materialized, reply
from outrider.waiting import CANCELLATIONS, Wait, begin

_clock = time.perf_counter


class _Body:
    """Yielded by a walk that needs the whole body of its message; send it in, or None where there is none."""


BODY: Final = _Body()

Walk = Generator[_Body | Wait, bytes | None, Verdict]
"""A chain at work on one message. It yields `BODY` (send the bytes, None for none) or a `Wait` that must settle."""
Work = Generator[_Body | Wait, bytes | None, Any]


class Exchange:
    """A request, its response, and what the chain did to both.

    `request_phase` and `response_phase` are walks. Where they end with `PASS`, the changes are in `request`, in
    `response` and in `new_request_body` and `new_response_body` (None: untouched). `end` must be called once,
    however the request ends.
    """

    __slots__ = (
        "_budget",
        "_deadline",
        "_ended",
        "_ending",
        "_hook",
        "_passed",
        "_replied",
        "_replier",
        "_request_body",
        "_response_body",
        "_slots",
        "_started",
        "_upstream",
        "new_request_body",
        "new_response_body",
        "request",
        "status",
    )

    def __init__(self, slots: Sequence[Slot], request: Request, budget: float) -> None:
        self.request = request
        self.status: int | None = None
        self.new_request_body: bytes | None = None
        self.new_response_body: bytes | None = None
        self._request_body: bytes | None = None
        self._response_body: bytes | None = None
        self._upstream: Response | None = None
        self._slots = slots
        self._budget = budget
        self._started = self._deadline = _clock()
        self._passed: list[Step] = []
        self._hook: Hook = "on_request"
        self._ending: Ending = "passed"
        self._replied: Step | None = None
        self._replier: Step | None = None
        self._ended = False

    def request_phase(self) -> Walk:
        """Runs each step's request hooks until one replies."""
        self._new_message()
        request, passed = self.request, self._passed
        for slot in self._slots:
            step = slot.fixed or slot.resolve(request.consumer)
            if step is None:
                continue
            saved = None
            try:
                if step.tolerant:
                    saved = request.snapshot(), self.new_request_body
                answer = yield from self._request_hooks(step)
            except GeneratorExit:
                raise
            except BaseException as error:
                step.report(self._hook, error)
                if saved is None:
                    return (yield from self._answer(_fault(request, error), step, "fault"))
                request.restore(saved[0])
                self.new_request_body = saved[1]
                continue
            if answer is not None:
                step.replied.add()
                self._replied = step
                return (yield from self._answer(answer, step, "replied"))
            step.passed.add()
            passed.append(step)
        # A response can be a long time coming: the body is not kept for it.
        self._request_body = None
        return PASS

    def response_phase(self, response: Response) -> Walk:
        """Runs the response hooks of the steps that let the request on, in reverse, on upstream's answer."""
        self._new_message()
        self._upstream = response
        self.status = response.status
        final = yield from self._response_hooks_of_all(response)
        self.status = final.status
        return PASS if final is response else reply(self.request, final)

    def end(self, *, aborted: bool) -> None:
        """Tells the plugins that the request is over; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        steps = self._passed if self._replied is None else [*self._passed, self._replied]
        plugin = self._replier.name if self._replier else None
        ending: Ending = "aborted" if aborted else self._ending
        record = LogRecord(ending, self.status, _clock() - self._started, plugin)
        current_request.set(self.request)
        for step in steps:
            if step.on_log is not None:
                _log_step(step, step.on_log, self.request, record)

    def _request_hooks(self, step: Step) -> Work:
        """One step on the request: its headers, then its body if it wants it. None lets the request on."""
        seen = self._seen_by(step)
        if step.on_request is not None:
            answer = yield from self._run(step, "on_request", step.on_request, seen)
            if answer is not None:
                return answer
        if step.on_request_body is None:
            return None
        if self._request_body is None:
            self._request_body = yield from self._read_body()
        body = self._request_body if self.new_request_body is None else self.new_request_body
        answer = yield from self._run(step, "on_request_body", step.on_request_body, seen, body)
        if isinstance(answer, bytes):
            self.new_request_body = answer
            return None
        return answer

    def _response_hooks(self, step: Step, response: Response) -> Work:
        """One step on the response: its headers, then its body if it wants it. None lets the response on."""
        seen = self._seen_by(step)
        if step.on_response is not None:
            answer = yield from self._run(step, "on_response", step.on_response, seen, response)
            if answer is not None:
                return answer
        if step.on_response_body is None:
            return None
        if response is not self._upstream:
            body = response.body
        else:
            if self._response_body is None:
                self._response_body = yield from self._read_body()
            body = self._response_body if self.new_response_body is None else self.new_response_body
        answer = yield from self._run(step, "on_response_body", step.on_response_body, seen, response, body)
        if not isinstance(answer, bytes):
            return answer
        if response is self._upstream:
            self.new_response_body = answer
        else:
            response.body = answer
        return None

    def _response_hooks_of_all(self, response: Response) -> Generator[_Body | Wait, bytes | None, Response]:
        """Runs the passed steps in reverse. What comes back is the response itself, or the reply in its place."""
        for step in reversed(self._passed):
            if not step.responds:
                continue
            saved = None
            try:
                if step.tolerant:
                    saved = self.request.snapshot(), response.snapshot(), self.new_response_body
                answer = yield from self._response_hooks(step, response)
                check(response)
            except GeneratorExit:
                raise
            except BaseException as error:
                step.report(self._hook, error)
                if saved is not None:
                    self.request.restore(saved[0])
                    response.restore(saved[1])
                    self.new_response_body = saved[2]
                    continue
                answer, self._ending, self._replier = _fault(self.request, error), "fault", step
            if answer is not None:
                response = answer
                if self._ending == "passed":
                    self._ending, self._replier = "replied", step
        return response

    def _answer(self, answer: Response, step: Step, ending: Ending) -> Walk:
        self._ending, self._replier = ending, step
        final = yield from self._response_hooks_of_all(answer)
        self.status = final.status
        return reply(self.request, final)

    def _run(self, step: Step, hook: Hook, method: HookMethod, *seen: object) -> Work:
        """One hook, timed; what it returns is checked here and nowhere else."""
        self._hook = hook
        began = _clock()
        try:
            answer = method(*seen)
        except CANCELLATIONS as error:
            raise ContractError("the hook was cancelled from inside") from error
        if answer is not None and not isinstance(answer, (Response, bytes)):
            answer = yield from self._settled(step, answer)
        step.took(hook, _clock() - began)
        if answer is None or (isinstance(answer, bytes) and hook.endswith("_body")):
            return answer
        if isinstance(answer, Response):
            # A hook that returns the response that it was given lets it on.
            return None if any(answer is one for one in seen) else materialized(self.request, answer)
        raise ReplyError(f"{hook} returned {type(answer).__name__}: return a Response, or None to let the message on")

    def _settled(self, step: Step, answer: object) -> Work:
        """Waits for an async hook, no longer than it and its message may take."""
        if not isinstance(answer, Awaitable):
            return answer
        seconds = min(step.seconds, self._deadline - _clock())
        waiting = begin(cast("Awaitable[object]", answer), seconds)
        if not isinstance(waiting, Wait):
            return waiting.value
        try:
            yield waiting
        except GeneratorExit:
            self._give_up(step, waiting)
            raise
        current_request.set(self.request)
        return waiting.take()

    def _give_up(self, step: Step, waiting: Wait) -> None:
        try:
            waiting.close()
        except BaseException as error:
            step.report(self._hook, error)

    def _seen_by(self, step: Step) -> Request:
        return NarrowRequest(self.request, step.hidden) if step.hidden else self.request

    def _read_body(self) -> Generator[_Body | Wait, bytes | None, bytes]:
        body = yield BODY
        if body is None:
            # There is none, and so no further message with time of its own.
            return b""
        self._new_message()
        return body

    def _new_message(self) -> None:
        current_request.set(self.request)
        self._deadline = _clock() + self._budget


def _fault(request: Request, error: BaseException) -> Response:
    if isinstance(error, OverdueError):
        return materialized(request, Refusal(503, "The request took too long to check"))
    return materialized(request, Refusal(500, UNCHECKED))


def _log_step(step: Step, hook: HookMethod, request: Request, record: LogRecord) -> None:
    try:
        hook(request, record)
    except BaseException as error:
        step.report("on_log", error)
