"""One request's way through its chain: every walk ends in a verdict, whatever a plugin does."""

import time
from collections.abc import Awaitable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from outrider.errors import ReplyError
from outrider.headers import Headers
from outrider.log_record import Ending, LogRecord
from outrider.logs import current_request
from outrider.needs import Hook
from outrider.request import NarrowRequest, Request
from outrider.response import Refusal, Response
from outrider.step import HookMethod, Step
from outrider.verdict import PASS, Reply, Verdict, materialized, reply
from outrider.waiting import Wait, begin

if TYPE_CHECKING:
    from outrider.chain import Slot

_clock = time.perf_counter


class _Body:
    """Yielded by a walk that needs the whole body of its message; send it in."""


BODY: Final = _Body()

Work = Generator[_Body | Wait, bytes | None, Any]
Walk = Generator[_Body | Wait, bytes | None, Verdict]
"""A chain at work on one message. It yields `BODY` (send the bytes) or a `Wait` that must settle (send None)."""


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
        "_replier",
        "_slots",
        "_started",
        "new_request_body",
        "new_response_body",
        "request",
        "status",
    )

    def __init__(self, slots: "Sequence[Slot]", request: Request, budget: float) -> None:
        self.request = request
        self.new_request_body: bytes | None = None
        self.new_response_body: bytes | None = None
        self.status: int | None = None
        self._slots = slots
        self._budget = budget
        self._started = self._deadline = _clock()
        self._passed: list[Step] = []
        self._replier: Step | None = None
        self._hook: Hook = "on_request"
        self._ending: Ending = "passed"
        self._ended = False

    def request_phase(self) -> Walk:
        """Runs each step's request hooks until one replies."""
        self._new_message()
        request, passed = self.request, self._passed
        body: bytes | None = None
        for slot in self._slots:
            step = slot.fixed or slot.resolve(request.consumer)
            if step is None:
                continue
            saved = (request.snapshot(), self.new_request_body) if step.tolerant else None
            answer: Any = None
            try:
                seen = NarrowRequest(request, step.hidden) if step.hidden else request
                if step.on_request is not None:
                    answer = yield from self._run(step, "on_request", step.on_request, seen)
                if answer is None and step.on_request_body is not None:
                    if body is None:
                        body = yield from self._read_body()
                    answer = yield from self._run(step, "on_request_body", step.on_request_body, seen, body)
                    if isinstance(answer, bytes):
                        self.new_request_body = body = answer
                        answer = None
            except (Exception, SystemExit) as error:
                step.report(self._hook, error)
                if saved is not None:
                    request.restore(saved[0])
                    self.new_request_body = saved[1]
                    continue
                return (yield from self._answer(_fault(error), step, "fault"))
            if answer is not None:
                step.replied.add()
                return (yield from self._answer(answer, step, "replied"))
            step.passed.add()
            passed.append(step)
        return PASS

    def response_phase(self, response: Response) -> Walk:
        """Runs the response hooks of the steps that let the request on, in reverse, on upstream's answer."""
        self._new_message()
        self.status = response.status
        final = yield from self._unwind(response, local=False)
        self.status = final.status
        return PASS if final is response else self._reply(final)

    def end(self, *, aborted: bool) -> None:
        """Tells the plugins that the request is over; a second call does nothing."""
        if self._ended:
            return
        self._ended = True
        steps = [*self._passed]
        if self._ending == "replied" and self._replier is not None and self._replier not in steps:
            steps.append(self._replier)
        ending: Ending = "aborted" if aborted else self._ending
        plugin = self._replier.name if self._replier else None
        record = LogRecord(ending, self.status, _clock() - self._started, plugin)
        current_request.set(self.request)
        for step in steps:
            if step.on_log is not None:
                _log_step(step, step.on_log, self.request, record)

    def _new_message(self) -> None:
        current_request.set(self.request)
        self._deadline = _clock() + self._budget

    def _answer(self, answer: Response, step: Step, ending: Ending) -> Walk:
        self._ending, self._replier = ending, step
        final = yield from self._unwind(answer, local=True)
        self.status = final.status
        return self._reply(final)

    def _reply(self, response: Response) -> Reply:
        try:
            return reply(self.request, response)
        except Exception as error:
            if self._replier is not None:
                self._replier.report(self._hook, error)
            self._ending, self.status = "fault", 500
            return reply(self.request, _fault(error))

    def _unwind(self, response: Response, *, local: bool) -> Generator[_Body | Wait, bytes | None, Response]:
        """Runs the response hooks of the passed steps in reverse; what is not `response` any more is a reply."""
        body: bytes | None = None
        for step in reversed(self._passed):
            if not step.responds:
                continue
            saved = _Saved.of(self.request, response, self.new_response_body) if step.tolerant else None
            answer: Any = None
            try:
                seen = NarrowRequest(self.request, step.hidden) if step.hidden else self.request
                if step.on_response is not None:
                    answer = yield from self._run(step, "on_response", step.on_response, seen, response)
                if answer is None and step.on_response_body is not None:
                    if local:
                        response = materialized(self.request, response)
                        body = response.body
                    elif body is None:
                        body = yield from self._read_body()
                    hook = step.on_response_body
                    answer = yield from self._run(step, "on_response_body", hook, seen, response, body)
                    if isinstance(answer, bytes):
                        body = answer
                        if local:
                            response.body = answer
                        else:
                            self.new_response_body = answer
                        answer = None
            except (Exception, SystemExit) as error:
                step.report(self._hook, error)
                if saved is not None:
                    self.new_response_body = saved.restore(self.request, response)
                    continue
                answer, self._ending, self._replier = _fault(error), "fault", step
            if answer is not None:
                response, local = answer, True
                if self._ending == "passed":
                    self._ending, self._replier = "replied", step
        return response

    def _run(self, step: Step, hook: Hook, method: HookMethod, *seen: object) -> Work:
        self._hook = hook
        began = _clock()
        answer = method(*seen)
        if answer is not None and not isinstance(answer, (Response, bytes)):
            answer = yield from self._settled(step, answer)
        step.took(hook, _clock() - began)
        if answer is None or isinstance(answer, Response) or (isinstance(answer, bytes) and hook.endswith("_body")):
            return answer
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
            waiting.close()
            raise
        current_request.set(self.request)
        return waiting.take()

    def _read_body(self) -> Generator[_Body | Wait, bytes | None, bytes]:
        body = yield BODY
        self._new_message()
        return body or b""


class _Saved(NamedTuple):
    """What a tolerated response hook could change, from before it ran."""

    request: Any
    headers: Headers
    status: int
    status_changed: bool
    body: bytes
    new_body: bytes | None

    @classmethod
    def of(cls, request: Request, response: Response, new_body: bytes | None) -> "_Saved":
        return cls(
            request.snapshot(),
            response.headers.copy(),
            response.status,
            response.status_changed,
            response.body,
            new_body,
        )

    def restore(self, request: Request, response: Response) -> bytes | None:
        request.restore(self.request)
        response.restore(self.headers, self.status, self.body, changed=self.status_changed)
        return self.new_body


def _fault(error: BaseException) -> Refusal:
    if isinstance(error, TimeoutError):
        return Refusal(503, "The request took too long to check")
    return Refusal(500, "The request could not be checked")


def _log_step(step: Step, hook: HookMethod, request: Request, record: LogRecord) -> None:
    try:
        hook(request, record)
    except (Exception, SystemExit) as error:
        step.report("on_log", error)
