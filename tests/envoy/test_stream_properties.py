"""Any chain over any stream: what passes is what the hooks made of it, whole or not at all, and it ends once."""

import asyncio
import gc
import logging
import weakref
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from harness.chains import HookFunction, acts_in, chain
from harness.model import Model, Refused, Side
from harness.streams import Stream
from outrider import AbortError, LogRecord, Plugin, Refusal, Request, Response

CHUNK_ACTIONS = ["same", "upper", "wait", "grow", "hold", "raise", "abort", "skip"]
ACTIONS = [None, None, *CHUNK_ACTIONS, "whole", "skip whole", "raise whole"]
RESIZING = {"grow", "hold"}


class Held:
    """Something that only one request holds."""


@dataclass
class Behaviour:
    """What one plugin does with both bodies; faults come at the piece `at`."""

    request: str | None
    response: str | None
    refuses: bool
    tolerant: bool
    at: int
    logs: list[LogRecord] = field(default_factory=list[LogRecord])

    def plugin(self) -> Plugin:
        hooks: dict[str, HookFunction] = {"on_request": self._on_request, "on_log": self._on_log}
        for direction, action in (("request", self.request), ("response", self.response)):
            if action in CHUNK_ACTIONS:
                hooks[f"on_{direction}_chunk"] = _Chunks(self, action).hook
            elif action is not None:
                hooks[f"on_{direction}_body"] = self._whole(action)
        if self.response is not None and "skip" in self.response:
            hooks["on_response"] = _skips
        resizes = bool(RESIZING & {self.request, self.response})
        return acts_in(hooks, on_error="continue" if self.tolerant else "deny", resizes=resizes)

    def _on_request(self, request: Request) -> Refusal | None:
        held = Held()
        _held.append(weakref.ref(held))
        cast("Any", request.context)[str(id(self))] = held
        if self.request is not None and "skip" in self.request:
            request.skip_body()
        return Refusal(403, "No") if self.refuses else None

    def _on_log(self, _: Request, log: LogRecord) -> None:
        self.logs.append(log)

    def _whole(self, action: str) -> HookFunction:
        def hook(*seen: Any) -> bytes:
            if action == "raise whole":
                raise RuntimeError
            body: bytes = seen[-1]
            return body + b"!"

        return hook


def _skips(_: Request, response: Response) -> None:
    response.skip_body()


@dataclass
class _Chunks:
    """The chunk hook of one direction."""

    behaviour: Behaviour
    action: str
    count: int = 0
    held: bytes = b""

    def hook(self, *seen: Any) -> Any:
        chunk, last = seen[-2:]
        self.count += 1
        match self.action:
            case "upper":
                return chunk.upper()
            case "wait":
                return self._later(chunk)
            case "grow":
                return chunk + b"+" if last else chunk
            case "hold":
                self.held += chunk
                return self.held if last else b""
            case "raise" | "abort" if self.count > self.behaviour.at or last:
                raise RuntimeError if self.action == "raise" else AbortError(Refusal(413, "No"))
            case "skip":
                pytest.fail("it was to be passed over")
            case _:
                return chunk

    async def _later(self, chunk: bytes) -> bytes:
        await asyncio.sleep(0)
        return chunk.upper()


def expected(body: bytes, actions: list[str | None]) -> bytes:
    """What the hooks make of a body, in the order in which they run: first the whole ones, then those on pieces."""
    for action in actions:
        if action == "whole":
            body += b"!"
    for action in actions:
        if action in ("upper", "wait"):
            body = body.upper()
        if action == "grow":
            body += b"+"
    return body


@dataclass
class Case:
    behaviours: list[Behaviour]
    request: Side
    response: Side
    schedule: list[bool]
    cut: int
    listens: bool

    @property
    def must_pass(self) -> bool:
        return not any(one.refuses or self._fails(one) for one in self.behaviours)

    @staticmethod
    def _fails(one: Behaviour) -> bool:
        if one.tolerant and one.request == "raise whole":
            # It has no part in the response.
            return False
        failing = {"abort"} if one.tolerant and not RESIZING & {one.request, one.response} else {"abort", "raise"}
        return bool(failing & {one.request, one.response}) or (
            not one.tolerant and "raise whole" in (one.request, one.response)
        )


async def drive(case: Case, model: Model) -> None:
    """The two directions, mixed as the schedule says, up to the cut."""
    await model.headers(case.request)
    request: AsyncIterator[None] = model.parts(case.request)
    response: AsyncIterator[None] | None = None
    steps = iter(case.schedule)
    for step in range(1000):
        if step == case.cut:
            return
        if response is None and case.request.begun and (case.request.ended or next(steps, True)):
            await model.headers(case.response)
            response = model.parts(case.response)
        elif response is not None and (case.request.ended or next(steps, True)):
            await anext(response, None)
        else:
            await anext(request, None)
        if case.response.ended:
            return


async def check(case: Case) -> None:
    plugins = [one.plugin() for one in case.behaviours]
    compiled = chain(*plugins)
    stream = Stream(chains=[compiled])
    model = Model(stream, compiled, case.request, case.response, listens=case.listens)
    refused = False
    try:
        await drive(case, model)
    except Refused:
        refused = True
    stream.close()
    stream.close()
    check_what_passed(case, model, refused=refused)
    check_the_logs(case, refused=refused)


def check_what_passed(case: Case, model: Model, *, refused: bool) -> None:
    inward = [one.request for one in case.behaviours]
    # One that failed on the request, and may, has no part in the response.
    outward = [None if one.request == "raise whole" else one.response for one in reversed(case.behaviours)]
    for side, actions in ((case.request, inward), (case.response, outward)):
        if side.ended:
            assert b"".join(side.passed) == expected(b"".join(side.chunks), actions)
    if any(one.refuses for one in case.behaviours):
        assert not case.request.begun
    if refused:
        assert model.status is not None
        assert not case.must_pass or not case.listens
        assert not case.response.ended
    elif case.response.ended and case.request.ended:
        assert case.must_pass
        event("passed whole")


def check_the_logs(case: Case, *, refused: bool) -> None:
    for one in case.behaviours:
        assert len(one.logs) <= 1
    endings = {log.ending for one in case.behaviours for log in one.logs}
    assert len(endings) <= 1
    if not refused and not case.response.ended and case.response.begun:
        assert endings <= {"aborted", "passed"}


chunks = st.lists(st.sampled_from([b"", b"a", b"bc", b"def"]), max_size=4).map(tuple)


@st.composite
def a_side(draw: st.DrawFn, name: str) -> Side:
    pieces = draw(chunks)
    # A message of trailers alone can't be changed; test_conversation_answers.py says what becomes of it.
    return Side(name, pieces, trailers=bool(pieces) and draw(st.booleans()), announced=draw(st.booleans()))


action = st.sampled_from(ACTIONS)
behaviours = st.lists(
    st.builds(
        Behaviour,
        action,
        action,
        st.sampled_from([False] * 9 + [True]),
        st.booleans(),
        st.integers(0, 3),
    ),
    max_size=3,
)
cases = st.builds(
    Case,
    behaviours,
    a_side("request"),
    a_side("response"),
    st.lists(st.booleans(), max_size=8),
    st.one_of(st.just(-1), st.integers(0, 8)),
    st.sampled_from([True, True, True, False]),
)

_held: list[weakref.ref[Held]] = []


@settings(
    max_examples=300,
    # What explains a failure takes longer than all else.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(cases)
def run_any_case(case: Case) -> None:
    asyncio.run(check(case))


@pytest.fixture
def no_logs() -> Iterator[None]:
    """What pytest captures it keeps, and with an error all that its traceback holds."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("no_logs")
def test_a_body_passes_as_the_hooks_made_it_or_not_to_its_end() -> None:
    _held.clear()
    run_any_case()
    gc.collect()
    assert _held
    assert not [held for held in _held if held() is not None]
