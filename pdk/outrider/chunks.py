"""The body of a message that streams: the chunk hooks of a chain, piece by piece."""

from collections.abc import Generator, Iterable
from typing import Any

from outrider.errors import AbortError, ReplyError
from outrider.log_record import Ending
from outrider.needs import Hook
from outrider.request import Request
from outrider.response import Response
from outrider.running import THE_BYTES, HookRun
from outrider.step import HookMethod, Step
from outrider.verdict import fault, materialized

Piece = tuple[Step, HookMethod]


class ChunkFault(Exception):  # noqa: N818 - told to the exchange, never to a user
    """The stream is over before its end: the hook of `step` raised `error`."""

    def __init__(self, step: Step, error: BaseException) -> None:
        super().__init__()
        self.step = step
        self.error = error
        self.ending: Ending = "replied" if isinstance(error, AbortError) else "fault"

    def answer(self, request: Request) -> Response:
        """What downstream gets, if the response has not begun."""
        if isinstance(self.error, AbortError):
            return materialized(request, self.error.refusal)
        return fault(request, self.error)


class Chunks:
    """One direction of a request, as its chunk hooks see it.

    `feed` takes one piece and gives what goes on in its place; `last` is True exactly once, with `b""` if the end
    came by itself. `resizes` says whether a hook may return more or fewer bytes than it got.
    """

    __slots__ = ("_hook", "_run", "_seen", "_steps", "resizes")

    def __init__(self, run: HookRun, hook: Hook, steps: Iterable[Piece], response: Response | None = None) -> None:
        self._run = run
        self._hook: Hook = hook
        self._steps = list(steps)
        self._seen = () if response is None else (response,)
        self.resizes = any(hook in step.resizes for step, _ in self._steps)

    def feed(self, chunk: bytes, *, last: bool) -> Generator[Any, bytes | None, bytes]:
        """Runs the hooks on one piece. Raises `ChunkFault` where the rest must not pass."""
        self._run.new_message()
        for piece in tuple(self._steps):
            step, _ = piece
            saved = self._run.request.snapshot() if self._may_go_without(step) else None
            try:
                chunk = yield from self._one(piece, chunk, last=last)
            except GeneratorExit:
                raise
            except BaseException as error:
                ended = ChunkFault(step, error)
                if ended.ending == "replied":
                    step.replied.add()
                    raise ended from error
                self._run.report(step, error)
                if saved is None:
                    raise ended from error
                self._run.request.restore(saved)
                self._steps.remove(piece)
        return chunk

    def _one(self, piece: Piece, chunk: bytes, *, last: bool) -> Generator[Any, bytes | None, bytes]:
        step, method = piece
        seen = (self._run.seen_by(step), *self._seen, chunk, last)
        answer: object = yield from self._run.run(step, self._hook, method, *seen)
        if not isinstance(answer, bytes):
            raise ReplyError(f"{self._hook} returned {type(answer).__name__}: {THE_BYTES}")
        if len(answer) != len(chunk) and self._hook not in step.resizes:
            raise ReplyError(
                f"{self._hook} returned {len(answer)} bytes for {len(chunk)}: "
                f"return as many, or name the hook in needs(), Needs(resizes=frozenset({{{self._hook!r}}}))"
            )
        return answer

    def _may_go_without(self, step: Step) -> bool:
        # One that holds bytes back would take them with it.
        return step.tolerant and self._hook not in step.resizes
