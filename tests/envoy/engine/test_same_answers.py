"""Generated conversations through both transports: the same answers, the same status, the same endings."""

import asyncio
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from harness import ask
from harness.ask import Mode
from harness.chains import acts
from harness.worker import CHECK, NO_PROTOBUF, TRANSPORTS, Worker, serving, settled
from outrider import LogRecord, Plugin, Refusal, Request, Response
from outrider_envoy.proto.ext_proc_pb2 import ProcessingMode, ProcessingRequest

pytestmark = pytest.mark.usefixtures("no_logs")

REQUEST_ID = re.compile(rb'(?<="request_id": ")[^"]*')
"""Each refusal has its own."""
QUICK = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
"""What explains a failure takes longer than all else."""
BUFFERED, NONE, STREAMED = ProcessingMode.BUFFERED, ProcessingMode.NONE, ProcessingMode.STREAMED


@pytest.fixture
def no_logs() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@dataclass
class Plays:
    """A plugin that does what a request's headers ask for, and hears how requests end."""

    endings: list[str] = field(default_factory=list[str])

    def plugins(self) -> list[Plugin]:
        return [
            acts(on_request=self._on_request, on_response=self._on_response, on_log=self._hear),
            acts(on_request_body=self._on_body, on_request=lambda _: None),
        ]

    def _on_request(self, request: Request) -> object:
        match request.headers.get("x-play"):
            case "refuse":
                return Refusal(403, "No")
            case "raise":
                raise RuntimeError
            case "wait":
                return self._later()
            case "change":
                request.headers["x-new"] = "1"
                request.reply_headers["x-reply"] = "2"
            case _:
                pass
        return None

    async def _later(self) -> Response | None:
        await asyncio.sleep(0)
        return None

    async def _on_response(self, _: Request, response: Response) -> None:
        response.headers["x-seen"] = "1"
        if response.status == 503:
            await asyncio.sleep(0)

    def _on_body(self, _: Request, body: bytes) -> bytes | None:
        return body.upper() if body else None

    def _hear(self, _: Request, log: LogRecord) -> None:
        self.endings.append(log.ending)


def _opening(play: str, modes: tuple[Mode, Mode] | None, end: bool) -> ProcessingRequest:
    return ask.request_headers(("x-play", play), modes=modes, end=end)


def _answered(status: str | None, end: bool) -> ProcessingRequest:
    return ask.response_headers(status=status, end=end)


def _check(play: str, raw: bool) -> bytes:
    return ask.check(("x-play", play), raw=raw).SerializeToString()


def _cut(message: ProcessingRequest, place: int) -> bytes:
    return message.SerializeToString()[:place]


def _joined(both: tuple[list[bytes], list[bytes]]) -> list[bytes]:
    return both[0] + both[1]


modes = st.sampled_from([None, (BUFFERED, NONE), (NONE, NONE), (STREAMED, STREAMED)])
plays = st.sampled_from(["", "refuse", "raise", "wait", "change"])
openings = st.builds(_opening, plays, modes, st.booleans())
messages = st.one_of(
    openings,
    st.builds(ask.request_body, st.binary(max_size=9), end=st.booleans()),
    st.just(ask.request_trailers()),
    st.builds(_answered, st.sampled_from(["200", "503", "x", None]), st.booleans()),
    st.builds(ask.response_body, st.binary(max_size=9), end=st.booleans()),
    st.just(ProcessingRequest()),
)
written = openings.map(ProcessingRequest.SerializeToString)
odd = st.sampled_from([NO_PROTOBUF, b""])
raw = st.one_of(messages.map(ProcessingRequest.SerializeToString), odd, st.builds(_cut, openings, st.integers(0, 60)))
conversations = st.tuples(st.lists(written, max_size=1), st.lists(raw, max_size=4)).map(_joined)
checks = st.lists(st.builds(_check, plays, st.booleans()) | odd, min_size=5, max_size=12)


@dataclass
class Outcome:
    answers: list[bytes]
    code: object = None
    details: object = None


ENDED = (grpc.aio.AioRpcError, asyncio.InvalidStateError, EOFError)


async def one_by_one(worker: Worker, conversation: Sequence[bytes], *, cancels: bool) -> Outcome:
    """Each message when the one before it was answered."""
    stream, outcome = worker.stream(), Outcome([])
    try:
        for message in conversation:
            await stream.write(message)
            outcome.answers.append(await _read(stream))
        if cancels:
            stream.cancel()
            return outcome
        await _read_to_the_end(stream, outcome)
    except ENDED:
        # The status says how it ended.
        pass
    outcome.code, outcome.details = await stream.code(), await stream.details()
    return outcome


async def at_once(worker: Worker, conversation: Sequence[bytes]) -> Outcome:
    """All messages before the first answer is read, and the half-close behind them."""
    stream, outcome = worker.stream(), Outcome([])
    try:
        for message in conversation:
            await stream.write(message)
        await _read_to_the_end(stream, outcome)
    except ENDED:
        pass
    outcome.code, outcome.details = await stream.code(), await stream.details()
    return outcome


async def _read_to_the_end(stream: "grpc.aio.StreamStreamCall[Any, Any]", outcome: Outcome) -> None:
    await stream.done_writing()
    while True:
        outcome.answers.append(await _read(stream))


async def _read(stream: "grpc.aio.StreamStreamCall[Any, Any]") -> bytes:
    answer = await stream.read()
    if answer is grpc.aio.EOF:
        raise EOFError
    return REQUEST_ID.sub(b"", cast("bytes", answer))


class Pair:
    """Both servers, with the same plugins."""

    def __init__(self) -> None:
        self.plays = [Plays() for _ in TRANSPORTS]
        self.workers: list[Worker] = []

    async def start(self, stack: AsyncExitStack) -> None:
        for transport, plays in zip(TRANSPORTS, self.plays, strict=True):
            self.workers.append(await stack.enter_async_context(serving(transport, *plays.plugins())))

    async def compare(self, conversation: Sequence[bytes], way: str) -> None:
        engine, grpcio = [await self._outcome(worker, conversation, way) for worker in self.workers]
        if way == "at once" and grpc.StatusCode.OK not in (engine.code, grpcio.code):
            # A client that still writes when its call fails may have an error of its own, and lose answers.
            common = min(len(engine.answers), len(grpcio.answers))
            assert engine.answers[:common] == grpcio.answers[:common]
        else:
            assert engine == grpcio
        endings = [plays.endings[:] for plays in self.plays]
        for plays in self.plays:
            plays.endings.clear()
        assert endings[0] == endings[1]

    async def _outcome(self, worker: Worker, conversation: Sequence[bytes], way: str) -> Outcome:
        async with asyncio.timeout(20):
            if way == "at once":
                outcome = await at_once(worker, conversation)
            else:
                outcome = await one_by_one(worker, conversation, cancels=way == "cancel")
            await settled(lambda: worker.in_flight == 0)
        return outcome


def test_any_conversation_goes_the_same_way_through_both() -> None:
    pair = Pair()
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        runner.run(pair.start(stack))

        @settings(max_examples=120, deadline=None, phases=QUICK, suppress_health_check=[HealthCheck.too_slow])
        @given(conversation=conversations, way=st.sampled_from(["one by one", "one by one", "at once", "cancel"]))
        def compare(conversation: list[bytes], way: str) -> None:
            runner.run(pair.compare(conversation, way))

        try:
            compare()
        finally:
            runner.run(stack.aclose())


@settings(max_examples=3, deadline=None, phases=QUICK)
@given(asked=checks)
def test_any_check_goes_the_same_way_through_both(asked: list[bytes]) -> None:
    """The second plugin reads bodies, which these checks do not bring: that is a refusal of its own."""

    async def run() -> None:
        async with AsyncExitStack() as stack:
            for plugins in ([Plays().plugins()[0]], Plays().plugins()):
                workers = [await stack.enter_async_context(serving(transport, *plugins)) for transport in TRANSPORTS]
                for message in asked:
                    engine, grpcio = [await checked(worker, message) for worker in workers]
                    assert engine == grpcio

    asyncio.run(run())


async def checked(worker: Worker, message: bytes) -> tuple[object, ...]:
    try:
        return (REQUEST_ID.sub(b"", await worker.call(CHECK, message)),)
    except grpc.aio.AioRpcError as error:
        return (error.code(), error.details())
