"""Whatever a chain does and whatever Envoy sends: what must hold on every stream."""

import asyncio
import gc
import logging
import sys
import weakref
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import ask
from harness.chains import HookFunction, acts_in
from harness.streams import Stream
from outrider import LogRecord, Plugin, Refusal, Request, Response
from outrider.needs import Hook
from outrider_envoy.errors import ProtocolError
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest, ProcessingResponse

PASSES = ["pass", "change", "wait, pass", "wait, change"]
REPLIES = ["reply", "refuse", "wait, reply"]
FAULTS = ["raise", "exit", "cancel", "garbage", "wait, raise", "wait, garbage"]
ACTIONS = [*PASSES, *REPLIES, *FAULTS, "hang", "new body"]
REQUEST_HOOKS, RESPONSE_HOOKS = ("on_request", "on_request_body"), ("on_response", "on_response_body")

Behaviour = dict[Hook, str]


class Held:
    """Something that only one request holds."""


class Observed:
    """What one plugin did on one stream, and what it heard."""

    def __init__(self, behaviour: Behaviour, *, tolerant: bool, stream: "StreamTrace") -> None:
        self.behaviour = behaviour
        self.tolerant = tolerant
        self.stream = stream
        self.let_on = False
        self.replied = False
        self.logs: list[LogRecord] = []

    @property
    def plugin(self) -> Plugin:
        hooks: dict[str, HookFunction] = {hook: self._hook(hook) for hook in self.behaviour}
        hooks["on_log"] = self._hear
        return acts_in(hooks, on_error="continue" if self.tolerant else "deny", replies=("x-reply",))

    def _hear(self, _: Request, log: LogRecord) -> None:
        self.logs.append(log)

    def _hook(self, hook: Hook) -> HookFunction:
        action = self.behaviour[hook]
        last = "on_request_body" if "on_request_body" in self.behaviour else "on_request"

        def act(request: Request, *seen: Any) -> Any:
            self.stream.hold(request)
            if hook == last and action in PASSES:
                self.let_on = True
            if hook in REQUEST_HOOKS and action in REPLIES:
                self.replied = True
            if action in REPLIES or (action in FAULTS and not self.tolerant):
                self.stream.refused = True
            return self._act(action.removeprefix("wait, "), hook, request, *seen)

        async def act_later(request: Request, *seen: Any) -> Any:
            await asyncio.sleep(0)
            return act(request, *seen)

        return act_later if action.startswith("wait") else act

    def _act(self, action: str, hook: Hook, request: Request, *seen: Any) -> Any:
        match action:
            case "change":
                headers = seen[0].headers if hook in RESPONSE_HOOKS else request.headers
                headers["x-changed"] = "1"
                request.reply_headers["x-reply"] = "1"
            case "reply":
                return Response(200, body=b"replied")
            case "refuse":
                return Refusal(403, "No")
            case "raise":
                raise RuntimeError
            case "exit":
                sys.exit(0)
            case "cancel":
                raise asyncio.CancelledError
            case "garbage":
                return 42
            case "hang":
                return self.stream.hang()
            case "new body":
                return self._new_body(hook)
            case _:
                pass
        return None

    def _new_body(self, hook: Hook) -> bytes | None:
        if not hook.endswith("body"):
            self.let_on = self.let_on or (hook == "on_request" and "on_request_body" not in self.behaviour)
            return None
        self.let_on = self.let_on or hook == "on_request_body"
        return b"new"


class StreamTrace:
    """One stream: whether a plugin refused, and whether one hangs."""

    def __init__(self, behaviours: list[tuple[Behaviour, bool]]) -> None:
        self.refused = False
        self.hangs = asyncio.Event()
        self.held: list[weakref.ref[Held]] = []
        self.plugins = [Observed(behaviour, tolerant=tolerant, stream=self) for behaviour, tolerant in behaviours]
        self.stream = Stream(*(one.plugin for one in self.plugins))

    def hold(self, request: Request) -> None:
        held = Held()
        self.held.append(weakref.ref(held))
        request.context.setdefault("held", []).append(held)

    async def hang(self) -> None:
        self.hangs.set()
        await asyncio.Event().wait()

    async def run(self, messages: list[ProcessingRequest]) -> None:
        """Sends the messages; a hook that hangs is cancelled, as Envoy does when downstream leaves."""
        task = asyncio.create_task(self._serve(messages))
        hung = asyncio.create_task(self.hangs.wait())
        await asyncio.wait([task, hung], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        hung.cancel()
        await asyncio.wait([task, hung])
        if not task.cancelled():
            task.result()

    async def _serve(self, messages: list[ProcessingRequest]) -> None:
        try:
            ended = False
            for message in messages:
                ended = await self._exchange(message, ended=ended)
        finally:
            self.stream.close()
            self.stream.close()

    async def _exchange(self, message: ProcessingRequest, *, ended: bool) -> bool:
        kind = message.WhichOneof("request")
        try:
            answer = await self.stream.tell(message)
        except ProtocolError:
            assert kind is None
            return ended
        assert kind is not None
        return self._checked(kind, answer, ended=ended)

    def _checked(self, kind: str, answer: ProcessingResponse, *, ended: bool) -> bool:
        """One answer of the right kind; a refusal has a status, and after it there are only refusals."""
        refused: bool = answer.WhichOneof("response") == "immediate_response"
        if refused:
            assert 200 <= answer.immediate_response.status.code <= 599
        else:
            assert answer.WhichOneof("response") == kind
            assert not ended
            assert not self.refused
        return refused


def check_the_ends(trace: StreamTrace) -> None:
    for one in trace.plugins:
        assert len(one.logs) <= 1
        assert len(one.logs) == int(one.let_on or one.replied)
    assert len({(log.ending, log.status, log.plugin) for one in trace.plugins for log in one.logs}) <= 1


def a_request(end: bool, grpc: bool, method: str) -> ProcessingRequest:
    fields = [("content-type", "application/grpc")] if grpc else []
    return ask.request_headers(*fields, end=end, method=method)


def a_response(end: bool, status: str) -> ProcessingRequest:
    return ask.response_headers(end=end, status=status)


ends = st.booleans()
request_headers = st.builds(a_request, ends, st.booleans(), st.sampled_from(["GET", "POST", "HEAD"]))
response_headers = st.builds(a_response, ends, st.sampled_from(["200", "204", "503"]))
request_body = st.builds(ask.request_body, st.sampled_from([b"", b"in"]))
response_body = st.builds(ask.response_body, st.sampled_from([b"", b"out"]))
parts = [
    request_headers,
    request_body,
    st.just(ask.request_trailers()),
    response_headers,
    response_body,
    st.just(ask.response_trailers()),
]


@st.composite
def in_order(draw: st.DrawFn) -> list[ProcessingRequest]:
    """Messages in the order in which Envoy sends them, some left out, and cut off anywhere."""
    kept = [draw(part) for part in parts if part is parts[0] or draw(st.integers(0, 3))]
    return kept[: draw(st.integers(0, len(kept)))] if draw(st.booleans()) else kept


in_any_order = st.lists(st.one_of(*parts, st.just(ProcessingRequest())), max_size=8)

quiet = st.sampled_from(PASSES)
any_action = st.sampled_from(ACTIONS)
# Mostly quiet, or no request would ever reach the response.
action = st.one_of(quiet, quiet, any_action)
behaviours = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {"on_request": action}, optional=dict.fromkeys((*REQUEST_HOOKS[1:], *RESPONSE_HOOKS), action)
        ),
        st.booleans(),
    ),
    max_size=4,
)

_held: list[weakref.ref[Held]] = []


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chain=behaviours, messages=st.one_of(in_order(), in_order(), in_any_order))
def run_any_stream(chain: list[tuple[dict[str, str], bool]], messages: list[ProcessingRequest]) -> None:
    async def run() -> None:
        trace = StreamTrace(cast("list[tuple[Behaviour, bool]]", chain))
        await trace.run(messages)
        check_the_ends(trace)
        _held.extend(trace.held)

    asyncio.run(run())


@pytest.fixture
def no_logs() -> Iterator[None]:
    """What pytest captures it keeps, and with an error all that its traceback holds."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("no_logs")
def test_every_stream_is_answered_ended_and_forgotten() -> None:
    _held.clear()
    run_any_stream()
    gc.collect()
    assert _held
    assert not [held for held in _held if held() is not None]
