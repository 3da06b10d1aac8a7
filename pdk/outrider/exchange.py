"""One request's way through its chain: every walk ends in a verdict, whatever a plugin does."""

import math
from collections.abc import Generator, Sequence
from typing import Any

from outrider.chunks import ChunkFault, Chunks, Piece
from outrider.log_record import Ending
from outrider.progress import Progress
from outrider.request import Request
from outrider.response import Response
from outrider.running import BODY, HookRun, Work
from outrider.slot import Slot
from outrider.step import Step
from outrider.verdict import PASS, Reply, Verdict, check, fault, reply

__all__ = ["BODY", "ChunkWalk", "Exchange", "Walk"]
Walk = Generator[Any, bytes | None, Verdict]
"""A chain at work on one message. It yields `BODY` (send the bytes, None for none) or a `Wait` that must settle."""
ChunkWalk = Generator[Any, bytes | None, bytes | Reply]
"""A chain at work on a piece of a body: what goes on in its place, or why nothing more may."""
_Answering = Generator[Any, bytes | None, Response]


class Exchange:
    """A request, its response, and what the chain did to both.

    `request_phase` and `response_phase` are walks. Where they end with `PASS`, the changes are in `request`, in
    `response` and in `new_request_body` and `new_response_body` (None: untouched); and where `request_chunks` or
    `response_chunks` is set then, the body goes piece by piece through `request_chunk` or `response_chunk`: `b""` as
    `last` where there is none. `end` must be called once, however the request ends.
    """

    __slots__ = (
        "_chunked",
        "_request_body",
        "_response_body",
        "_run",
        "_slots",
        "_upstream",
        "new_request_body",
        "new_response_body",
        "progress",
        "request",
        "request_chunks",
        "response_chunks",
    )

    def __init__(
        self,
        slots: Sequence[Slot],
        request: Request,
        budget: float,
        progress: Progress | None = None,
        *,
        slow: float = math.inf,
    ) -> None:
        self.request = request
        self.new_request_body: bytes | None = None
        self.new_response_body: bytes | None = None
        self.request_chunks: Chunks | None = None
        self.response_chunks: Chunks | None = None
        self._chunked: list[Piece] = []
        self._request_body: bytes | None = None
        self._response_body: bytes | None = None
        self._upstream: Response | None = None
        self._slots = slots
        self.progress = progress or Progress()
        self._run = HookRun(request, budget, slow, self.progress.tell_slow)

    def request_phase(self) -> Walk:  # noqa: C901 - a call for each step would cost more than it clarifies
        """Runs each step's request hooks until one replies."""
        run, request, passed = self._run, self.request, self.progress.passed
        run.new_message()
        for slot in self._slots:
            step = slot.fixed or slot.resolve(request.consumer)
            if step is None:
                continue
            saved = None
            try:
                if step.tolerant:
                    saved = request.snapshot(), self.new_request_body
                seen = run.seen_by(step)
                answer: Any = None
                request.body_skipped = False
                if step.on_request is not None:
                    answer = run.call(step, "on_request", step.on_request, seen)
                # A plain hook that lets the request on costs no generator.
                if answer is not None or step.on_request_body is not None:
                    answer = yield from self._rest_of_step(step, seen, answer)
            except GeneratorExit:
                if run.unheard and self._was_last_hook(step):
                    passed.append(step)
                raise
            except BaseException as error:
                run.report(step, error)
                if saved is None:
                    return (yield from self._answer(fault(request, error), step, "fault"))
                request.restore(saved[0])
                self.new_request_body = saved[1]
                continue
            if answer is not None:
                step.replied.add()
                self.progress.replied = step
                return (yield from self._answer(answer, step, "replied"))
            step.passed.add()
            passed.append(step)
            if step.on_request_chunk is not None and not request.body_skipped:
                self._chunked.append((step, step.on_request_chunk))
        request.headers.seal()
        return (yield from self._request_body_next()) if self._chunked or self._request_body is not None else PASS

    def response_phase(self, response: Response) -> Walk:
        """Runs the response hooks of the steps that let the request on, in reverse, on upstream's answer."""
        self._run.new_message()
        self._upstream = response
        self.progress.status = response.status
        # Envoy has replaced upstream's own already, other gateways have not.
        response.headers.forget(name for name, _ in self.request.reply_changes())
        final = yield from self._response_hooks_of_all(response, self.progress.passed)
        self.progress.status = final.status
        if final is not response:
            return reply(self.request, final)
        response.headers.seal()
        return PASS

    def request_chunk(self, chunk: bytes, *, last: bool) -> ChunkWalk:
        """One piece of the request's body through `request_chunks`; a `Reply` ends the request."""
        if self.request_chunks is None:
            return chunk
        self.progress.request_bytes = (self.progress.request_bytes or 0) + len(chunk)
        return (yield from self._feed(self.request_chunks, chunk, last=last))

    def response_chunk(self, chunk: bytes, *, last: bool) -> ChunkWalk:
        """One piece of the response's body through `response_chunks`; a `Reply` says that the rest must not pass."""
        if self.response_chunks is None:
            return chunk
        self.progress.response_bytes = (self.progress.response_bytes or 0) + len(chunk)
        return (yield from self._feed(self.response_chunks, chunk, last=last))

    def end(self, *, aborted: bool) -> None:
        """Tells the plugins that the request is over; a second call does nothing."""
        self.progress.end(self.request, aborted=aborted)

    def _rest_of_step(self, step: Step, seen: Request, answer: object) -> Work:
        """What `on_request` answered, then the request's body if the step wants it. None lets the request on."""
        if answer is not None:
            answer = yield from self._run.weigh(step, "on_request", answer, seen)
        if answer is not None or step.on_request_body is None or self.request.body_skipped:
            return answer
        if self._request_body is None:
            self._request_body = yield from self._read_body()
            self.progress.request_bytes = len(self._request_body)
        body = self._request_body if self.new_request_body is None else self.new_request_body
        answer = yield from self._run.run(step, "on_request_body", step.on_request_body, seen, body)
        if isinstance(answer, bytes):
            self.new_request_body = answer
            return None
        return answer

    def _was_last_hook(self, step: Step) -> bool:
        """Whether the step's request hooks have all run: it hears of the end of a request that it may count on."""
        return step.on_request_body is None or self.request.body_skipped or self._run.hook == "on_request_body"

    def _request_body_next(self) -> Walk:
        """The body streams through the chunk hooks; one that a plugin has read goes through as one piece."""
        chunks = Chunks(self._run, "on_request_chunk", self._chunked)
        if not any(step.responds for step in self.progress.passed):
            self.request.seal_reply_headers()
        # A response can be a long time coming: the body is not kept for it.
        body, self._request_body = self._request_body, None
        if body is None:
            self.request_chunks = chunks
            return PASS
        if self.new_request_body is not None:
            body = self.new_request_body
        passed = yield from self._feed(chunks, body, last=True)
        if not isinstance(passed, bytes):
            return passed
        self.new_request_body = passed if passed != body else self.new_request_body
        return PASS

    def _response_hooks(self, step: Step, response: Response) -> Work:
        """One step on the response: its headers, then its body if it wants it. None lets the response on."""
        run = self._run
        seen = run.seen_by(step)
        response.body_skipped = False
        if step.on_response is not None:
            answer = yield from run.run(step, "on_response", step.on_response, seen, response)
            if answer is not None:
                return answer
        if step.on_response_body is None or response.body_skipped:
            return None
        if response is not self._upstream:
            body = response.body
        else:
            if self._response_body is None:
                self._response_body = yield from self._read_body()
                self.progress.response_bytes = len(self._response_body)
            body = self._response_body if self.new_response_body is None else self.new_response_body
        answer = yield from run.run(step, "on_response_body", step.on_response_body, seen, response, body)
        if not isinstance(answer, bytes):
            return answer
        self._replace_response_body(response, answer)
        return None

    def _response_hooks_of_all(self, response: Response, passed: Sequence[Step]) -> _Answering:
        """Runs the passed steps in reverse. What comes back is the response itself, or the reply in its place."""
        self._chunked.clear()
        for step in reversed(passed):
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
                self._run.report(step, error)
                if saved is not None:
                    self.request.restore(saved[0])
                    response.restore(saved[1])
                    self.new_response_body = saved[2]
                    continue
                answer, self.progress.ending, self.progress.replier = fault(self.request, error), "fault", step
            if answer is not None:
                response = answer
                # What ran before ran on a message that is gone.
                self._chunked.clear()
                if self.progress.ending == "passed":
                    self.progress.ending, self.progress.replier = "replied", step
            elif step.on_response_chunk is not None and not response.body_skipped:
                self._chunked.append((step, step.on_response_chunk))
        return (yield from self._response_body_next(response)) if self._chunked else response

    def _response_body_next(self, response: Response) -> _Answering:
        """Upstream's body streams, unless a plugin has read it; a reply's is here: it goes through as one piece."""
        chunks = Chunks(self._run, "on_response_chunk", self._chunked, response)
        self.request.seal_reply_headers()
        if response is not self._upstream:
            body = response.body
        elif self._response_body is not None:
            body = self._response_body if self.new_response_body is None else self.new_response_body
        else:
            self.response_chunks = chunks
            return response
        try:
            answer = yield from chunks.feed(body, last=True)
        except ChunkFault as ended:
            self.progress.ending, self.progress.replier = ended.ending, ended.step
            return ended.answer(self.request)
        if answer != body:
            self._replace_response_body(response, answer)
        return response

    def _replace_response_body(self, response: Response, body: bytes) -> None:
        if response is self._upstream:
            self.new_response_body = body
        else:
            response.body = body

    def _answer(self, answer: Response, step: Step, ending: Ending) -> Walk:
        self.progress.ending, self.progress.replier = ending, step
        final = yield from self._response_hooks_of_all(answer, self.progress.passed)
        self.progress.status = final.status
        return reply(self.request, final)

    def _feed(self, chunks: Chunks, chunk: bytes, *, last: bool) -> ChunkWalk:
        try:
            return (yield from chunks.feed(chunk, last=last))
        except ChunkFault as error:
            ended = error
        self.request_chunks = self.response_chunks = None
        self.progress.ending, self.progress.replier = ended.ending, ended.step
        final = ended.answer(self.request)
        if self._upstream is None:
            # The response has not begun: downstream gets the refusal, as from a request hook.
            final = yield from self._response_hooks_of_all(
                final, self.progress.passed[: self.progress.passed.index(ended.step)]
            )
            self.progress.status = final.status
        return reply(self.request, final)

    def _read_body(self) -> Generator[Any, bytes | None, bytes]:
        body = yield BODY
        if body is None:
            # There is none, and so no further message with time of its own.
            return b""
        self._run.new_message()
        return body
